//! Which side answers on this machine, on every way that a client goes.

use std::net::ToSocketAddrs as _;
use std::path::Path;

use client::registry::Intent;
use oci::{Reference, RepositoryName};
use serde_json::{Value, json};
use transport::{Authorities, RetryPolicy, Transport, TransportOptions};

use super::answer::{self, Answer, told};
use super::containerd;
use super::containers::Places;
use super::way::{FILE_BYTES_MAX, FileError, Way};
use crate::certificates;
use crate::commands::migrate::sides::read_bounded;
use crate::failure::{Failure, Kind};
use crate::registry_options::{Host, RegistryOptions, beyond_this_machine};
use crate::settings::Settings;
use crate::workshop::USER_AGENT;

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) old: &'a Host,
    /// A name below the host, as clients pull it.
    pub(super) image: Option<&'a str>,
    pub(super) root: Option<&'a Path>,
    pub(super) options: RegistryOptions,
}

/// What was found on one way.
pub(super) struct Found {
    way: Way,
    addresses: Vec<String>,
    answer: Result<Answer, String>,
    /// What the image is there, when one was asked for.
    image: Option<(String, Result<String, String>)>,
}

/// Goes every way.
pub(super) async fn check(asked: &Asked<'_>, settings: &Settings) -> Result<Vec<Found>, Failure> {
    let image = asked.image.map(|text| image(text, &asked.old.name)).transpose()?;
    let mut found = Vec::new();
    for way in ways(asked, image.as_ref(), settings)? {
        let answer = match transport(&way, asked, settings)? {
            Ok(transport) => answer::ask(&transport, &way.host, way.is_plain).await,
            Err(error) => Err(error),
        };
        let image = match (&image, &answer) {
            (Some(image), Ok(_)) => Some(looked(&way, image, asked, settings).await?),
            _ => None,
        };
        found.push(Found {
            addresses: addresses(&way),
            way,
            answer,
            image,
        });
    }
    Ok(found)
}

/// `HOST/NAME[:TAG]` of the old host, also without the host.
fn image(text: &str, old: &str) -> Result<Reference, Failure> {
    let whole = match text.strip_prefix(old).is_some_and(|rest| rest.starts_with('/')) {
        true => text.to_owned(),
        false => format!("{old}/{text}"),
    };
    match whole.parse::<client::Location>() {
        Ok(client::Location::Registry(reference)) => Ok(reference),
        _ => Err(Failure::usage(format!("`{text}` is no image below {old}"))),
    }
}

fn ways(asked: &Asked<'_>, image: Option<&Reference>, settings: &Settings) -> Result<Vec<Way>, Failure> {
    let old = &asked.old.name;
    let environment = &settings.environment;
    let of_home = environment.home.as_ref().map(|home| home.join(".config"));
    let of_user = environment
        .config_home
        .clone()
        .or(of_home)
        .filter(|_| asked.root.is_none());
    let root = asked.root.unwrap_or(Path::new("/"));
    let places = Places {
        root,
        of_user: of_user.as_deref(),
    };
    let mut ways = vec![Way {
        clients: "whoever goes by the name alone, as Docker",
        because: None,
        host: old.clone(),
        prefix: None,
        is_plain: is_plain(asked, old),
        authorities: places.authorities(old),
    }];
    if let Some(file) = containerd::file(root, old) {
        ways.extend(containerd::ways(root, &file, old).map_err(|error| unusable(&file, error))?);
    }
    let name = image.map_or_else(|| "x".to_owned(), |image| image.name().to_string());
    let of_podman = places.ways(&format!("{old}/{name}"));
    ways.extend(of_podman.map_err(|(file, error)| unusable(&file, error))?);
    Ok(ways)
}

fn unusable(file: &Path, error: FileError) -> Failure {
    Failure::new(Kind::Usage, format!("cannot use {}", file.display()), error)
}

/// As the client of this program would: loopback without TLS, unless something says otherwise.
fn is_plain(asked: &Asked<'_>, host: &str) -> bool {
    asked.options.plain_http.iter().any(|other| other == host)
}

/// One that trusts whom the client trusts; or what is wrong with the files that say whom.
fn transport(
    way: &Way,
    asked: &Asked<'_>,
    settings: &Settings,
) -> Result<Result<Transport, String>, Failure> {
    let mut options = TransportOptions::new(USER_AGENT);
    options.proxies = beyond_this_machine(settings.proxies());
    options.authorities = certificates::named(&asked.options.ca_file)?;
    options.retry = RetryPolicy {
        attempts_max: 1,
        refused_attempts_max: 1,
        ..RetryPolicy::default()
    };
    for path in &way.authorities {
        match authorities(path) {
            Ok(found) => options.authorities.extend(found),
            Err(error) => return Ok(Err(format!("cannot use {}: {error}", path.display()))),
        }
    }
    Ok(Ok(Transport::new(options)))
}

