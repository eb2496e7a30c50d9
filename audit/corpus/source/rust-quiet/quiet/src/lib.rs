//! Parses image names like `gcr.io/project/app`.
//!
//! ```
//! let name = takin::parse("gcr.io/project/app");
//! ```

/// Host of GitHub's registry, not of `gcr.io`.
pub const HOST: &str = "ghcr.io";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host is gcr.io.
    #[error("gcr.io is not supported, give a name on ghcr.io")]
    Legacy,
}

// pub const OLD: &str = "gcr.io/takin/app";
pub fn parse(name: &str) -> Option<&str> {
    name.strip_prefix(HOST)
}
