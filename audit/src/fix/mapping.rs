//! What becomes of a reference: prefixes of the old place, and the new ones.

use std::collections::BTreeSet;

use crate::host::Family;

/// Most pairs of one mapping.
const PAIRS_MAX: usize = 10_000;

/// Old prefixes and new ones. The longest that fits counts; a prefix ends where a part of a name does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    pairs: Vec<(String, String)>,
}

/// Text is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A line has no `=`.
    #[error("{text:?} is no pair OLD=NEW")]
    NoPair {
        /// The line.
        text: String,
    },
    /// What is new cannot begin a reference: there are none with such names.
    #[error(
        "{text:?} cannot begin image references: parts of a name are lower case, and have neither tag nor digest"
    )]
    NoName {
        /// The new side.
        text: String,
    },
    /// A side is no prefix of references.
    #[error("{text:?} is no prefix of image references: a host, and parts of a name after it")]
    NoPrefix {
        /// The side.
        text: String,
    },
    /// An old prefix stands twice, with different new ones.
    #[error("{old} is mapped to both {one} and {other}")]
    Twice {
        /// The old prefix.
        old: String,
        /// One of the new ones.
        one: String,
        /// The other.
        other: String,
    },
    /// What is new is itself looked for: the result would be found again.
    #[error("{old} is mapped to {new}, which would be rewritten again")]
    Again {
        /// The old prefix.
        old: String,
        /// The new one.
        new: String,
    },
    /// There are too many.
    #[error("a mapping may have {PAIRS_MAX} pairs")]
    TooMany,
}

impl Mapping {
    /// What is right for everybody: Kubernetes' images have moved with the same names.
    #[must_use]
    pub fn known() -> Mapping {
        Mapping {
            pairs: vec![("k8s.gcr.io".to_owned(), "registry.k8s.io".to_owned())],
        }
    }

    /// Adds pairs `OLD=NEW`, one a line; `#` begins a comment. They count before those that are there.
    ///
    /// # Errors
    /// When a line is none, or they contradict each other.
    pub fn add(&mut self, text: &str) -> Result<(), MappingError> {
        let mut added: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let no_pair = || MappingError::NoPair {
                text: line.to_owned(),
            };
            let (old, new) = line.split_once('=').ok_or_else(no_pair)?;
            let (old, new) = (prefix(old)?, new_prefix(new)?);
            match added.iter().find(|(other, _)| *other == old) {
                Some((_, one)) if *one != new => {
                    return Err(MappingError::Twice {
                        old,
                        one: one.clone(),
                        other: new,
                    });
                }
                Some(_) => {}
                None => added.push((old, new)),
            }
        }
        self.pairs
            .retain(|(old, _)| added.iter().all(|(other, _)| other != old));
        self.pairs.extend(added);
        if self.pairs.len() > PAIRS_MAX {
            return Err(MappingError::TooMany);
        }
        self.pairs.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        let again = self.pairs.iter().find(|(_, new)| self.apply(new).is_some());
        match again {
            Some((old, new)) => Err(MappingError::Again {
                old: old.clone(),
                new: new.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The new name of a reference; nothing when no prefix fits.
    ///
    /// A reference is never longer than its last part with certainty when it has variables there, but its beginning is
    /// what counts: a variable within the old prefix fits nothing.
    #[must_use]
    pub fn apply(&self, reference: &str) -> Option<String> {
        self.apply_with(reference).map(|(new, _)| new)
    }

    /// The new name of a reference, and whether a part of its name was mapped, and not its host alone.
    #[must_use]
    pub(super) fn apply_with(&self, reference: &str) -> Option<(String, bool)> {
        self.pairs.iter().find_map(|(old, new)| {
            let rest = strip(reference, old)?;
            Some((format!("{new}{rest}"), old.contains('/')))
        })
    }

    /// The pairs whose old prefixes begin with a text, and are no shorter.
    pub(super) fn below(&self, begins: &str) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self
            .pairs
            .iter()
            .filter(move |(old, _)| suffix_of(old, begins).is_some());
        pairs.map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// The hosts that a host's images go to.
    #[must_use]
    pub fn hosts_for(&self, host: &str) -> BTreeSet<&str> {
        let of_host = self
            .pairs
            .iter()
            .filter(|(old, _)| host_of(old).eq_ignore_ascii_case(host));
        of_host.map(|(_, new)| host_of(new)).collect()
    }

    /// Hosts that are mapped, and that nobody looks for unless they are named.
    #[must_use]
    pub fn unknown_hosts(&self) -> BTreeSet<&str> {
        let hosts = self.pairs.iter().map(|(old, _)| host_of(old));
        hosts.filter(|host| Family::of(host, &[]).is_none()).collect()
    }

    /// All hosts that images go to.
    #[must_use]
    pub fn new_hosts(&self) -> BTreeSet<&str> {
        self.pairs.iter().map(|(_, new)| host_of(new)).collect()
    }
}

pub(super) fn host_of(prefix: &str) -> &str {
    prefix.split('/').next().unwrap_or(prefix)
}

/// What follows the beginning of a text, which may be written in any case.
pub(super) fn suffix_of<'r>(text: &'r str, beginning: &str) -> Option<&'r str> {
    let (head, rest) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// What follows a prefix that ends where a part of a name does.
fn strip<'r>(reference: &'r str, prefix: &str) -> Option<&'r str> {
    let rest = suffix_of(reference, prefix)?;
    let is_end = rest.is_empty() || rest.starts_with(['/', ':', '@']);
    is_end.then_some(rest)
}

