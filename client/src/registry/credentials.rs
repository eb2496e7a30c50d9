//! Names and passwords for registries, as docker and podman keep them.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use transport::Secret;

use super::endpoint::is_docker_hub;

/// Longest configuration file that is read, in bytes.
pub const DOCKER_CONFIG_BYTES_MAX: u64 = 4 << 20;

/// What docker calls Docker Hub in its configuration.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The user name by which helpers say that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What one shows to a registry. `Debug` shows none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Password {
        /// The user name.
        username: String,
        /// The password, or a token in its place.
        password: Secret,
    },
    /// A refresh token, which the registry's token service takes.
    IdentityToken(Secret),
    /// A token for the registry itself.
    RegistryToken(Secret),
}

/// Why credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file is not JSON.
    #[error("{name} is not a configuration of docker")]
    Json {
        /// The file.
        name: String,
        /// Why not. Without the text, which may hold passwords.
        source: serde_json::Error,
    },
    /// A part of it has not the form that docker writes.
    #[error("{name} is not a configuration of docker: {problem}")]
    Form {
        /// The file.
        name: String,
        /// Which part.
        problem: &'static str,
    },
    /// A helper has a name that no program has.
    #[error("{helper:?} is not the name of a credential helper")]
    HelperName {
        /// The name.
        helper: String,
    },
    /// A helper cannot be run.
    #[error("cannot run docker-credential-{helper}")]
    Helper {
        /// Its name.
        helper: String,
        /// Why not.
        source: io::Error,
    },
    /// A helper failed or answered nonsense.
    #[error("docker-credential-{helper} {problem}")]
    HelperAnswer {
        /// Its name.
        helper: String,
        /// What it did.
        problem: String,
    },
}

/// Runs programs that keep credentials; whoever reads the environment provides one.
pub trait CredentialHelper: Send + Sync {
    /// Runs `docker-credential-NAME VERB` with `input`. It may block.
    ///
    /// # Errors
    /// When it cannot be started or read.
    fn run(&self, name: &str, verb: &str, input: &[u8]) -> io::Result<HelperAnswer>;
}

/// What a helper answered.
#[derive(Clone)]
pub struct HelperAnswer {
    /// Whether its exit status was 0.
    pub success: bool,
    /// What it wrote, which may be a password.
    pub output: Vec<u8>,
}

/// A `config.json` of docker or an `auth.json` of podman, with everything in it that we do not know.
#[derive(Clone)]
pub struct DockerConfig {
    name: String,
    document: Map<String, Value>,
}

/// Where the credentials for registries are: files in the order in which they count, and helpers.
#[derive(Clone)]
pub struct CredentialStore {
    configs: Vec<DockerConfig>,
    helper: Arc<dyn CredentialHelper>,
}

