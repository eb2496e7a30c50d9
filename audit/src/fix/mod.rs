//! Rewrites what was found, where it is understood fully.
//!
//! [`mapping`] says what becomes of a reference; [`decision`] what that makes of a place; [`plan`] which edits of a file that makes; [`diff`] shows them; [`write`]
//! makes them in a file that nobody has changed meanwhile.

mod decision;
mod diff;
mod mapping;
mod plan;
mod write;

pub use diff::unified_diff;
pub use mapping::{Mapping, MappingError};
pub use plan::{FixedFile, Unfixed, propose, rewrite, try_rewrite};
pub use write::{WriteError, write};
