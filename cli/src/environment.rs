//! Every environment variable that the program reads, in one place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Base URIs of a Debian mirror, in the form of `--mirror`.
pub(crate) const LIGHTSHIP_DEBIAN_MIRROR: &str = "LIGHTSHIP_DEBIAN_MIRROR";
/// Where caches live, by the XDG base directory specification.
pub(crate) const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Where data lives, by the same specification.
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Where configuration is, by the same specification: podman's certificates of the user are below it.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// The user's home directory; `$HOME/.cache` is the cache when `XDG_CACHE_HOME` is not set.
pub(crate) const HOME: &str = "HOME";
/// Any value but the empty one turns colours off: <https://no-color.org>.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Seconds since 1970 that images and generated files carry instead of the archive's date:
/// <https://reproducible-builds.org/specs/source-date-epoch/>.
pub(crate) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Where docker's `config.json` is: <https://docs.docker.com/reference/cli/docker/#environment-variables>.
pub(crate) const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Podman's file of credentials, before all others: containers-auth.json(5).
pub(crate) const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Where podman keeps credentials until the user logs out of the machine.
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Proxies, by the names that curl and APT understand. The upper-case `HTTP_PROXY` is not read (CGI may set it).
pub(crate) const HTTP_PROXY: &str = "http_proxy";
pub(crate) const HTTPS_PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
pub(crate) const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// What the environment said at the start; nothing reads it later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    pub(crate) debian_mirror: Option<String>,
    pub(crate) cache_home: Option<PathBuf>,
    pub(crate) data_home: Option<PathBuf>,
    pub(crate) config_home: Option<PathBuf>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) registry_auth_file: Option<PathBuf>,
    pub(crate) runtime_directory: Option<PathBuf>,
    pub(crate) no_color: bool,
    pub(crate) source_date_epoch: Option<String>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Environment {
        let first = |names: &[&str]| names.iter().find_map(|name| text(name));
        Environment {
            debian_mirror: text(LIGHTSHIP_DEBIAN_MIRROR),
            cache_home: absolute(XDG_CACHE_HOME),
            data_home: absolute(XDG_DATA_HOME),
            config_home: absolute(XDG_CONFIG_HOME),
            home: value(HOME).map(PathBuf::from),
            docker_config: value(DOCKER_CONFIG).map(PathBuf::from),
            registry_auth_file: value(REGISTRY_AUTH_FILE).map(PathBuf::from),
            runtime_directory: value(XDG_RUNTIME_DIR).map(PathBuf::from),
            no_color: value(NO_COLOR).is_some(),
            source_date_epoch: text(SOURCE_DATE_EPOCH),
            http_proxy: text(HTTP_PROXY),
            https_proxy: first(&HTTPS_PROXY),
            no_proxy: first(&NO_PROXY),
        }
    }
}

/// The value of a variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn value(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A directory of the XDG specification, which tells to ignore a relative path.
fn absolute(name: &str) -> Option<PathBuf> {
    value(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn text(name: &str) -> Option<String> {
    value(name).map(|value| value.to_string_lossy().into_owned())
}

/// The whole environment, for the tests that ask for parts of it by name.
pub(crate) fn all() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where temporary files go: `TMPDIR`, else the system's directory.
pub(crate) fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}
