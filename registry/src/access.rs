//! Who may do what. Every operation asks here, and nowhere else.
//!
//! There are no accounts yet: reading is open, and writing is for those who are on this very machine.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::ORIGIN;

use crate::host_routes::without_port;
use crate::refusal::Refusal;

/// Who may write without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Those who connect from this machine, to a name of this machine, and not through a proxy or from a web page: each
    /// of these also reaches loopback, on behalf of somebody who is elsewhere.
    ThisMachine,
    /// Everybody who reaches the server.
    Anybody,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Pull,
    Push,
    Delete,
}

/// Who asks, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Somebody on this machine.
    Local,
    /// Somebody.
    Anonymous,
}

impl Principal {
    pub(crate) fn of(peer: SocketAddr, authority: &str, headers: &HeaderMap) -> Principal {
        let forwarded = headers.keys().any(|name| {
            let name = name.as_str();
            name == "forwarded" || name == "via" || name == "x-real-ip" || name.starts_with("x-forwarded-")
        });
        let local = peer.ip().to_canonical().is_loopback()
            && is_loopback_name(without_port(authority))
            && !forwarded
            && !headers.contains_key(ORIGIN);
        if local {
            Principal::Local
        } else {
            Principal::Anonymous
        }
    }

    /// As events and audit logs name them.
    pub(crate) fn actor(self) -> store::Actor {
        store::Actor(self.name().to_owned())
    }

    /// The same for logs of requests.
    pub(crate) fn name(self) -> &'static str {
        "allUsers"
    }
}

impl Writes {
    /// # Errors
    /// [`Refusal::Denied`] with what would help.
    pub(crate) fn authorise(self, principal: Principal, action: Action) -> Result<(), Refusal> {
        match (action, self, principal) {
            (Action::Pull, ..) | (_, Writes::Anybody, _) | (_, Writes::ThisMachine, Principal::Local) => {
                Ok(())
            }
            (_, Writes::ThisMachine, Principal::Anonymous) => Err(Refusal::Denied),
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(peer: &str, host: &str, header: Option<&'static str>) -> Principal {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, "x".parse().unwrap());
        }
        Principal::of(peer.parse().unwrap(), host, &headers)
    }

    #[test]
    fn only_this_machine_itself_may_write() {
        for (peer, host) in [
            ("127.0.0.1:9", "127.0.0.1:5000"),
            ("127.0.0.9:9", "localhost"),
            ("[::1]:9", "[::1]:5000"),
            ("[::ffff:127.0.0.1]:9", "LOCALHOST:5000"),
        ] {
            assert_eq!(principal(peer, host, None), Principal::Local, "{peer} {host}");
        }
        for (peer, host, header) in [
            ("10.0.0.1:9", "localhost", None),
            ("127.0.0.1:9", "registry.example", None),
            ("127.0.0.1:9", "localhost.example:5000", None),
            ("127.0.0.1:9", "localhost", Some("x-forwarded-for")),
            ("127.0.0.1:9", "localhost", Some("forwarded")),
            ("127.0.0.1:9", "localhost", Some("origin")),
        ] {
            assert_eq!(
                principal(peer, host, header),
                Principal::Anonymous,
                "{peer} {host} {header:?}"
            );
        }
        assert!(
            Writes::ThisMachine
                .authorise(Principal::Anonymous, Action::Pull)
                .is_ok()
        );
        for action in [Action::Push, Action::Delete] {
            assert!(
                Writes::ThisMachine
                    .authorise(Principal::Anonymous, action)
                    .is_err()
            );
            assert!(Writes::ThisMachine.authorise(Principal::Local, action).is_ok());
            assert!(Writes::Anybody.authorise(Principal::Anonymous, action).is_ok());
        }
    }
}