fn prefix(text: &str) -> Result<String, MappingError> {
    let text = text.trim().trim_end_matches('/');
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_' | '/' | ':');
    let is_well = text.chars().all(is_sign) && text.split('/').all(|part| !part.is_empty());
    let host = host_of(text);
    let is_host = host.contains('.') || host.contains(':') || host == "localhost";
    match is_well && is_host {
        true => Ok(text.to_owned()),
        false => Err(MappingError::NoPrefix {
            text: text.to_owned(),
        }),
    }
}

/// A prefix that references may begin with by today's rules: an old one may be from before them.
fn new_prefix(text: &str) -> Result<String, MappingError> {
    let text = prefix(text)?;
    let (host, name) = text.split_once('/').unwrap_or((&text, ""));
    let port = host.split_once(':').map_or("0", |(_, port)| port);
    let is_port = port.parse::<u16>().is_ok();
    let is_name = name.is_empty() || name.parse::<oci::RepositoryName>().is_ok();
    match is_port && is_name {
        true => Ok(text),
        false => Err(MappingError::NoName { text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_has_to_begin_references() {
        for (new, is_well) in [
            ("x.example", true),
            ("x.example:5000/a/b-c", true),
            ("x.example/acme:v1", false),
            ("x.example/Acme", false),
            ("x.example:port/a", false),
            ("x.example/a..b", false),
        ] {
            assert_eq!(mapping(&format!("gcr.io/acme={new}")).is_ok(), is_well, "{new}");
        }
        assert!(mapping("gcr.io/example.com:acme=x.example/acme").is_ok());
    }

    fn mapping(text: &str) -> Result<Mapping, MappingError> {
        let mut mapping = Mapping::known();
        mapping.add(text).map(|()| mapping)
    }

    #[test]
    fn the_longest_prefix_that_ends_with_a_part_counts() {
        let mapping =
            mapping("gcr.io/p=new.example/p # mine\n\ngcr.io/p/q = new.example/special/\n").unwrap();
        for (old, new) in [
            ("gcr.io/p/a:1", Some("new.example/p/a:1")),
            ("gcr.io/p/q@sha256:x", Some("new.example/special@sha256:x")),
            ("gcr.io/p/qq", Some("new.example/p/qq")),
            ("gcr.io/pp/a", None),
            ("gcr.io/${P}/a", None),
            ("gcr.io/p/$A", Some("new.example/p/$A")),
            ("k8s.gcr.io/pause:3", Some("registry.k8s.io/pause:3")),
        ] {
            assert_eq!(mapping.apply(old).as_deref(), new, "{old}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, wanted) in [
            ("gcr.io", "\"gcr.io\" is no pair OLD=NEW"),
            (
                "gcr.io=a.example\ngcr.io=b.example",
                "gcr.io is mapped to both a.example and b.example",
            ),
            (
                "gcr.io=gcr.io/x",
                "gcr.io is mapped to gcr.io/x, which would be rewritten again",
            ),
            (
                "gcr.io=new/x",
                "\"new/x\" is no prefix of image references: a host, and parts of a name after it",
            ),
            (
                "gcr.io=a.example/\"x",
                "\"a.example/\\\"x\" is no prefix of image references: a host, and parts of a name after it",
            ),
        ] {
            assert_eq!(mapping(text).unwrap_err().to_string(), wanted);
        }
    }
}
