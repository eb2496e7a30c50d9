//! What a server is run with: options of the command line over the configuration over the defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use registry::{HostRoutes, Limits, NewRepositories, Options, Writes};
use store::{Actor, CleanupOptions, CollectionOptions, ImmutableTags};

use super::audit_file::AuditFile;
use super::backup_directory;
use super::certificate_files::CertificateFiles;
use super::logging::LogSettings;
use crate::configuration::{self, AnonymousWrites, Configuration, LogLevel};
use crate::failure::Failure;
use crate::open_files::connections_that_fit;
use crate::settings::Settings;

/// Where and for whom a registry is served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerOptions {
    /// File in TOML with all there is to configure; options win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port to listen on; port 0 is any free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Where everything is kept [default: $XDG_DATA_HOME/lightship or ~/.local/share/lightship]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Let everybody who reaches the address push and delete
    #[arg(long)]
    anonymous_writes: bool,
    /// Take manifests that name blobs or manifests which are not there
    #[arg(long)]
    sparse_manifests: bool,
    /// Be as strict on the hosts of Google as its registries are: refuse to delete what is tagged or referenced
    #[arg(long)]
    strict_google: bool,
    /// Do not let reads name the host they mean in `?ns=`, as containerd does with a mirror
    #[arg(long)]
    ignore_namespace: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "write an IP address and a port, as 127.0.0.1:5000, 0.0.0.0:5000 or [::]:5000";
    text.parse().map_err(|_| wanted.to_owned())
}

/// Resolved: nothing is left to look up.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    /// Where backups go; none where there are none.
    pub(crate) backups: Option<PathBuf>,
    pub(crate) registry: Options,
    pub(crate) certificates: Option<CertificateFiles>,
    pub(crate) collection: Collecting,
    pub(crate) log: LogSettings,
    /// As they were read, to tell what has changed.
    pub(crate) access: configuration::Access,
    pub(crate) rate: configuration::Rate,
    pub(crate) external_url: Option<String>,
    pub(crate) upstream: configuration::Upstream,
}

/// When and how what nobody needs is freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collecting {
    /// From the end of one to the beginning of the next; none for never.
    pub(crate) interval: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) upload_idle: Duration,
    pub(crate) untagged_after: Option<Duration>,
}

impl Collecting {
    pub(crate) fn options(&self) -> CollectionOptions {
        CollectionOptions {
            grace: self.grace,
            upload_idle: self.upload_idle,
            untagged_after: self.untagged_after,
            dry_run: false,
            actor: Actor("collection".to_owned()),
        }
    }

    pub(crate) fn cleanup(&self) -> CleanupOptions {
        CleanupOptions {
            repository: None,
            grace: self.grace,
            dry_run: false,
            actor: Actor("cleanup".to_owned()),
        }
    }
}

/// The repository of hosts that are not in Google's style.
const DEFAULT_REPOSITORY: &str = "projects/default/locations/local/repositories/images";

/// How long a blob that no manifest names and nobody asks for is kept, and an upload may rest.
const GRACE: Duration = Duration::from_secs(24 * 3600);

const COLLECTION_INTERVAL: Duration = Duration::from_secs(6 * 3600);

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

impl ServerOptions {
    /// Reads the configuration, if there is one, and puts everything together.
    ///
    /// # Errors
    /// Wrong usage, where it is wrong.
    pub(crate) fn resolve(&self, settings: &Settings) -> Result<ServerSettings, Failure> {
        let configuration = match &self.config {
            Some(path) => Configuration::read(path)?,
            None => Configuration::default(),
        };
        self.over(configuration, settings)
    }

    fn over(&self, configuration: Configuration, settings: &Settings) -> Result<ServerSettings, Failure> {
        let Configuration {
            server,
            tls,
            limits,
            routes,
            repositories,
            access,
            collection,
            log,
            rate,
            upstream,
        } = configuration;
        let collecting = collecting(&collection);
        let limits = self::limits(&limits, server.stop_seconds.map(|stop| stop.seconds()));
        let anybody = self.anonymous_writes || access.anonymous_writes == Some(AnonymousWrites::Anybody);
        let new_repositories = match repositories.create_on_push {
            Some(false) => NewRepositories::Refused,
            _ => NewRepositories::Made {
                immutable_tags: repositories
                    .immutable_tags
                    .map_or(ImmutableTags::None, |tags| tags.0),
            },
        };
        let external_url = server.external_url.map(|url| url.0.0);
        let registry = Options {
            access: super::access::access(access.clone(), external_url.clone(), settings)?,
            trusted_proxies: server
                .trusted_proxies
                .map(|proxies| proxies.0)
                .unwrap_or_default(),
            rates: super::access::rates(&rate),
            routes: self.host_routes(routes)?,
            writes: if anybody {
                Writes::Anybody
            } else {
                Writes::ThisMachine
            },
            sparse_manifests: self.sparse_manifests || repositories.sparse_manifests.unwrap_or(false),
            new_repositories,
            grace: collecting.grace,
            upload_idle: collecting.upload_idle,
            limits,
        };
        let data = settings.data_directory(self.data.as_deref().or(server.data.as_deref()))?;
        if let Some(backups) = &server.backup_directory {
            backup_directory::check_apart(backups, &data)?;
        }
        Ok(ServerSettings {
            listen: self.listen.or(server.listen).unwrap_or(LISTEN),
            data,
            backups: server.backup_directory,
            registry,
            certificates: CertificateFiles::of(tls)?,
            collection: collecting,
            log: log_settings(log, settings),
            access,
            rate,
            external_url,
            upstream,
        })
    }
}

