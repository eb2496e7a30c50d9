//! Locks between processes.

use std::fs::{self, File};
use std::path::Path;

use crate::{CacheError, Key};

/// A lock that is held until this is dropped, or the process ends.
#[derive(Debug)]
pub struct Guard {
    // The system lets go of the lock when the file is closed. Lock files stay: removing one while another process waits
    // on it would let a third take a new one beside it.
    _file: File,
}

impl Guard {
    pub(crate) fn take(directory: &Path, key: &Key) -> Result<Guard, CacheError> {
        fs::create_dir_all(directory)
            .map_err(|source| CacheError::io("create directory", directory, source))?;
        let path = directory.join(key.as_str());
        let failed = |source| CacheError::io("lock", &path, source);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Guard { _file: file })
    }
}
