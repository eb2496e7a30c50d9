//! `cargo xtask`: the project checks.
fn main() {}
