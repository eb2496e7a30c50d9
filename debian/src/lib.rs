//! An APT archive: signatures, versions, relations, indexes, resolver, package files.

pub mod architecture;
pub mod control;
pub mod index;
pub mod keyring;
pub mod package;
pub mod relation;
pub mod resolver;
pub mod version;

pub use architecture::Architecture;
pub use control::PackageName;
pub use version::Version;
