//! Moves registries: what is on the one side and not on the other is found, planned and copied, and every interruption
//! is gone on with where it came.
//!
//! - A [`place`] is one side: a registry or a part of it, an OCI layout, a docker archive.
//! - A [`Mapping`](mapping::Mapping) says what a repository is called on the other side, a [`Filter`](filter::Filter) what
//!   is wanted of it.
//! - [`plan::survey`] looks at both sides and makes a [`Plan`](plan::Plan), which can be kept in a file.
//! - [`run::run`] does what a plan says, and notes in a [`Journal`](journal::Journal) what is done.
//! - [`verify::verify`] proves that nothing is missing and that everybody reads what they could, [`iam::translate`] says
//!   who may do what.
//!
//! Content is copied by digest: a tag is only a name that is set last, when everything below it is there.

pub mod failure;
pub mod filter;
pub mod inventory;
pub mod mapping;
pub mod place;

pub mod journal;
pub mod manifests;
mod own_file;
pub mod pace;

pub mod plan;
pub mod run;

pub mod iam;
pub mod verify;
