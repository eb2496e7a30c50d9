//! Everything that is said of the bytes.

use crate::{Accounts, Collection, Content, Events, Inspection, Policies, Repositories, Statistics};

/// All the families together; whatever implements them is one.
pub trait MetadataStore:
    Repositories + Content + Events + Collection + Inspection + Accounts + Policies + Statistics
{
}

impl<T> MetadataStore for T where
    T: Repositories + Content + Events + Collection + Inspection + Accounts + Policies + Statistics + ?Sized
{
}