impl DockerConfig {
    /// Reads a file's bytes; `name` is for messages.
    ///
    /// # Errors
    /// When it is not a JSON object. An empty file is an empty configuration.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, CredentialError> {
        let name = name.to_owned();
        if bytes.trim_ascii().is_empty() {
            return Ok(Self {
                name,
                document: Map::new(),
            });
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(document)) => Ok(Self { name, document }),
            Ok(_) => Err(CredentialError::Form {
                name,
                problem: "it is not an object",
            }),
            Err(source) => Err(CredentialError::Json { name, source }),
        }
    }

    /// The file's new bytes.
    ///
    /// # Errors
    /// Never with what was parsed.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(&self.document)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The helper that keeps the credentials of `host`.
    #[must_use]
    pub fn helper(&self, host: &str) -> Option<&str> {
        let of_host = self
            .document
            .get("credHelpers")
            .and_then(|helpers| helpers.get(host));
        let helper = of_host.or_else(|| self.document.get("credsStore"));
        helper.and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// Keeps a user name and password for `host` in the file itself.
    ///
    /// # Errors
    /// When `auths` is there and not an object.
    pub fn insert(&mut self, host: &str, username: &str, password: &Secret) -> Result<(), CredentialError> {
        let auth = STANDARD.encode(format!("{username}:{}", password.expose()));
        self.auths()?.insert(key_of(host), json!({ "auth": auth }));
        Ok(())
    }

    /// Drops what the file itself holds for `host`, and says whether there was anything.
    ///
    /// # Errors
    /// When `auths` is there and not an object.
    pub fn remove(&mut self, host: &str) -> Result<bool, CredentialError> {
        let auths = self.auths()?;
        let before = auths.len();
        auths.retain(|key, _| !names_host(key, host));
        Ok(auths.len() < before)
    }

    fn auths(&mut self) -> Result<&mut Map<String, Value>, CredentialError> {
        let auths = self
            .document
            .entry("auths")
            .or_insert_with(|| Value::Object(Map::new()));
        auths.as_object_mut().ok_or(CredentialError::Form {
            name: self.name.clone(),
            problem: "auths is not an object",
        })
    }

    /// What the file itself holds: for the longest part of `HOST/NAME` first, as podman has it.
    fn inline(&self, host: &str, repository: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let mut path = format!("{host}/{repository}");
        while let Some((shorter, _)) = path.rsplit_once('/') {
            if let Some(entry) = auths.get(&path)
                && let Some(credential) = self.credential(entry)?
            {
                return Ok(Some(credential));
            }
            path = shorter.to_owned();
        }
        for (key, entry) in auths {
            if names_host(key, host)
                && let Some(credential) = self.credential(entry)?
            {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// An entry may be empty: then a helper has the credentials.
    fn credential(&self, entry: &Value) -> Result<Option<Credential>, CredentialError> {
        let text = |name: &str| {
            entry
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Credential::RegistryToken(Secret::new(token))));
        }
        if let Some(auth) = text("auth") {
            let malformed = || CredentialError::Form {
                name: self.name.clone(),
                problem: "an auth is not a user name and password in base64",
            };
            let decoded = STANDARD
                .decode(auth)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or_else(malformed)?;
            let (username, password) = decoded.split_once(':').ok_or_else(malformed)?;
            return Ok(Some(Credential::Password {
                username: username.to_owned(),
                // docker once padded with NULs.
                password: Secret::new(password.trim_end_matches('\0')),
            }));
        }
        Ok(text("username")
            .zip(text("password"))
            .map(|(username, password)| Credential::Password {
                username: username.to_owned(),
                password: Secret::new(password),
            }))
    }
}

impl CredentialStore {
    /// Credentials from these files, the first that has some counts, and from the helpers that they name.
    #[must_use]
    pub fn new(configs: Vec<DockerConfig>, helper: Arc<dyn CredentialHelper>) -> Self {
        Self { configs, helper }
    }

    /// No credentials for anything.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Vec::new(), Arc::new(NoHelpers))
    }

    /// The credential for a repository of a registry. It may block.
    ///
    /// # Errors
    /// When a file or a helper is not what it should be.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>, CredentialError> {
        for config in &self.configs {
            let kept = match config.helper(host) {
                Some(helper) => self.ask(helper, host)?,
                None => None,
            };
            let found = match kept {
                Some(credential) => Some(credential),
                None => config.inline(host, repository)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn ask(&self, helper: &str, host: &str) -> Result<Option<Credential>, CredentialError> {
        let answer = run_helper(&*self.helper, helper, "get", key_of(host).as_bytes())?;
        let wrong = |problem: &str| CredentialError::HelperAnswer {
            helper: helper.to_owned(),
            problem: problem.to_owned(),
        };
        if !answer.success {
            // The helpers' own words for having none; they have no status of its own for it.
            let text = String::from_utf8_lossy(&answer.output).to_lowercase();
            return if text.contains("credentials not found") || text.contains("no credentials") {
                Ok(None)
            } else {
                Err(wrong("failed"))
            };
        }
        let document: Value =
            serde_json::from_slice(&answer.output).map_err(|_| wrong("does not answer in JSON"))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        match (text("Username"), text("Secret")) {
            (_, Some("")) => Ok(None),
            (Some(TOKEN_USER), Some(secret)) => Ok(Some(Credential::IdentityToken(Secret::new(secret)))),
            (Some(username), Some(secret)) => Ok(Some(Credential::Password {
                username: username.to_owned(),
                password: Secret::new(secret),
            })),
            _ => Err(wrong("gives no user name and secret")),
        }
    }
}

/// Gives a helper the credentials of `host` to keep.
///
/// # Errors
/// When it cannot be run, or fails.
pub fn store_in_helper(
    runner: &dyn CredentialHelper,
    helper: &str,
    host: &str,
    (username, password): (&str, &Secret),
) -> Result<(), CredentialError> {
    let input = json!({ "ServerURL": key_of(host), "Username": username, "Secret": password.expose() });
    let answer = run_helper(runner, helper, "store", input.to_string().as_bytes())?;
    if answer.success {
        return Ok(());
    }
    Err(CredentialError::HelperAnswer {
        helper: helper.to_owned(),
        problem: "could not keep the password".to_owned(),
    })
}

/// Tells a helper to forget the credentials of `host`, and says whether it did.
///
/// # Errors
/// When it cannot be run.
pub fn erase_from_helper(
    runner: &dyn CredentialHelper,
    helper: &str,
    host: &str,
) -> Result<bool, CredentialError> {
    run_helper(runner, helper, "erase", key_of(host).as_bytes()).map(|answer| answer.success)
}

fn run_helper(
    runner: &dyn CredentialHelper,
    helper: &str,
    verb: &str,
    input: &[u8],
) -> Result<HelperAnswer, CredentialError> {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
    if helper.is_empty() || !helper.bytes().all(is_plain) {
        return Err(CredentialError::HelperName {
            helper: helper.to_owned(),
        });
    }
    runner
        .run(helper, verb, input)
        .map_err(|source| CredentialError::Helper {
            helper: helper.to_owned(),
            source,
        })
}

/// The key of a registry in docker's configuration.
fn key_of(host: &str) -> String {
    if is_docker_hub(host) {
        DOCKER_HUB_KEY.to_owned()
    } else {
        host.to_owned()
    }
}

/// Whether a key means a registry: docker also wrote URLs, such as `https://HOST/v1/`.
fn names_host(key: &str, host: &str) -> bool {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    // Without a scheme, what follows a slash is a part of podman's names.
    let key_host = bare.map_or(key, |rest| rest.split('/').next().unwrap_or_default());
    key_host.eq_ignore_ascii_case(host) || (is_docker_hub(key_host) && is_docker_hub(host))
}

struct NoHelpers;

impl CredentialHelper for NoHelpers {
    fn run(&self, _: &str, _: &str, _: &[u8]) -> io::Result<HelperAnswer> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl std::fmt::Debug for DockerConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DockerConfig({:?}, …)", self.name)
    }
}

impl std::fmt::Debug for CredentialStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("CredentialStore")
            .field(&self.configs)
            .finish()
    }
}

