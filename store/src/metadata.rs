//! Everything that is said of the bytes.

use crate::{Content, Events, Repositories};

/// All the families together; whatever implements them is one.
pub trait MetadataStore: Repositories + Content + Events {}

impl<T: Repositories + Content + Events + ?Sized> MetadataStore for T {}
