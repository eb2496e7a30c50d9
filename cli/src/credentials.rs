//! Where the user's credentials for registries are: docker's and podman's files, and the helpers that they name.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use client::registry::{
    CredentialError, CredentialHelper, CredentialStore, DOCKER_CONFIG_BYTES_MAX, DockerConfig, HelperAnswer,
};

use crate::failure::{Failure, Kind};
use crate::registry_options::OwnToken;
use crate::settings::Settings;

/// Longest answer of a credential helper, in bytes.
const HELPER_ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Docker's file in its directory.
const DOCKER_FILE: &str = "config.json";

/// The credentials that docker and podman would use here. Files that are not there are no failure.
///
/// A token of our own counts before all of them.
pub(crate) fn store(settings: &Settings, own: Option<&OwnToken>) -> Result<CredentialStore, Failure> {
    let mut configs = Vec::new();
    if let Some(OwnToken { host, token }) = own {
        let config = serde_json::json!({"auths": {host: {"registrytoken": token.expose()}}});
        let config = DockerConfig::parse("lightship", config.to_string().as_bytes());
        configs.push(config.map_err(unusable)?);
    }
    for path in files(settings) {
        if let Some(config) = read(&path)? {
            configs.push(config);
        }
    }
    Ok(CredentialStore::new(configs, Arc::new(Programs)))
}

/// The credentials in one file of docker's, and nothing else. It must be there.
pub(crate) fn store_of(path: &Path) -> Result<CredentialStore, Failure> {
    let config = read(path)?.ok_or_else(|| {
        Failure::usage(format!("there is no file of credentials at {}", path.display()))
            .hint("it is one as `docker login` and `lightship login` write it")
    })?;
    Ok(CredentialStore::new(vec![config], Arc::new(Programs)))
}

/// The files, in the order in which they count: the one that was named, docker's, podman's.
fn files(settings: &Settings) -> Vec<PathBuf> {
    let environment = &settings.environment;
    let below =
        |directory: &Option<PathBuf>, file: &str| directory.as_ref().map(|directory| directory.join(file));
    [
        environment.registry_auth_file.clone(),
        docker_file(settings),
        below(&environment.runtime_directory, "containers/auth.json"),
        below(&environment.home, ".config/containers/auth.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
fn docker_file(settings: &Settings) -> Option<PathBuf> {
    let environment = &settings.environment;
    let of_home = || environment.home.as_ref().map(|home| home.join(".docker"));
    let directory = environment.docker_config.clone().or_else(of_home)?;
    Some(directory.join(DOCKER_FILE))
}

/// Docker's file, which `login` and `logout` change.
pub(crate) struct DockerFile {
    path: PathBuf,
    pub(crate) config: DockerConfig,
}

impl DockerFile {
    /// Reads it; one that is not there is empty.
    pub(crate) fn open(settings: &Settings) -> Result<DockerFile, Failure> {
        let path = docker_file(settings).ok_or_else(|| {
            Failure::usage("no place for credentials is known: neither DOCKER_CONFIG nor HOME is set")
        })?;
        let config = match read(&path)? {
            Some(config) => config,
            None => parse(&path, b"")?,
        };
        Ok(DockerFile { path, config })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces it at once, readable by its owner only. A link stays a link: what it leads to is replaced.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let bytes = self
            .config
            .to_json()
            .map_err(|error| Failure::bug("cannot write JSON", error))?;
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = path.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(directory)?;
            let mut file = tempfile::Builder::new()
                .prefix(".config-")
                .permissions(Permissions::from_mode(0o600))
                .tempfile_in(directory)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Failure::outside(format!("cannot write {}", self.path.display()), error))
    }
}

fn read(path: &Path) -> Result<Option<DockerConfig>, Failure> {
    let failed = |error| Failure::outside(format!("cannot read {}", path.display()), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(DOCKER_CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > DOCKER_CONFIG_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} has more than {DOCKER_CONFIG_BYTES_MAX} bytes",
            path.display()
        )));
    }
    parse(path, &bytes).map(Some)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<DockerConfig, Failure> {
    DockerConfig::parse(&path.display().to_string(), bytes).map_err(unusable)
}

/// A file of credentials that cannot be used is a bad input file; a helper that fails is something outside.
pub(crate) fn unusable(error: CredentialError) -> Failure {
    let kind = match error {
        CredentialError::Json { .. } | CredentialError::Form { .. } | CredentialError::HelperName { .. } => {
            Kind::Usage
        }
        CredentialError::Helper { .. } | CredentialError::HelperAnswer { .. } => Kind::Outside,
    };
    Failure::new(kind, "cannot use the credentials of docker", error)
}

/// Helpers are programs in the search path, as docker has them.
pub(crate) struct Programs;

impl CredentialHelper for Programs {
    fn run(&self, name: &str, verb: &str, input: &[u8]) -> io::Result<HelperAnswer> {
        let mut child = Command::new(format!("docker-credential-{name}"))
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read what it is told fails by itself.
            drop(stdin.write_all(input));
        }
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(HELPER_ANSWER_BYTES_MAX).read_to_end(&mut output)?;
        }
        let success = child.wait()?.success();
        Ok(HelperAnswer { success, output })
    }
}