impl std::fmt::Debug for HelperAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HelperAnswer({}, …)", self.success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(bool, &'static str);

    impl CredentialHelper for Fixed {
        fn run(&self, name: &str, verb: &str, input: &[u8]) -> io::Result<HelperAnswer> {
            assert_eq!((name, verb, input), ("keeper", "get", &b"a.example"[..]));
            Ok(HelperAnswer {
                success: self.0,
                output: self.1.as_bytes().to_vec(),
            })
        }
    }

    fn find(config: &str, helper: Fixed, host: &str, name: &str) -> String {
        let config = DockerConfig::parse("config.json", config.as_bytes()).unwrap();
        let store = CredentialStore::new(vec![config], Arc::new(helper));
        match store.find(host, name) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credential::Password { username, password })) => {
                format!("{username}={}", password.expose())
            }
            Ok(Some(Credential::IdentityToken(token))) => format!("identity {}", token.expose()),
            Ok(Some(Credential::RegistryToken(token))) => format!("registry {}", token.expose()),
            Err(error) => error.to_string(),
        }
    }

    /// user:pass
    const AUTH: &str = "dXNlcjpwYXNz";

    #[test]
    fn finds_what_docker_and_podman_write() {
        let check = |config: String, host: &str, name: &str, expected: &str| {
            assert_eq!(find(&config, Fixed(true, ""), host, name), expected, "{config}");
        };
        let of = |key: &str, entry: &str| format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
        let auth = format!(r#"{{"auth":"{AUTH}"}}"#);
        check(of("a.example", &auth), "a.example", "x", "user=pass");
        check(of("https://a.example/v1/", &auth), "a.example", "x", "user=pass");
        check(of("a.example:5000", &auth), "a.example", "x", "none");
        check(
            of("https://index.docker.io/v1/", &auth),
            "docker.io",
            "library/x",
            "user=pass",
        );
        check(of("a.example/team", &auth), "a.example", "team/x", "user=pass");
        check(of("a.example/team", &auth), "a.example", "other/x", "none");
        check(of("a.example", "{}"), "a.example", "x", "none");
        check(
            of("a.example", r#"{"identitytoken":"t"}"#),
            "a.example",
            "x",
            "identity t",
        );
        check(
            of("a.example", r#"{"registrytoken":"t"}"#),
            "a.example",
            "x",
            "registry t",
        );
        check(
            of("a.example", r#"{"username":"u","password":"p"}"#),
            "a.example",
            "x",
            "u=p",
        );
        check(
            of("a.example", r#"{"auth":"%"}"#),
            "a.example",
            "x",
            "config.json is not a configuration of docker: an auth is not a user name and password in base64",
        );
        check(String::new(), "a.example", "x", "none");
        let both = format!(r#"{{"auths":{{"a.example":{{"registrytoken":"t"}},"a.example/b":{auth}}}}}"#);
        check(both, "a.example", "b/c", "user=pass");
    }

    #[test]
    fn asks_the_helper_of_the_host_or_of_all() {
        let answer = r#"{"ServerURL":"a.example","Username":"u","Secret":"p"}"#;
        let host = r#"{"credHelpers":{"a.example":"keeper"},"credsStore":"other"}"#;
        assert_eq!(find(host, Fixed(true, answer), "a.example", "x"), "u=p");
        let all = r#"{"credsStore":"keeper"}"#;
        assert_eq!(
            find(
                all,
                Fixed(true, r#"{"Username":"<token>","Secret":"p"}"#),
                "a.example",
                "x"
            ),
            "identity p"
        );
        let none = "credentials not found in native keychain\n";
        assert_eq!(find(all, Fixed(false, none), "a.example", "x"), "none");
        assert_eq!(
            find(all, Fixed(false, "locked"), "a.example", "x"),
            "docker-credential-keeper failed"
        );
        assert_eq!(
            find(r#"{"credsStore":"../x"}"#, Fixed(true, ""), "a.example", "x"),
            "\"../x\" is not the name of a credential helper"
        );
    }

    #[test]
    fn changes_only_what_it_means_to_change() {
        let text =
            r#"{"auths":{"b.example":{"auth":"eDp5"}},"detachKeys":"ctrl-e","plugins":{"x":{"y":"z"}}}"#;
        let mut config = DockerConfig::parse("config.json", text.as_bytes()).unwrap();
        config.insert("a.example", "user", &Secret::new("pass")).unwrap();
        let expected = format!(
            r#"{{"auths":{{"a.example":{{"auth":"{AUTH}"}},"b.example":{{"auth":"eDp5"}}}},"detachKeys":"ctrl-e","plugins":{{"x":{{"y":"z"}}}}}}"#
        );
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(value(&config.to_json().unwrap()), value(expected.as_bytes()));
        assert!(config.remove("a.example").unwrap());
        assert!(!config.remove("a.example").unwrap());
        assert_eq!(value(&config.to_json().unwrap()), value(text.as_bytes()));
    }

    #[test]
    fn nothing_of_it_prints() {
        let text = String::from(r#"{"auths":{"a":{"auth":"dXNlcjpodW50ZXIy","password":"secret"}}}"#);
        let config = DockerConfig::parse("config.json", text.as_bytes()).unwrap();
        let store = CredentialStore::new(vec![config.clone()], Arc::new(NoHelpers));
        let credential = store.find("a", "x").unwrap();
        let answer = HelperAnswer {
            success: true,
            output: b"hunter2".to_vec(),
        };
        let shown = format!("{config:?} {store:?} {credential:?} {answer:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("secret") && !shown.contains("dXNlcjpodW50ZXIy"),
            "{shown}"
        );
    }
}
