//! What a place becomes: the one answer for every reader and language.
//!
//! A place is the beginning of every reference that is put together from it. The longest prefix that fits decides for each
//! of them where it goes; the place may be rewritten only when all of them then begin with the same text in place of what
//! stands there, and what follows is as it was. What may be put together elsewhere has to agree as well.

use std::fmt;

use super::mapping::{Mapping, host_of, suffix_of};
use crate::finding::{Finding, Fix, Whole};
use crate::host::Family;
use crate::image::variable_length;
use crate::kind::Kind;
use crate::near::bare;
use crate::place::Sort;

/// Why a place stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stays {
    NotVerbatim,
    Fixed(&'static str),
    NoMapping { reference: String },
    OnlySome { old: String },
    Kept { reference: String },
    More { reference: String, new: String },
    Apart { one: String, other: String },
    Longer { old: String, new: String },
    TooMany,
    HostOnly { new: String },
    SeveralHosts { host: String },
    NotGoogle { host: String },
    NoGoogleHost,
    NoName { rule: &'static str },
    Beside { new: String },
    LoggedIn { reference: String, path: String },
}

impl fmt::Display for Stays {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stays::NotVerbatim => to.write_str("it does not stand here letter by letter"),
            Stays::Fixed(reason) => to.write_str(reason),
            Stays::NoMapping { reference } => write!(to, "no mapping fits {reference}"),
            Stays::OnlySome { old } => write!(
                to,
                "a part of what may be put together from it is mapped ({old}), the rest is not"
            ),
            Stays::Kept { reference } => {
                write!(
                    to,
                    "{reference} stays where it is, and no mapping names its project"
                )
            }
            Stays::More { reference, new } => write!(
                to,
                "{reference} is put together from it and becomes {new}: more than this would have to change"
            ),
            Stays::Apart { one, other } => write!(
                to,
                "{one} and {other} are put together from it, and move to different places"
            ),
            Stays::Longer { old, new } => write!(
                to,
                "what is put together from it may begin with {old}, which moves to {new}"
            ),
            Stays::TooMany => to.write_str("not everything that is put together from it is known"),
            Stays::HostOnly { new } => write!(to, "only a host can stand here, and it would be {new}"),
            Stays::SeveralHosts { host } => write!(to, "what is mapped from {host} goes to several hosts"),
            Stays::NoGoogleHost => {
                to.write_str("gcloud sets up hosts of Google only, and nothing is mapped to one")
            }
            Stays::NoName { rule } => write!(
                to,
                "another name does not mend it: `lightship audit explain {rule}` says what to do"
            ),
            Stays::LoggedIn { reference, path } => {
                write!(to, "{reference} stays in {path}, and may need this login")
            }
            Stays::Beside { new } => write!(to, "{new} stands beside it: the line may be about moving"),
            Stays::NotGoogle { host } => write!(to, "gcloud sets up hosts of Google only, not {host}"),
        }
    }
}

/// What to write in place of a finding, or why it stays.
pub(super) fn decide(finding: &Finding, mapping: &Mapping) -> Result<Fix, Stays> {
    if let Sort::Fixed(reason) = finding.place.sort {
        return Err(Stays::Fixed(reason));
    }
    if !finding.is_verbatim || finding.span.start == finding.span.end {
        return Err(match mends(finding.rule.id) {
            true => Stays::NotVerbatim,
            false => Stays::NoName {
                rule: finding.rule.id,
            },
        });
    }
    let written = finding.matched.as_str();
    let is_host = !written.contains('/');
    let (replacement, description) = match finding.place.sort {
        Sort::GoogleLogins => (google_logins(finding, mapping)?, "name the hosts"),
        Sort::NoGoogleLogins => (with_google_logins(written, mapping)?, "name the hosts"),
        Sort::Login if is_host => (login(written, mapping)?.to_owned(), "name the new host"),
        _ => (beginning(finding, mapping)?, "name where it is now"),
    };
    // Bazel's rules take a host, and the repository by itself.
    let is_attribute = is_host && Kind::of(&finding.path, "") == Kind::Starlark;
    let is_bare = is_attribute || finding.place.sort == Sort::BareHost;
    if is_bare && replacement.contains('/') {
        return Err(Stays::HostOnly { new: replacement });
    }
    // Copies and substitutions name both places: with one twice they do nothing.
    let is_near = finding.near.iter().any(|name| name == bare(&replacement));
    if is_near || finding.excerpt.text.contains(&replacement) {
        return Err(Stays::Beside { new: replacement });
    }
    Ok(Fix {
        replacement,
        description: description.to_owned(),
    })
}

/// Whether findings of a rule are names that a mapping may replace.
fn mends(rule: &str) -> bool {
    rule.starts_with("image-")
        || matches!(
            rule,
            "artifact-registry"
                | "host-legacy"
                | "docker-login"
                | "login-step"
                | "cred-helper"
                | "pull-secret"
                | "with-registry"
                | "configure-docker-bare"
                | "configure-docker-legacy"
        )
}

