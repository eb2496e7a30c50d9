//! Looking into images, whole and hostile.

#![expect(clippy::unwrap_used, reason = "functions shared by tests are test code too")]

mod comparing;
mod damage;
mod sample;
mod stacking;
mod unpacking;
