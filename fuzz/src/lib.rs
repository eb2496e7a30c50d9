//! What the targets that ask a registry check, apart from the fuzzer: the tests of `registry` include this file and replay
//! what fuzzing kept.

pub mod credential;
pub mod manifests;
pub mod names;
pub mod ranges;
pub mod routes;
pub mod uploads;
pub mod world;
