//! Names of this crate's files in the cache.

use std::io;

use cache::{CacheError, Key};

/// The key of that name. The names here are made of digests and identifiers and are always good ones;
/// should one not be, it is told as an error of the cache.
pub(crate) fn cache_key(name: impl Into<String>) -> Result<Key, CacheError> {
    let name = name.into();
    Key::new(name.clone()).map_err(|error| CacheError::Io {
        action: "name a cached file",
        path: name.into(),
        source: io::Error::new(io::ErrorKind::InvalidInput, error),
    })
}
