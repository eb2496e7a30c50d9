//! How many files this process may have open, and how many connections fit in.
//!
//! A connection is an open file, and a download on it another; a server that takes more connections than that can
//! neither accept nor read, and looks dead to everybody.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are open beside connections: the database with its readers, uploads, the log, the runtime.
const BESIDE: u64 = 128;

/// A connection, and what it downloads or uploads.
const EACH: u64 = 2;

/// Raises the limit as far as this user may, and returns how many connections fit, at least one.
///
/// A limit that cannot be read or raised is taken as it is: fewer connections are no reason not to serve.
pub(crate) fn connections_that_fit() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((DEFAULT_LIMIT, DEFAULT_LIMIT));
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    connections_in(if raised { hard } else { soft })
}

fn connections_in(files: u64) -> usize {
    let connections = files.saturating_sub(BESIDE) / EACH;
    usize::try_from(connections.max(1)).unwrap_or(usize::MAX)
}

/// What systems give when nobody says otherwise.
const DEFAULT_LIMIT: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_what_they_read_fit_beside_the_rest() {
        assert_eq!(connections_in(1024), 448);
        assert_eq!(connections_in(10), 1);
        assert!(connections_in(u64::MAX) > 1 << 40);
    }
}
