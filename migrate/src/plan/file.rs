//! A plan as a file: lines of JSON that a person can read and compare, with a digest at its end that tells whether it is
//! whole and as it was written.

use std::collections::{BTreeMap, BTreeSet};

use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use super::{Plan, PlannedRepository, PlannedTag};
use crate::failure::Failure;
use crate::inventory::ManifestEntry;

/// The form of the file.
const SCHEMA: &str = "lightship/migrate-plan/v1";

/// Why bytes are no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It does not begin as one.
    #[error("it is not a plan of this program")]
    NotAPlan,
    /// Its end is missing.
    #[error("it is cut off: its last line is not there")]
    CutOff,
    /// It is not as it was written.
    #[error("it was changed since it was written: its digest is {actual}, and its end says {expected}")]
    Changed {
        /// The digest at its end.
        expected: Digest,
        /// The digest of what comes before.
        actual: Digest,
    },
    /// A line cannot be read.
    #[error("line {line} cannot be read")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why not.
        source: serde_json::Error,
    },
    /// A line is about a repository that no line before it names.
    #[error("line {line} is about {repository}, which no line before it names")]
    Order {
        /// Its number.
        line: usize,
        /// The repository.
        repository: RepositoryName,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    from: String,
    to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filter: Vec<String>,
    made: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
enum Line {
    Repository {
        repository: RepositoryName,
        to: RepositoryName,
        exists: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only_there: Vec<String>,
    },
    Tag {
        repository: RepositoryName,
        tag: String,
        #[serde(flatten)]
        planned: PlannedTag,
    },
    Untagged {
        repository: RepositoryName,
        digest: Digest,
    },
    Manifest {
        digest: Digest,
        #[serde(flatten)]
        manifest: ManifestEntry,
    },
    Failure(Failure),
    End {
        digest: Digest,
    },
}

impl Plan {
    /// The plan as the bytes of a file.
    ///
    /// # Errors
    /// Never, as far as is known: its values are all JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&Header {
            schema: SCHEMA.to_owned(),
            from: self.from.clone(),
            to: self.to.clone(),
            filter: self.filter.clone(),
            made: self.made.clone(),
        })?;
        bytes.push(b'\n');
        for (name, repository) in &self.repositories {
            add(
                &mut bytes,
                &Line::Repository {
                    repository: name.clone(),
                    to: repository.to.clone(),
                    exists: repository.exists,
                    only_there: repository.only_there.clone(),
                },
            )?;
            for (tag, planned) in &repository.tags {
                add(
                    &mut bytes,
                    &Line::Tag {
                        repository: name.clone(),
                        tag: tag.clone(),
                        planned: planned.clone(),
                    },
                )?;
            }
            for digest in &repository.untagged {
                add(
                    &mut bytes,
                    &Line::Untagged {
                        repository: name.clone(),
                        digest: *digest,
                    },
                )?;
            }
        }
        for (digest, manifest) in &self.manifests {
            add(
                &mut bytes,
                &Line::Manifest {
                    digest: *digest,
                    manifest: manifest.clone(),
                },
            )?;
        }
        for failure in &self.failures {
            add(&mut bytes, &Line::Failure(failure.clone()))?;
        }
        let digest = Digest::sha256_of(&bytes);
        add(&mut bytes, &Line::End { digest })?;
        Ok(bytes)
    }

    /// Reads a plan, and checks that it is whole and as it was written.
    ///
    /// # Errors
    /// When it is not.
    pub fn parse(bytes: &[u8]) -> Result<Self, PlanFileError> {
        let (content, end) = split_end(bytes)?;
        let actual = Digest::sha256_of(content);
        if actual != end {
            return Err(PlanFileError::Changed {
                expected: end,
                actual,
            });
        }
        let mut lines = content.split_inclusive(|byte| *byte == b'\n');
        let header: Header = lines
            .next()
            .and_then(|line| serde_json::from_slice(line).ok())
            .filter(|header: &Header| header.schema == SCHEMA)
            .ok_or(PlanFileError::NotAPlan)?;
        let mut plan = Self {
            from: header.from,
            to: header.to,
            filter: header.filter,
            made: header.made,
            ..Self::default()
        };
        for (number, line) in lines.enumerate() {
            let line_number = number + 2;
            let line = serde_json::from_slice(line).map_err(|source| PlanFileError::Line {
                line: line_number,
                source,
            })?;
            plan.take(line, line_number)?;
        }
        Ok(plan)
    }

    fn take(&mut self, line: Line, number: usize) -> Result<(), PlanFileError> {
        match line {
            Line::Repository {
                repository,
                to,
                exists,
                only_there,
            } => {
                self.repositories.insert(
                    repository,
                    PlannedRepository {
                        to,
                        exists,
                        only_there,
                        tags: BTreeMap::new(),
                        untagged: BTreeSet::new(),
                    },
                );
            }
            Line::Tag {
                repository,
                tag,
                planned,
            } => {
                self.named(repository, number)?.tags.insert(tag, planned);
            }
            Line::Untagged { repository, digest } => {
                self.named(repository, number)?.untagged.insert(digest);
            }
            Line::Manifest { digest, manifest } => {
                self.manifests.insert(digest, manifest);
            }
            Line::Failure(failure) => self.failures.push(failure),
            Line::End { .. } => return Err(PlanFileError::CutOff),
        }
        Ok(())
    }
}

impl Plan {
    fn named(&mut self, name: RepositoryName, line: usize) -> Result<&mut PlannedRepository, PlanFileError> {
        match self.repositories.get_mut(&name) {
            Some(repository) => Ok(repository),
            None => Err(PlanFileError::Order {
                line,
                repository: name,
            }),
        }
    }
}

fn add(bytes: &mut Vec<u8>, line: &Line) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *bytes, line)?;
    bytes.push(b'\n');
    Ok(())
}

/// What comes before the last line, and the digest that this says.
fn split_end(bytes: &[u8]) -> Result<(&[u8], Digest), PlanFileError> {
    let whole = bytes.strip_suffix(b"\n").ok_or(PlanFileError::CutOff)?;
    let start = whole
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (content, last) = bytes.split_at(start);
    match serde_json::from_slice(last) {
        Ok(Line::End { digest }) => Ok((content, digest)),
        _ if !bytes.starts_with(b"{\"schema\":\"lightship/migrate-plan/") => Err(PlanFileError::NotAPlan),
        _ => Err(PlanFileError::CutOff),
    }
}
