//! An APT archive: signatures, versions, relations, indexes, resolver, package files.

pub mod apt_sources;
pub mod architecture;
pub mod control;
pub mod index;
pub mod keyring;
pub mod mirror;
pub mod package;
pub mod relation;
pub mod release;
pub mod repository;
pub mod resolver;
pub mod version;

pub use architecture::Architecture;
pub use control::PackageName;
pub use version::Version;
