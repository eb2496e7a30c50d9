//! Where what is looked at comes from: files, revisions, standard input.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use audit::revision::{self, Place, RevisionError, State};
use audit::tree::{FILE_BYTES_MAX, TreeError};
use audit::{Auditor, Tree, TreeOptions, TreeReport};

use super::Arguments;
use super::configuration::Configuration;
use crate::failure::{Failure, Kind};

pub(super) fn look(
    arguments: &Arguments,
    auditor: &Auditor,
    configuration: &Configuration,
) -> Result<TreeReport, Failure> {
    let choice = &arguments.choice;
    if arguments.is_standard_input() {
        return standard_input(auditor, choice.stdin_name.as_deref().unwrap_or("-"));
    }
    let options = options(arguments, configuration);
    let state = match (&choice.revision, choice.staged) {
        (Some(revision), _) => State::Revision(revision.clone()),
        (None, true) => State::Staged,
        (None, false) => {
            return Tree::new(auditor, &options)
                .look(&arguments.paths)
                .map_err(unreadable);
        }
    };
    in_repositories(arguments, auditor, &state, &options)
}

fn options(arguments: &Arguments, configuration: &Configuration) -> TreeOptions {
    let choice = &arguments.choice;
    let mut left_out = choice.exclude.clone();
    let mut left_out_above = Vec::new();
    match configuration.folder() {
        Some(folder) => left_out_above.push((folder.to_owned(), configuration.exclude.clone())),
        None => left_out.extend(configuration.exclude.iter().cloned()),
    }
    let named = [&choice.baseline, &choice.config, &configuration.path];
    let named = named.into_iter().flatten().cloned();
    TreeOptions {
        heeds_gitignore: !choice.no_gitignore,
        left_out,
        left_out_above,
        passed_over: named.chain(arguments.change.files()).collect(),
        ..TreeOptions::default()
    }
}

fn unreadable(error: TreeError) -> Failure {
    let kind = match &error {
        TreeError::Root { source, .. } if source.kind() != ErrorKind::NotFound => Kind::Outside,
        _ => Kind::Usage,
    };
    Failure::new(kind, "cannot audit", error)
}

/// With several repositories, paths begin with the one that they are of.
fn in_repositories(
    arguments: &Arguments,
    auditor: &Auditor,
    state: &State,
    options: &TreeOptions,
) -> Result<TreeReport, Failure> {
    let mut places: Vec<(Place, PathBuf)> = Vec::new();
    for path in &arguments.paths {
        let place = Place::of(path).map_err(|error| refused(path, error))?;
        if !places.iter().any(|(other, _)| *other == place) {
            places.push((place, path.clone()));
        }
    }
    let are_several = places
        .windows(2)
        .any(|pair| matches!(pair, [(one, _), (other, _)] if one.top != other.top));
    let mut all = TreeReport::default();
    for (place, path) in &places {
        let looked = revision::look(auditor, place, state, options);
        let mut report = looked.map_err(|error| refused(path, error))?;
        if are_several {
            let repository = top(path, place);
            let below = |file: &str| format!("{}/{file}", repository.display());
            report
                .findings
                .iter_mut()
                .for_each(|finding| finding.path = below(&finding.path));
            report
                .notes
                .iter_mut()
                .for_each(|note| note.path = below(&note.path));
        }
        all.add(report);
    }
    Ok(all)
}

/// The top of a repository, as it was named where that says it.
fn top(path: &Path, place: &Place) -> PathBuf {
    match path.ends_with(&place.below) && !place.below.is_empty() {
        true => {
            let steps = Path::new(&place.below).components().count();
            path.ancestors().nth(steps).unwrap_or(&place.top).to_owned()
        }
        false if place.below.is_empty() => path.to_owned(),
        false => place.top.clone(),
    }
}

fn refused(path: &Path, error: RevisionError) -> Failure {
    let kind = match error {
        RevisionError::Git(_) | RevisionError::Answer(_) => Kind::Outside,
        RevisionError::Refused(_)
        | RevisionError::Name(_)
        | RevisionError::NoRepository { .. }
        | RevisionError::NotThere { .. } => Kind::Usage,
    };
    Failure::new(kind, format!("cannot audit {}", path.display()), error)
}

fn standard_input(auditor: &Auditor, name: &str) -> Result<TreeReport, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| Failure::outside("cannot read standard input", error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "standard input has more than {} MiB",
            FILE_BYTES_MAX >> 20
        )));
    }
    let mut report = TreeReport::default();
    report.add_file(name, bytes.len() as u64, auditor.file(name, &bytes));
    Ok(report)
}
