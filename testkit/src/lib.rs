//! Fixtures for tests only: a small signed Debian archive made from real packages, and a server for it.
//!
//! ```
//! use testkit::{DebBuilder, TestArchive};
//!
//! let deb = DebBuilder::new("hello", "1.0-1").file("usr/bin/hello", 0o755, b"#!/bin/sh\n").build();
//! let archive = TestArchive::builder().deb("trixie", deb).build();
//! let server = archive.serve();
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! ```
//!
//! What is made here is as Debian's own: `dists/` with a clear-signed InRelease and indexes by hash, `pool/` with the
//! packages. The key is in `keys/`; it is worth nothing.

#![expect(
    clippy::expect_used,
    reason = "a fixture that cannot be made is a broken test"
)]

mod deb;
mod mirror;
pub mod registry;
mod server;
mod signing;

pub use deb::{DebBuilder, TestDeb};
pub use mirror::{TestArchive, TestArchiveBuilder, pool_path};
pub use server::{Fault, TestServer};
pub use signing::{Signer, public_key, sign_clear};
