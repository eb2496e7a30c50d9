//! Moving registries: what there is on both sides, the copy, the proof that nothing is missing, and who may do what.

pub mod iam;
