//! `lightship serve`: a registry on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use registry::{
    AccessOptions, Clock, HostRoutes, Limits, Log, NewRepositories, Options, Rates, Record, Registry,
    Services, Writes,
};
use store::{DataDirectory, Entropy, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::runtime;
use crate::settings::Settings;

/// The repository of hosts that are not in Google's style.
const DEFAULT_REPOSITORY: &str = "projects/default/locations/local/repositories/images";

/// How long a blob that no manifest names and nobody asks for is kept at least.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Serve a registry from a data directory
///
/// Speaks the OCI distribution protocol, and Container Registry's dialect under the hosts gcr.io, us.gcr.io, eu.gcr.io,
/// asia.gcr.io and LOCATION-docker.pkg.dev. There are no accounts yet: whoever reaches the address may pull, and only
/// clients on this machine, by a loopback name and without a proxy, may push and delete. SIGTERM ends it cleanly.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
}

/// Where and for whom a registry is served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerOptions {
    /// Address and port to listen on; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Where everything is kept [default: $XDG_DATA_HOME/lightship or ~/.local/share/lightship]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Let everybody who reaches the address push and delete
    #[arg(long)]
    anonymous_writes: bool,
    /// Take manifests that name blobs or manifests which are not there
    #[arg(long)]
    sparse_manifests: bool,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Outcome, Failure> {
    run_with(&arguments.server, settings, |_| ())
}

/// Serves, and runs `beside` on a thread of its own once the address is known. It may be broken off at any moment: the
/// end of the server is the end of the program.
pub(crate) fn run_with(
    arguments: &ServerOptions,
    settings: &Settings,
    beside: impl FnOnce(SocketAddr) + Send + 'static,
) -> Result<Outcome, Failure> {
    let path = settings.data_directory(arguments.data.as_deref())?;
    let directory = DataDirectory::open(&path).map_err(|error| cannot_open(&path, error))?;
    let registry = registry_of(&directory, arguments, settings)?;
    runtime::block_on(serve(registry, arguments.listen, beside))??;
    Ok(Outcome::Done)
}

async fn serve(
    registry: Registry,
    address: SocketAddr,
    beside: impl FnOnce(SocketAddr) + Send + 'static,
) -> Result<(), Failure> {
    let cannot_listen = |error: std::io::Error| {
        let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
        let failure = Failure::outside(format!("cannot listen on {address}"), error);
        match in_use {
            true => failure.hint("something else listens there; choose another port with --listen ADDR"),
            false => failure,
        }
    };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let cannot_hear = |error| Failure::outside("cannot wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_hear)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_hear)?;
    output::talk(&format!("lightship serves http://{address}"));
    // Connections wait in the listener until they are taken below.
    std::thread::spawn(move || beside(address));
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    registry::serve(registry, listener, stop)
        .await
        .map_err(|error| Failure::outside(format!("cannot serve {address}"), error))
}

fn registry_of(
    directory: &DataDirectory,
    arguments: &ServerOptions,
    settings: &Settings,
) -> Result<Registry, Failure> {
    let routes = DEFAULT_REPOSITORY
        .parse()
        .and_then(HostRoutes::google)
        .map_err(|error| Failure::bug("cannot make the routes", error))?;
    let options = Options {
        routes,
        writes: if arguments.anonymous_writes {
            Writes::Anybody
        } else {
            Writes::ThisMachine
        },
        access: AccessOptions::default(),
        rates: Rates::default(),
        new_repositories: NewRepositories::default(),
        sparse_manifests: arguments.sparse_manifests,
        grace: GRACE,
        limits: Limits::default(),
    };
    let services = Services {
        blobs: Arc::new(directory.blobs().clone()),
        metadata: Arc::new(directory.metadata().clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        log: Arc::new(StandardError {
            requests: settings.verbose > 0,
        }),
    };
    Ok(Registry::new(services, options))
}

fn cannot_open(path: &std::path::Path, error: StoreError) -> Failure {
    let attempt = format!("cannot use the data directory {}", path.display());
    match error {
        StoreError::Locked => Failure::outside(attempt, error)
            .hint("another server uses it; stop that one, or name another with --data DIR"),
        StoreError::Newer { .. } => Failure::new(Kind::Usage, attempt, error)
            .hint("use the release of lightship that wrote it, or a newer one"),
        StoreError::Foreign => {
            Failure::new(Kind::Usage, attempt, error).hint("name an empty or a new directory with --data DIR")
        }
        other => Failure::outside(attempt, other),
    }
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server's clock, handed down as a value"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness nothing here could be kept apart; every system that we run on has it once it has booted.
        #[expect(clippy::expect_used, reason = "there is no safe way to go on")]
        getrandom::fill(bytes).expect("the system gives random bytes");
    }
}

/// Trouble is always told, requests only when asked for.
struct StandardError {
    requests: bool,
}

impl Log for StandardError {
    fn request(&self, record: &Record<'_>) {
        if self.requests {
            let Record {
                request_id,
                peer,
                method,
                path,
                status,
                took,
                ..
            } = record;
            let milliseconds = took.as_secs_f64() * 1000.0;
            output::talk(&format!(
                "{peer} {method} {path} {status} {milliseconds:.1} ms {request_id}"
            ));
        }
    }

    fn trouble(&self, request_id: &str, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            text.push_str(&format!(": {next}"));
            cause = next.source();
        }
        output::talk(&format!("error: request {request_id}: {text}"));
    }
}
