//! What the commands share that administer a registry: whom to ask, how resources are named, tables.

mod jobs;
mod resource_names;
mod table;

use clap::Args;
use client::registry::{Administration, AdministrationRequest, RegistryError};
use serde_json::Value;
use transport::Method;

pub(crate) use jobs::job;
pub(crate) use resource_names::{ImageName, repository_name, resource_name};
pub(crate) use table::table;

use crate::arguments::Format;
use crate::failure::{Failure, Kind};
use crate::registry_options::{Host, RegistryOptions};
use crate::settings::Settings;

/// Where `up` and `serve` listen unless told otherwise.
const REGISTRY_DEFAULT: &str = "127.0.0.1:5000";

/// Which registry is administered.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryOption {
    /// The registry to administer, with its port if it has one [default: the image's host, else 127.0.0.1:5000]
    #[arg(long, global = true, value_name = "HOST", value_parser = Host::parse)]
    pub(crate) registry: Option<Host>,
    #[command(flatten)]
    pub(crate) options: RegistryOptions,
}

/// `--format`, before and after a verb.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct VerbFormat {
    /// How the report is written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// A registry that is administered.
pub(crate) struct Administered {
    administration: Administration,
}

impl RegistryOption {
    /// The registry that is named, else `host`, else the one on this machine.
    pub(crate) fn open(&self, host: Option<&str>, settings: &Settings) -> Result<Administered, Failure> {
        let (host, options) = match &self.registry {
            Some(named) => (named.name.as_str(), self.options.with_host(named)),
            None => (host.unwrap_or(REGISTRY_DEFAULT), self.options.clone()),
        };
        let registries = options.registries(settings)?;
        let administration = registries
            .administration(host)
            .map_err(|error| Failure::new(Kind::Usage, format!("cannot administer {host}"), error))?;
        Ok(Administered { administration })
    }
}

impl Administered {
    pub(crate) fn host(&self) -> &str {
        self.administration.host()
    }

    pub(crate) async fn get(&self, attempted: &str, path: &str) -> Result<Value, Failure> {
        self.ask(Method::Get, (attempted, path), &[], None).await
    }

    pub(crate) async fn post(&self, attempted: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::Post, (attempted, path), &[], Some(body)).await
    }

    pub(crate) async fn delete(&self, attempted: &str, path: &str) -> Result<Value, Failure> {
        self.ask(Method::Delete, (attempted, path), &[], None).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        (attempted, path): (&str, &str),
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let attempted = self.there(attempted);
        let request = AdministrationRequest {
            attempted: &attempted,
            path,
            query,
        };
        let answered = self.administration.ask(method, &request, body).await;
        answered.map_err(|error| failed(&attempted, error))
    }

    pub(crate) async fn list(&self, attempted: &str, path: &str, field: &str) -> Result<Vec<Value>, Failure> {
        let request = AdministrationRequest {
            attempted,
            path,
            query: &[],
        };
        self.list_with(&request, field).await
    }

    pub(crate) async fn list_with(
        &self,
        request: &AdministrationRequest<'_>,
        field: &str,
    ) -> Result<Vec<Value>, Failure> {
        let attempted = self.there(request.attempted);
        let request = AdministrationRequest {
            attempted: &attempted,
            ..request.clone()
        };
        let listed = self.administration.list(&request, field).await;
        listed.map_err(|error| failed(&attempted, error))
    }

    /// What is attempted, and where: the client says it in the same words.
    fn there(&self, attempted: &str) -> String {
        format!("{attempted} on {}", self.host())
    }

    /// The repository of names that no host of Google's has: where pushes to this registry go.
    pub(crate) async fn default_repository(&self) -> Result<String, Failure> {
        let about = self
            .get("read the settings of the registry", "/lightship/v1/registry")
            .await?;
        Ok(text(&about, "defaultRepository").to_owned())
    }

    /// The resource of a package, `projects/…/packages/…`, from an image's name.
    pub(crate) async fn package(&self, image: &ImageName) -> Result<String, Failure> {
        let attempted = format!("find {}", image.name);
        let query = [("host", image.host.as_str()), ("name", image.name.as_str())];
        let path = "/lightship/v1/names";
        let found = self.ask(Method::Get, (&attempted, path), &query, None).await?;
        match text(&found, "package") {
            "" => Err(Failure::usage(format!(
                "{} is no image but a whole repository",
                image.name
            ))),
            package => Ok(package.to_owned()),
        }
    }
}

fn failed(attempted: &str, error: RegistryError) -> Failure {
    // What the registry says is wrong with what was asked is wrong usage, not trouble outside.
    let kind = match error.status() {
        Some(400 | 404 | 409) if !error.is_tls_only() => Kind::Usage,
        _ => Kind::Outside,
    };
    let (is_unreachable, status) = (error.is_unreachable(), error.status());
    let failure = Failure::new(kind, format!("cannot {attempted}"), error);
    match (is_unreachable, status) {
        (true, _) => {
            failure.hint("name the registry with --registry HOST, or start one with `lightship serve`")
        }
        (_, Some(403)) => failure
            .hint("whoever administers it may give the right: `lightship iam grant PRINCIPAL ROLE RESOURCE`"),
        _ => failure,
    }
}

/// A text of a document; the empty one where there is none.
pub(crate) fn text<'d>(document: &'d Value, field: &str) -> &'d str {
    document.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a document, which Google's JSON writes as a string.
pub(crate) fn number(document: &Value, field: &str) -> u64 {
    let value = document.get(field);
    let of_text = || value?.as_str()?.parse().ok();
    value.and_then(Value::as_u64).or_else(of_text).unwrap_or_default()
}

/// A time without its fraction, for people.
pub(crate) fn time(document: &Value, field: &str) -> String {
    let text = text(document, field);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text.to_owned(),
    }
}

/// The last part of a resource's name.
pub(crate) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// As a segment of a path or a query.
pub(crate) fn encoded(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' | b':' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
