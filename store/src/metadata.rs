//! Everything that is said of the bytes.

use crate::{
    Accounts, Cleaning, Collection, Content, Events, Inspection, Listing, Policies, Projects, Repositories,
    Statistics, Transitions,
};

/// All the families together; whatever implements them is one.
pub trait MetadataStore:
    Projects
    + Repositories
    + Content
    + Listing
    + Events
    + Cleaning
    + Collection
    + Inspection
    + Accounts
    + Policies
    + Statistics
    + Transitions
{
}

impl<T> MetadataStore for T where
    T: Projects
        + Repositories
        + Content
        + Listing
        + Events
        + Cleaning
        + Collection
        + Inspection
        + Accounts
        + Policies
        + Statistics
        + Transitions
        + ?Sized
{
}
