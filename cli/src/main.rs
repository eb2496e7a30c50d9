//! The `lightship` program.
fn main() {}
