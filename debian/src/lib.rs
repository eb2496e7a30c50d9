//! An APT archive: signatures, versions, relations, indexes, resolver, package files.

pub mod architecture;
pub mod control;
pub mod version;
pub mod relation;
pub mod index;
pub mod resolver;
pub mod package;

pub use architecture::Architecture;
pub use control::PackageName;
pub use version::Version;
