//! Archives fetched from a server on loopback: real data of Debian, whole and altered, and archives made by testkit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod debian_data;
mod fuzz_finds;
mod made_archives;
mod mirror_of_debian;
mod setup;