impl ServerOptions {
    fn host_routes(&self, routes: configuration::Routes) -> Result<HostRoutes, Failure> {
        let cannot_route = |error| Failure::bug("cannot make the routes", error);
        let default = match routes.default_repository {
            Some(path) => path.0,
            None => DEFAULT_REPOSITORY.parse().map_err(cannot_route)?,
        };
        let mut hosts = match routes.google_hosts {
            Some(false) => HostRoutes::whole(default),
            _ => HostRoutes::google(default).map_err(cannot_route)?,
        };
        if self.strict_google || routes.strict_google == Some(true) {
            hosts = hosts.strict();
        }
        if self.ignore_namespace || routes.namespaces == Some(false) {
            hosts = hosts.without_namespaces();
        }
        Ok(hosts.with(routes.hosts.into_iter().map(|entry| entry.0).collect()))
    }
}

fn limits(limits: &configuration::Limits, stop: Option<Duration>) -> Limits {
    let default = Limits::default();
    Limits {
        connections_max: limits
            .connections_max
            .map_or(default.connections_max, |max| max.count())
            .min(connections_that_fit()),
        header_bytes_max: limits
            .header_bytes_max
            .map_or(default.header_bytes_max, |max| max.count()),
        header_time: limits
            .header_seconds
            .map_or(default.header_time, |time| time.seconds()),
        handshake_time: limits
            .handshake_seconds
            .map_or(default.handshake_time, |time| time.seconds()),
        idle: limits.idle_seconds.map_or(default.idle, |time| time.seconds()),
        stop: stop.unwrap_or(default.stop),
        blob_bytes_max: limits.blob_bytes_max.map_or(default.blob_bytes_max, |max| max.0),
        page_max: limits
            .page_entries_max
            .map_or(default.page_max, |max| max.count()),
        manifest_cache_bytes_max: limits
            .manifest_cache_bytes_max
            .map_or(default.manifest_cache_bytes_max, |max| max.count()),
    }
}

fn collecting(collection: &configuration::Collection) -> Collecting {
    let interval = collection
        .interval_seconds
        .map_or(COLLECTION_INTERVAL, |interval| interval.seconds());
    Collecting {
        interval: Some(interval).filter(|interval| !interval.is_zero()),
        grace: collection.grace_seconds.map_or(GRACE, |grace| grace.seconds()),
        upload_idle: collection
            .upload_idle_seconds
            .map_or(GRACE, |idle| idle.seconds()),
        untagged_after: collection.untagged_seconds.map(|age| age.seconds()),
    }
}

fn log_settings(log: configuration::Log, settings: &Settings) -> LogSettings {
    let level = match (settings.quiet, settings.verbose) {
        (true, _) => LogLevel::Trouble,
        (false, 0) => log.level.unwrap_or_default(),
        (false, _) => LogLevel::Requests,
    };
    let audit = log.audit_file.map(|path| AuditFile {
        path,
        bytes_max: log.audit_file_bytes_max.map_or(AuditFile::BYTES_MAX, |max| max.0),
        files_max: log
            .audit_files_max
            .map_or(AuditFile::FILES_MAX, |max| max.count()),
    });
    LogSettings {
        format: log.format.unwrap_or_default(),
        level,
        audit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the settings are with the example in force, but for what it only gives examples of.
    #[test]
    fn the_defaults_of_the_example_are_the_defaults() {
        let settings = Settings::for_tests();
        let options = ServerOptions {
            config: None,
            listen: None,
            data: Some(PathBuf::from("data")),
            anonymous_writes: false,
            sparse_manifests: false,
            strict_google: false,
            ignore_namespace: false,
        };
        let mut shown: Configuration = Configuration::example_in_force();
        shown.tls = Default::default();
        shown.routes.hosts.clear();
        shown.access.issuers.clear();
        shown.server.external_url = None;
        shown.server.trusted_proxies = None;
        shown.rate = Default::default();
        let shown = options.over(shown, &settings).unwrap();
        let default = options.over(Configuration::default(), &settings).unwrap();
        assert_eq!(shown.listen, default.listen);
        assert_eq!(shown.registry.limits, default.registry.limits);
        assert_eq!(format!("{:?}", shown.registry), format!("{:?}", default.registry));
        assert_eq!(
            Collecting {
                untagged_after: None,
                ..shown.collection
            },
            default.collection
        );
        assert_eq!(
            (shown.log.format, shown.log.level),
            (default.log.format, default.log.level)
        );
        let audit = shown.log.audit.unwrap();
        assert_eq!(
            (audit.bytes_max, audit.files_max),
            (AuditFile::BYTES_MAX, AuditFile::FILES_MAX)
        );
    }
}
