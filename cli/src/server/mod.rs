//! Running a registry: what is opened, who looks after it while it serves, and how it ends.

mod access;
mod audit_file;
pub(crate) mod backup_directory;
mod certificate_files;
mod check;
mod collecting;
mod logging;
mod options;
mod reload;
mod upstream;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry::{Clock, Listening, Registry, Services};
use store::{BackupDirectory, Backups, DataDirectory, Entropy, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use transport::Secret;

pub(crate) use check::check;
use logging::ServerLog;
pub(crate) use options::{ServerOptions, ServerSettings};
use reload::Reload;

use crate::failure::{Failure, Kind, Outcome};
use crate::open_files::connections_that_fit;
use crate::output;
use crate::runtime;
use crate::settings::Settings;

/// Serves, and runs `beside` on a thread of its own once the address is known, with a token for everything there. It may be broken off at any moment: the
/// end of the server is the end of the program.
pub(crate) fn run(
    options: &ServerOptions,
    settings: &Settings,
    server: ServerSettings,
    beside: impl FnOnce(SocketAddr, Secret) + Send + 'static,
) -> Result<Outcome, Failure> {
    let directory = DataDirectory::open(&server.data).map_err(|error| cannot_open(&server.data, error))?;
    let directory = Arc::new(directory);
    let certificates = server
        .certificates
        .as_ref()
        .map(|files| files.open())
        .transpose()?;
    let connections = server.registry.limits.connections_max;
    if connections == connections_that_fit() {
        output::talk(&format!(
            "at most {connections} connections at a time, by the limit of open files"
        ));
    }
    let log = Arc::new(ServerLog::open(&server.log, now)?);
    let backups = server
        .backups
        .as_ref()
        .map(|path| BackupDirectory::new(Arc::clone(&directory), path.clone()));
    let upstreams = upstream::registries(&server.upstream, settings)?;
    let services = Services {
        blobs: Arc::new(directory.blobs().clone()),
        metadata: Arc::new(directory.metadata().clone()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        log: log.clone(),
        backups: backups
            .clone()
            .map(|backups| Arc::new(backups) as Arc<dyn Backups>),
        upstreams: Some(upstreams.clone()),
    };
    if runtime::block_on(access::nobody_can_log_in(&directory, &server.registry.access))?? {
        output::talk(
            "warning: the registry asks everybody who they are, and has neither accounts nor issuers any more: make an \
             administrator with `lightship account create NAME --admin --data DIR`, or let everybody read with `lightship \
             account reopen --data DIR`",
        );
    }
    // The first client of a remote repository need not wait for it.
    std::thread::spawn(move || upstreams.prepare());
    let reload = Reload {
        options: options.clone(),
        settings: settings.clone(),
        registry: Registry::new(services, server.registry.clone()),
        current: server,
        log,
        certificates,
    };
    runtime::block_on(serve(reload, backups, beside))??;
    Ok(Outcome::Done)
}

async fn serve(
    reload: Reload,
    backups: Option<BackupDirectory>,
    beside: impl FnOnce(SocketAddr, Secret) + Send + 'static,
) -> Result<(), Failure> {
    let address = reload.current.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| cannot_listen(address, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| cannot_listen(address, error))?;
    let (mut terminate, mut interrupt) = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    let hangup = heard(SignalKind::hangup())?;
    let certificates = reload
        .certificates
        .as_ref()
        .map(|(certificates, _)| certificates.clone());
    let scheme = if certificates.is_some() { "https" } else { "http" };
    output::talk(&format!("lightship serves {scheme}://{address}"));
    // Connections wait in the listener until they are taken below.
    let own = Secret::new(reload.registry.own_token());
    std::thread::spawn(move || beside(address, own));
    let registry = reload.registry.clone();
    tokio::spawn(collecting::collect(
        registry.clone(),
        reload.current.collection.clone(),
        reload.log.clone(),
        sleep,
    ));
    if let Some(backups) = backups {
        tokio::spawn(backup_directory::clear(backups, reload.log.clone()));
    }
    tokio::spawn(look_after(reload, hangup));
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let listening = Listening {
        listener,
        certificates,
    };
    registry::serve(registry, listening, stop)
        .await
        .map_err(|error| Failure::outside(format!("cannot serve {address}"), error))
}

fn heard(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::outside("cannot wait for signals", error))
}

/// Reloads on SIGHUP, and certificates when their files have changed.
async fn look_after(mut reload: Reload, mut hangup: Signal) {
    loop {
        let files = reload.current.certificates.as_ref();
        let check = files.map_or(Duration::MAX, |files| files.check);
        let told = tokio::select! {
            told = hangup.recv() => told.is_some(),
            () = sleep(check) => false,
        };
        // Files are read, which may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            match told {
                true => reload.all(),
                false => reload.certificates(),
            }
            reload
        });
        match looked.await {
            Ok(back) => reload = back,
            Err(_) => return,
        }
    }
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            Some("something else listens there; choose another port with --listen ADDR")
        }
        io::ErrorKind::PermissionDenied => Some("ports below 1024 need the capability CAP_NET_BIND_SERVICE"),
        io::ErrorKind::AddrNotAvailable => Some("this machine has no such address"),
        _ => None,
    };
    let failure = Failure::outside(format!("cannot listen on {address}"), error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Opens a data directory that is there; opening alone would make one, also where a name was mistyped.
pub(crate) fn open_existing(path: &Path) -> Result<DataDirectory, Failure> {
    if !path.exists() {
        return Err(
            Failure::usage(format!("there is no data directory {}", path.display()))
                .hint("name one with --data DIR"),
        );
    }
    DataDirectory::open(path).map_err(|error| cannot_open(path, error))
}

pub(crate) fn cannot_open(path: &Path, error: StoreError) -> Failure {
    let attempt = format!("cannot use the data directory {}", path.display());
    match error {
        StoreError::Locked => Failure::outside(attempt, error)
            .hint("another server uses it; stop that one, or name another with --data DIR"),
        StoreError::Newer { .. } => Failure::new(Kind::Usage, attempt, error)
            .hint("use the release of lightship that wrote it, or a newer one"),
        StoreError::Foreign => {
            Failure::new(Kind::Usage, attempt, error).hint("name an empty or a new directory with --data DIR")
        }
        StoreError::Full { .. } => Failure::outside(attempt, error).hint("its disk is full: make room on it"),
        StoreError::Io { .. } => Failure::outside(attempt, error)
            .hint("this user has to be able to write to it and to all that is in it; else name another with --data DIR"),
        other => Failure::outside(attempt, other),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's clock, handed down as a value"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness nothing here could be kept apart; every system that we run on has it once it has booted.
        #[expect(clippy::expect_used, reason = "there is no safe way to go on")]
        getrandom::fill(bytes).expect("the system gives random bytes");
    }
}
