//! Who vouches for a registry, and whether it is spoken to with TLS.

use std::error::Error;

use transport::Authorities;

/// Finds who vouches for single registries, where docker and podman keep that: `certs.d/HOST:PORT/*.crt`.
pub trait HostAuthorities: Send + Sync {
    /// The authorities of `host` (`HOST[:PORT]`); none where there are none of its own.
    ///
    /// # Errors
    /// When there are some that cannot be used.
    fn find(&self, host: &str) -> Result<Option<Authorities>, HostAuthoritiesError>;
}

/// Why the authorities of a host cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the certificates in {place}")]
pub struct HostAuthoritiesError {
    /// The file or directory.
    pub place: String,
    /// Why not.
    pub source: Box<dyn Error + Send + Sync>,
}

/// No host has authorities of its own.
#[derive(Debug, Clone, Copy)]
pub struct NoHostAuthorities;

impl HostAuthorities for NoHostAuthorities {
    fn find(&self, _: &str) -> Result<Option<Authorities>, HostAuthoritiesError> {
        Ok(None)
    }
}

/// Which hosts (`HOST[:PORT]`) are spoken to in which way, where that is not as usual: loopback without TLS, all others
/// with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encryption {
    /// Without TLS.
    pub plain_http: Vec<String>,
    /// With TLS, though they are loopback.
    pub tls: Vec<String>,
}

impl Encryption {
    /// Whether a host is to be spoken to without TLS.
    pub(crate) fn is_plain(&self, host: &str) -> bool {
        contains(&self.plain_http, host)
    }

    /// Whether a host is to be spoken to with TLS, wherever it is.
    pub(crate) fn is_tls(&self, host: &str) -> bool {
        contains(&self.tls, host)
    }
}

fn contains(hosts: &[String], host: &str) -> bool {
    hosts.iter().any(|other| other.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_the_same_in_any_letters_and_only_with_their_port() {
        let encryption = Encryption {
            plain_http: vec!["Registry.example:5000".to_owned()],
            tls: vec!["localhost".to_owned()],
        };
        for host in ["registry.example:5000", "REGISTRY.EXAMPLE:5000"] {
            assert!(encryption.is_plain(host) && !encryption.is_tls(host), "{host}");
        }
        assert!(encryption.is_tls("LocalHost"));
        for host in ["registry.example", "registry.example:50000", "localhost:5000"] {
            assert!(!encryption.is_plain(host) && !encryption.is_tls(host), "{host}");
        }
    }
}
