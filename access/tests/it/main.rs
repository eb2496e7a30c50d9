//! Keys and tokens as others make them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod identity_tokens;
mod keys_of_others;
