//! What a registry tells its operator.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

/// Hears of every request, and of trouble that only the operator may know of.
pub trait Log: Send + Sync {
    /// A request was answered.
    fn request(&self, record: &Record<'_>);

    /// Something failed here; the client was told only that it did.
    fn trouble(&self, request_id: &str, error: &dyn Error);

    /// Something happened that has to be accounted for. Whoever keeps no account of it leaves this out.
    fn audit(&self, record: &AuditRecord<'_>) {
        let _ = record;
    }
}

/// One answered request. Never carries a credential.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Also in the answer's `X-Request-Id`. It is always our own: what a client sends under this name is not looked at.
    pub request_id: &'r str,
    /// Whose connection it came over.
    pub peer: SocketAddr,
    /// Where it came from: the peer's address, or the one that a proxy says that is believed.
    pub client: IpAddr,
    /// Who asked, as audit logs name them.
    pub principal: &'r str,
    /// `GET`.
    pub method: &'r str,
    /// Without the query, which may hold secrets.
    pub path: &'r str,
    /// What was asked for, in a word, as in the metrics.
    pub operation: &'r str,
    /// The answer's status.
    pub status: u16,
    /// Of the answer's body; none where it is not known before it is sent.
    pub bytes: Option<u64>,
    /// Until the answer's headers were ready.
    pub took: Duration,
}

/// A write, a login that failed, a change of who may do what. Never carries a credential.
#[derive(Debug, Clone, Copy)]
pub struct AuditRecord<'r> {
    /// When.
    pub time: Timestamp,
    /// The request's, as in its answer; empty when no request was the cause.
    pub request_id: &'r str,
    /// Who.
    pub principal: &'r str,
    /// Over whose connection, if somebody asked for it.
    pub peer: Option<SocketAddr>,
    /// From where: the peer's address, or the one that a proxy says that is believed.
    pub client: Option<IpAddr>,
    /// What, as a verb: `manifest.put`.
    pub action: &'r str,
    /// On what: the name of a resource.
    pub resource: &'r str,
    /// How it went: `done`, `denied`, `failed`.
    pub outcome: &'r str,
    /// What else is to be known: a digest, a reason.
    pub detail: &'r str,
}