fn authorities(path: &Path) -> Result<Authorities, String> {
    let bytes = read_bounded(path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    Authorities::parse(&bytes).map_err(|error| told(&error))
}

/// What the image is on that way, with the user's credentials.
async fn looked(
    way: &Way,
    image: &Reference,
    asked: &Asked<'_>,
    settings: &Settings,
) -> Result<(String, Result<String, String>), Failure> {
    let mut options = asked.options.clone();
    options.ca_file.extend(way.authorities.iter().cloned());
    match way.is_plain {
        true => options.plain_http.push(way.host.clone()),
        false => options.tls.push(way.host.clone()),
    }
    let name = match &way.prefix {
        Some(prefix) => format!("{prefix}/{}", image.name()),
        None => image.name().to_string(),
    };
    let tag = match (image.digest(), image.tag()) {
        (Some(digest), _) => digest.to_string(),
        (_, tag) => tag.map_or_else(|| "latest".to_owned(), ToString::to_string),
    };
    let shown = format!("{}/{name}:{tag}", way.host);
    let name: RepositoryName = match name.parse() {
        Ok(name) => name,
        Err(_) => return Ok((shown, Err("this is no name of an image".to_owned()))),
    };
    let registry = options.registries(settings)?.api(&way.host);
    let registry =
        registry.map_err(|error| Failure::new(Kind::Usage, format!("cannot ask {}", way.host), error))?;
    let head = registry.repository(&name, Intent::Pull).head(&tag).await;
    let digest = match head {
        Ok(Some(head)) => head
            .digest
            .map_or_else(|| Ok("is there".to_owned()), |digest| Ok(digest.to_string())),
        Ok(None) => Err("is not there".to_owned()),
        Err(error) => Err(told(&error)),
    };
    Ok((shown, digest))
}

/// Where the name leads on this machine.
fn addresses(way: &Way) -> Vec<String> {
    let default = if way.is_plain { 80 } else { 443 };
    let has_port = way
        .host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let target = if has_port {
        way.host.clone()
    } else {
        format!("{}:{default}", way.host)
    };
    let mut found: Vec<String> = target.to_socket_addrs().map_or_else(
        |_| Vec::new(),
        |all| all.map(|address| address.ip().to_string()).collect(),
    );
    found.dedup();
    found
}

impl Found {
    pub(super) fn is_lightship(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.is_lightship)
    }

    fn side(&self) -> String {
        match &self.answer {
            Err(error) => format!("nobody answers: {error}"),
            Ok(answer) if answer.is_lightship => "Lightship answers".to_owned(),
            Ok(answer) => {
                let server = answer.server.as_deref().unwrap_or("nothing");
                format!(
                    "another registry answers (status {}, which calls itself {server})",
                    answer.status
                )
            }
        }
    }

    pub(super) fn text(&self) -> String {
        let way = &self.way;
        let because = way
            .because
            .as_ref()
            .map_or_else(|| "the name".to_owned(), |file| file.display().to_string());
        let place = match &way.prefix {
            Some(prefix) => format!("{}/{prefix}", way.host),
            None => way.host.clone(),
        };
        let addresses = match self.addresses.is_empty() {
            true => "no address".to_owned(),
            false => self.addresses.join(", "),
        };
        let mut text = format!(
            "{}: by {because} to {place} ({addresses})\n  {}\n",
            way.clients,
            self.side()
        );
        if let Ok(answer) = &self.answer {
            text.push_str(&match &answer.certificate {
                Some(shown) => format!(
                    "  certificate for {}, by {}, until {}\n",
                    if shown.names.is_empty() {
                        shown.subject.clone()
                    } else {
                        shown.names.join(", ")
                    },
                    shown.issuer,
                    shown.until
                ),
                None => "  without TLS\n".to_owned(),
            });
        }
        if let Some((name, found)) = &self.image {
            let found = found.as_ref().unwrap_or_else(|error| error);
            text.push_str(&format!("  {name}: {found}\n"));
        }
        text
    }

    pub(super) fn document(&self) -> Value {
        let answer = self.answer.as_ref().ok();
        let certificate = answer.and_then(|answer| answer.certificate.as_ref()).map(|shown| {
            json!({"subject": shown.subject, "names": shown.names, "issuer": shown.issuer, "until": shown.until})
        });
        let image = self.image.as_ref().map(|(name, found)| {
            json!({"name": name, "digest": found.as_ref().ok(), "error": found.as_ref().err()})
        });
        json!({
            "clients": self.way.clients,
            "file": self.way.because.as_ref().map(|path| path.display().to_string()),
            "host": self.way.host,
            "prefix": self.way.prefix,
            "addresses": self.addresses,
            "lightship": self.is_lightship(),
            "status": answer.map(|answer| answer.status),
            "server": answer.and_then(|answer| answer.server.clone()),
            "challenge": answer.and_then(|answer| answer.challenge.clone()),
            "certificate": certificate,
            "error": self.answer.as_ref().err(),
            "image": image,
        })
    }
}
