//! What the user says of the look: hosts, projects, rules.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::finding::Severity;

/// How many hosts may be named.
pub const HOSTS_MAX: usize = 1000;

/// The longest host that may be named, its port included, in bytes: longer names cannot be resolved.
///
/// Spec: RFC 1035, "Size limits".
pub const HOST_BYTES_MAX: usize = 253;

/// How to look.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// More hosts to find.
    pub hosts: Hosts,
    /// Projects that are the user's own. Where there are none, every project that is not known to be another's is.
    pub own_projects: Vec<String>,
    /// Rules that are switched off (nothing) or count otherwise, by id.
    pub severities: BTreeMap<String, Option<Severity>>,
}

/// Hosts that are named, `HOST[:PORT]`: at most [`HOSTS_MAX`], since every file is searched for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

/// Hosts that cannot be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// There are more than [`HOSTS_MAX`].
    #[error("{count} hosts are named, and at most {HOSTS_MAX} are looked for")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// One has more than [`HOST_BYTES_MAX`] bytes.
    #[error("a host of {bytes} bytes is named, and none has more than {HOST_BYTES_MAX}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// One can be told from no other word: it has neither dot nor port, or signs that hosts do not have.
    #[error("{host:?} is no host of a registry")]
    NoHost {
        /// What was named.
        host: String,
    },
}

impl TryFrom<Vec<String>> for Hosts {
    type Error = HostsError;

    fn try_from(hosts: Vec<String>) -> Result<Hosts, HostsError> {
        if hosts.len() > HOSTS_MAX {
            return Err(HostsError::TooMany { count: hosts.len() });
        }
        for host in &hosts {
            if host.len() > HOST_BYTES_MAX {
                return Err(HostsError::TooLong { bytes: host.len() });
            }
            if !is_host(host) {
                return Err(HostsError::NoHost { host: host.clone() });
            }
        }
        Ok(Hosts(hosts))
    }
}

impl Deref for Hosts {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

/// Whether it can be told from other words: it has a dot or a port, and no signs that hosts do not have.
#[must_use]
pub fn is_host(host: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | ':');
    host.len() > 3 && host.contains(['.', ':']) && host.chars().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Auditor;

    #[test]
    fn as_many_hosts_as_may_be_named_are_looked_for() {
        let long = |number: usize| format!("{number:0>width$}.example", width = HOST_BYTES_MAX - 8);
        let hosts: Vec<String> = (0..HOSTS_MAX).map(long).collect();
        let settings = Settings {
            hosts: hosts.clone().try_into().unwrap(),
            ..Settings::default()
        };
        let text = format!("image: {}/p/i\n", hosts[HOSTS_MAX - 1]);
        let found = Auditor::new(settings).file("a.yaml", text.as_bytes()).findings;
        assert_eq!(found[0].rule.id, "image-named");
        let more: Vec<String> = (0..=HOSTS_MAX).map(long).collect();
        assert_eq!(
            Hosts::try_from(more),
            Err(HostsError::TooMany { count: HOSTS_MAX + 1 })
        );
        let bytes = HOST_BYTES_MAX + 1;
        assert_eq!(
            Hosts::try_from(vec![format!(".{}", long(0))]),
            Err(HostsError::TooLong { bytes })
        );
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for word in ["registry", "a.b", "registry.example/p", "", "régistry.example"] {
            assert!(Hosts::try_from(vec![word.to_owned()]).is_err(), "{word}");
        }
        assert!(Hosts::try_from(vec!["localhost:5000".to_owned(), "r.example".to_owned()]).is_ok());
    }
}
