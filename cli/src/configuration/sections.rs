//! What a configuration can say. The comments are those of the example that is made of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use store::RepositoryPath;

use super::routes::{HostEntry, HostTable};
use super::section::section;
use super::values::{Immutable, Origin, Proxies, Seconds, Text, Whole};

section! {
    /// Where the registry is served. To be changed, listen and data need a restart.
    Server {
        /// Address and port to listen on; `--listen` wins over it.
        listen: Option<SocketAddr> = "\"127.0.0.1:5000\"",
        /// Where everything is kept; `--data` wins over it. Without either it is the user's data directory.
        data: Option<PathBuf> = "\"/var/lib/lightship\"",
        /// Where backups of the running registry go, best of all on another disk: a directory that is there already and is
        /// not within the data. `lightship backup` gives each a name of its own in it. Without it there are none.
        backup_directory: Option<PathBuf> = "\"/var/backups/lightship\"",
        /// Under which scheme and host clients reach it, where that is not what their requests name: behind a proxy that
        /// ends TLS.
        external_url: Option<Text<Origin>> = "\"https://registry.example\"",
        /// Addresses of proxies that are believed when they say in `Forwarded` or `X-Forwarded-For`, `-Proto` and `-Host` whose
        /// request they pass on, and under which scheme and host. Of everybody else these headers do not count.
        trusted_proxies: Option<Proxies> = "[\"10.0.0.0/8\", \"fd00::/8\"]",
        /// How long open requests have after SIGTERM.
        stop_seconds: Option<Seconds> = "20",
    }
}

section! {
    /// With a certificate the server speaks HTTPS and nothing else, without one HTTP. The files are PEM; when they change
    /// they are read again, and a pair that cannot be used is told and not taken.
    Tls {
        /// The certificate, followed by those that issued it.
        certificate: Option<PathBuf> = "\"tls/registry.crt\"",
        /// Its private key.
        key: Option<PathBuf> = "\"tls/registry.key\"",
        /// How often it is looked whether the files have changed. SIGHUP looks at once.
        check_seconds: Option<Seconds> = "60",
    }
    lists { further: Pair as Pair, }
}

section! {
    /// More certificates. Clients see the first one that is valid for the host they name, else the one above.
    Pair {
        /// As above.
        certificate: PathBuf = "\"tls/other.crt\"",
        /// As above.
        key: PathBuf = "\"tls/other.key\"",
    }
}

section! {
    /// How much and how long clients may.
    Limits {
        /// Connections at a time; more wait to be accepted. Needs a restart.
        connections_max: Option<Whole<1, 1_000_000>> = "4096",
        /// Of all headers of a request together.
        header_bytes_max: Option<Whole<8_192, 1_048_576>> = "32768",
        /// For the headers of a request to arrive, and between two requests of a connection.
        header_seconds: Option<Seconds> = "15",
        /// For the handshake of TLS.
        handshake_seconds: Option<Seconds> = "10",
        /// Without a byte of a request arriving, or one of an answer being taken.
        idle_seconds: Option<Seconds> = "60",
        /// Of one blob.
        blob_bytes_max: Option<Whole<1, 9_223_372_036_854_775_807>> = "1099511627776",
        /// Entries of one page of a listing, whatever the client asks for.
        page_entries_max: Option<Whole<1, 1_000_000>> = "10000",
        /// Manifests kept in memory. Needs a restart.
        manifest_cache_bytes_max: Option<Whole<0, 1_099_511_627_776>> = "33554432",
    }
}

section! {
    /// Which host leads to which repository.
    Routes {
        /// The repository of hosts that nothing below names: the whole name of an image is a package in it.
        default_repository: Option<Text<RepositoryPath>> = "\"projects/default/locations/local/repositories/images\"",
        /// Whether gcr.io, us.gcr.io, eu.gcr.io, asia.gcr.io and LOCATION-docker.pkg.dev are read as Google reads them.
        google_hosts: Option<bool> = "true",
        /// Whether Google's hosts refuse what Google's registries refuse, as to delete what is tagged or referenced.
        strict_google: Option<bool> = "false",
        /// Whether a request may name the host it means in `?ns=`, as containerd asks a mirror.
        namespaces: Option<bool> = "true",
    }
    lists { hosts: HostEntry as HostTable, }
}

section! {
    /// How repositories behave unless they are told otherwise.
    Repositories {
        /// Whether a manifest may name blobs and manifests that are not there. Naming them gives no access to them.
        sparse_manifests: Option<bool> = "false",
        /// Whether a push to a repository that is not there makes it.
        create_on_push: Option<bool> = "true",
        /// Which tags of a repository made so can be neither moved nor removed: "none", "all", or patterns with `*`.
        immutable_tags: Option<Immutable> = "\"none\"",
    }
}

/// Who may write without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AnonymousWrites {
    ThisMachine,
    Anybody,
}

