//! Compares what is found in a labelled corpus with its labels: `cargo run -p audit --example score -- CORPUS [KIND...]`.
//!
//! Prints each finding that should not be (`+`) and each label that was not found (`-`), then precision and recall for each kind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use audit::directory::Directories;
use audit::tree::OnDisk;
use audit::{Auditor, Settings, Severity, TreeOptions};

type Found = BTreeSet<(String, usize, String)>;

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(corpus) = arguments.next() else {
        return ExitCode::from(2);
    };
    let only: Vec<String> = arguments.collect();
    let auditor = Auditor::new(Settings::default());
    let mut total = [0_usize; 3];
    let mut wrong_rules = 0;
    for kind in folders(Path::new(&corpus)) {
        let name = kind
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let labels = labels(&kind);
        let found = found(&auditor, &kind);
        // By line; several of one rule on a line count once.
        let lines = |set: &Found| {
            set.iter()
                .map(|(path, line, _)| (path.clone(), *line))
                .collect::<BTreeSet<_>>()
        };
        let (wanted, seen) = (lines(&labels), lines(&found));
        for (path, line) in seen.difference(&wanted) {
            println!("+ {name}/{path}:{line} {}", rules(&found, path, *line));
        }
        for (path, line) in wanted.difference(&seen) {
            println!("- {name}/{path}:{line} {}", rules(&labels, path, *line));
        }
        for (path, line) in wanted.intersection(&seen) {
            let (is, should) = (rules(&found, path, *line), rules(&labels, path, *line));
            if is != should {
                wrong_rules += 1;
                println!("~ {name}/{path}:{line} is {is}, should be {should}");
            }
        }
        let right = wanted.intersection(&seen).count();
        println!(
            "{name}: precision {} recall {}",
            ratio(right, seen.len()),
            ratio(right, wanted.len())
        );
        total = [total[0] + right, total[1] + seen.len(), total[2] + wanted.len()];
    }
    println!(
        "all: precision {} recall {}, {wrong_rules} with another rule",
        ratio(total[0], total[1]),
        ratio(total[0], total[2])
    );
    ExitCode::SUCCESS
}

fn ratio(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let ratio = if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    };
    format!("{ratio:.3} ({part}/{whole})")
}

fn rules(set: &Found, path: &str, line: usize) -> String {
    let rules = set
        .iter()
        .filter(|(other, number, _)| other == path && *number == line);
    rules
        .map(|(_, _, rule)| rule.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn labels(kind: &Path) -> Found {
    let text = fs::read_to_string(kind.join("labels")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (path, number) = words.next()?.rsplit_once(':')?;
            Some((path.to_owned(), number.parse().ok()?, words.next()?.to_owned()))
        })
        .collect()
}

fn found(auditor: &Auditor, kind: &Path) -> Found {
    let mut found = Found::new();
    for file in files(kind) {
        let path = file
            .strip_prefix(kind)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        let bytes = fs::read(&file).unwrap_or_default();
        // The first folder is the case, and a project of its own; what the file's own path says begins below it.
        let (project, below) = path.split_once('/').unwrap_or(("", path.as_str()));
        let project = kind.join(project);
        let beside = OnDisk::new(&project, &project, &TreeOptions::default());
        let found_here = auditor.file_in(&Directories::new(&beside), below, &bytes);
        for finding in found_here.findings {
            if finding.severity > Severity::Info {
                found.insert((path.clone(), finding.start.line, finding.rule.id.to_owned()));
            }
        }
    }
    found
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = children(path).into_iter().filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for child in children(path) {
        match child.is_dir() {
            true => files.extend(files_below(&child)),
            false if child.file_name().is_some_and(|name| name != "labels") => files.push(child),
            false => {}
        }
    }
    files
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    let below = children(path).into_iter();
    below
        .flat_map(|child| {
            if child.is_dir() {
                files_below(&child)
            } else {
                vec![child]
            }
        })
        .collect()
}

fn children(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
