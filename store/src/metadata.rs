//! Everything that is said of the bytes.

use crate::{Collection, Content, Events, Inspection, Repositories};

/// All the families together; whatever implements them is one.
pub trait MetadataStore: Repositories + Content + Events + Collection + Inspection {}

impl<T: Repositories + Content + Events + Collection + Inspection + ?Sized> MetadataStore for T {}