section! {
    /// Who is believed to be whom.
    Access {
        /// Who may push and delete without a credential, as long as there are no accounts: "this-machine" is for clients
        /// that connect from it, by a loopback name and not through a proxy; "anybody" is for everybody.
        anonymous_writes: Option<AnonymousWrites> = "\"this-machine\"",
        /// How long the tokens that the registry gives out are valid.
        token_seconds: Option<Whole<60, 86_400>> = "300",
    }
    lists { issuers: Issuer as Issuer, }
}

section! {
    /// Whose tokens are taken beside our own.
    Issuer {
        /// The `iss` of its identity tokens, exactly.
        url: String = "\"https://token.actions.githubusercontent.com\"",
        /// One of them has to be among the `aud` of a token.
        audiences: Vec<String> = "[\"https://registry.example\"]",
        /// Where its keys are; else its discovery document says so.
        jwks_uri: Option<String> = "\"https://token.actions.githubusercontent.com/.well-known/jwks\"",
        /// What stands after `principal://`; else the url without its scheme.
        pool: Option<String> = "\"github\"",
        /// Which claim is the subject.
        subject_claim: Option<String> = "\"sub\"",
        /// Which claim holds the groups.
        groups_claim: Option<String> = "\"groups\"",
        /// Attributes for principal sets, and the claims they come from.
        attributes: Option<BTreeMap<String, String>> = "{repository = \"repository\"}",
        /// Domains whose verified `email` also makes somebody `user:EMAIL` or `serviceAccount:EMAIL`.
        email_domains: Option<Vec<String>> = "[\"example.com\"]",
        /// How opaque tokens of this issuer begin, so that no others are sent to it.
        token_prefix: Option<String> = "\"ya29.\"",
        /// Where opaque tokens are asked about (Google's tokeninfo) …
        tokeninfo_url: Option<String> = "\"https://oauth2.googleapis.com/tokeninfo\"",
        /// … or (RFC 7662) …
        introspection_url: Option<String> = "\"https://issuer.example/introspect\"",
        /// … as whom, and with the password in this file.
        client_id: Option<String> = "\"registry\"",
        /// See client_id.
        client_secret_file: Option<PathBuf> = "\"introspection.secret\"",
    }
}

section! {
    /// Removing what the cleanup policies of repositories remove, then freeing what nobody needs. Pushes and pulls go on
    /// meanwhile.
    Collection {
        /// From the end of one to the beginning of the next; 0 for never.
        interval_seconds: Option<Whole<0, 315_360_000>> = "21600",
        /// How long a blob that no manifest names is kept since somebody last asked for it.
        grace_seconds: Option<Whole<3600, 315_360_000>> = "86400",
        /// How long an upload may rest.
        upload_idle_seconds: Option<Whole<3600, 315_360_000>> = "86400",
        /// How long a manifest without a tag is kept. Unless this is given, for ever.
        untagged_seconds: Option<Seconds> = "2592000",
    }
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Trouble,
    #[default]
    Notices,
    Requests,
}

section! {
    /// What the operator hears, on standard error.
    Log {
        /// "text" for people, "json" for programs: one object per line.
        format: Option<LogFormat> = "\"text\"",
        /// "trouble" alone, "notices" too (what was reloaded, collected), or "requests" too, a line for each; `-v` is the
        /// last, `-q` the first.
        level: Option<LogLevel> = "\"notices\"",
        /// Where writes, failed logins and changes of policies are written, one JSON object per line. Needs a restart, as
        /// do the next two.
        audit_file: Option<PathBuf> = "\"/var/log/lightship/audit.jsonl\"",
        /// Beyond this size a new file is begun, and the old one becomes audit.jsonl.1.
        audit_file_bytes_max: Option<Whole<65_536, 1_099_511_627_776>> = "67108864",
        /// How many of these are kept beside the current one.
        audit_files_max: Option<Whole<1, 1000>> = "10",
    }
}

section! {
    /// How many requests are taken in an interval before the answer is 429. Without a number there is no such limit.
    Rate {
        /// Of one principal with a credential.
        principal_requests_max: Option<Whole<1, 1_000_000_000>> = "6000",
        /// Of one address without one.
        address_requests_max: Option<Whole<1, 1_000_000_000>> = "600",
        /// The interval.
        interval_seconds: Option<Whole<1, 86_400>> = "60",
    }
}

section! {
    /// How the registries are reached that remote repositories, and repositories which take the place of another registry's, get
    /// their content from. All of it needs a restart.
    Upstream {
        /// Credentials for them, as docker and podman write them. Without it nothing is shown to anybody.
        docker_config: Option<PathBuf> = "\"upstream/config.json\"",
        /// Who vouches for single hosts, beside those whom this machine trusts: `HOST:PORT/*.crt` in this directory.
        certificates: Option<PathBuf> = "\"upstream/certs.d\"",
        /// Hosts that are spoken to without TLS. Loopback is without asking.
        plain_http: Option<Vec<String>> = "[\"old.example:5000\"]",
        /// Where hosts are that are not where their names lead: an old registry whose name leads to this one by now. What is
        /// asked for, and who has to vouch, stays as the name says.
        addresses: Option<BTreeMap<String, SocketAddr>> = "{\"old.example\" = \"192.0.2.7:443\"}",
    }
}