/// The host to log in to: everything that is mapped from the old one has to go there.
fn login<'m>(host: &str, mapping: &'m Mapping) -> Result<&'m str, Stays> {
    let hosts = mapping.hosts_for(host);
    let mut all = hosts.iter();
    match (all.next(), all.next()) {
        (Some(new), None) => Ok(*new),
        (None, _) => Err(Stays::NoMapping {
            reference: host.to_owned(),
        }),
        _ => Err(Stays::SeveralHosts {
            host: host.to_owned(),
        }),
    }
}

/// What `gcloud auth configure-docker` is to be told.
fn google_logins(finding: &Finding, mapping: &Mapping) -> Result<String, Stays> {
    let mut hosts: Vec<&str> = Vec::new();
    for old in finding.matched.split(',') {
        let new = login(old.trim(), mapping)?;
        if !is_google(new) {
            return Err(Stays::NotGoogle { host: new.to_owned() });
        }
        if !hosts.contains(&new) {
            hosts.push(new);
        }
    }
    Ok(hosts.join(","))
}

/// `configure-docker` with all of Google's hosts that images go to: nobody says here which of them are meant.
fn with_google_logins(written: &str, mapping: &Mapping) -> Result<String, Stays> {
    let hosts = mapping.new_hosts().into_iter();
    let hosts: Vec<&str> = hosts.filter(|host| is_google(host)).collect();
    match hosts.is_empty() {
        true => Err(Stays::NoGoogleHost),
        false => Ok(format!("{written} {}", hosts.join(","))),
    }
}

fn is_google(host: &str) -> bool {
    host.ends_with(".pkg.dev")
}

/// What the beginning of references becomes.
fn beginning(finding: &Finding, mapping: &Mapping) -> Result<String, Stays> {
    let (written, place) = (finding.matched.as_str(), &finding.place);
    let composed = finding.composed.as_ref();
    if composed.is_some_and(|composed| !composed.is_whole) {
        return Err(Stays::TooMany);
    }
    // What is there for certain: up to the first variable.
    let certain = written.get(..variable_start(written)).unwrap_or(written);
    let stem = certain.trim_end_matches('/');
    let itself = format!("{written}{}", place.goes_on.trim_matches('/'));
    let mut new: Option<(String, &str)> = None;
    let itself = [(itself.as_str(), finding.is_kept)];
    let wholes = composed.map_or(&[] as &[Whole], |composed| &composed.references);
    let used = wholes.iter().map(|whole| (whole.reference.as_str(), whole.stays));
    let is_used = !wholes.is_empty();
    for (reference, is_kept) in used.chain(itself.into_iter().filter(|_| !is_used)) {
        let moved = match is_used && !reference.contains('/') {
            // Somebody logs in to it.
            true => login(reference, mapping)?.to_owned(),
            false => moved(reference, is_kept, stem, mapping)?,
        };
        match &new {
            Some((before, one)) if *before != moved => {
                return Err(Stays::Apart {
                    one: (*one).to_owned(),
                    other: reference.to_owned(),
                });
            }
            Some(_) => {}
            None => new = Some((moved, reference)),
        }
    }
    let Some((new, _)) = new else {
        return Err(Stays::NotVerbatim);
    };
    // What nobody sees from here begins the same way, and may have a mapping of its own.
    let is_longer = certain.len() < written.len();
    let begins = match is_longer {
        true => certain.to_owned(),
        false => format!("{written}{}", place.goes_on),
    };
    if is_longer || !place.goes_on.is_empty() {
        for (old, other) in mapping.below(&begins) {
            let rest = old.get(stem.len()..).unwrap_or_default();
            if other.strip_suffix(rest) != Some(new.as_str()) {
                return Err(Stays::Longer {
                    old: old.to_owned(),
                    new: other.to_owned(),
                });
            }
        }
    }
    Ok(format!("{new}{}", written.get(stem.len()..).unwrap_or_default()))
}

/// What the first part of a reference, which is as long as `stem`, has to become that the whole leads to where it is now.
fn moved(reference: &str, is_kept: bool, stem: &str, mapping: &Mapping) -> Result<String, Stays> {
    let reference_of = || reference.to_owned();
    let Some((new, is_named)) = mapping.apply_with(reference) else {
        return Err(match mapping.below(&format!("{reference}/")).next() {
            Some((old, _)) => Stays::OnlySome { old: old.to_owned() },
            None => Stays::NoMapping {
                reference: reference_of(),
            },
        });
    };
    // What stays needs a mapping of its own: that a host goes away says nothing of what its owner keeps.
    let is_shared = matches!(
        Family::of(host_of(reference), &[]),
        Some(Family::Gcr | Family::ArtifactRegistry)
    );
    if is_kept && !is_named && is_shared {
        return Err(Stays::Kept {
            reference: reference_of(),
        });
    }
    let moved = suffix_of(reference, stem).and_then(|rest| new.strip_suffix(rest));
    match moved.filter(|moved| !host_of(moved).is_empty()) {
        Some(moved) => Ok(moved.to_owned()),
        None => Err(Stays::More {
            reference: reference_of(),
            new,
        }),
    }
}

/// Where the first variable of a text begins.
fn variable_start(text: &str) -> usize {
    let signs = text.char_indices();
    let mut starts = signs.filter(|(at, _)| {
        text.get(*at..)
            .is_some_and(|rest| variable_length(rest).is_some())
    });
    starts.next().map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod login_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_tests;
