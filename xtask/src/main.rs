//! `cargo xtask`: the project's own checks, in one place.
//!
//! `check` runs everything that must hold before a commit lands; each part can be run alone.

mod docs;
mod layering;
mod sizes;
mod steps;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  check       everything below, then the tests
  fmt         rustfmt, without changing files
  clippy      clippy with -D warnings over all targets
  test        cargo test --workspace
  layering    no crate depends on one above it; outside crates stay in their room
  sizes       files, functions and documents stay within their limits
  tidy        names, reasons of dependencies, the code map
  docs        write the generated documents (docs/cli.md, docs/lightship.example.toml, …)
  docs-check  fail when a generated document is not what the code says
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let root = root();
    let outcome = match command.as_str() {
        "check" => check(&root),
        "fmt" => steps::fmt(&root),
        "clippy" => steps::clippy(&root),
        "test" => steps::test(&root),
        "layering" => layering::check(&root),
        "sizes" => sizes::check(&root),
        "tidy" => tidy::check(&root),
        "docs" => docs::write(&root),
        "docs-check" => docs::check(&root),
        _ => Err(vec![USAGE.to_owned()]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(findings) => {
            for finding in &findings {
                steps::say(finding);
            }
            ExitCode::FAILURE
        }
    }
}

/// What a check found wrong, one sentence each.
type Findings = Vec<String>;

type Check = fn(&Path) -> Result<(), Findings>;

/// Runs all checks, cheap ones first, and reports every one that failed.
fn check(root: &Path) -> Result<(), Findings> {
    let all: [(&str, Check); 7] = [
        ("fmt", steps::fmt),
        ("layering", layering::check),
        ("sizes", sizes::check),
        ("tidy", tidy::check),
        ("clippy", steps::clippy),
        ("test", steps::test),
        ("docs-check", docs::check),
    ];
    let mut findings = Findings::new();
    for (name, run) in all {
        steps::say(&format!("== {name}"));
        if let Err(found) = run(root) {
            findings.extend(found.into_iter().map(|finding| format!("{name}: {finding}")));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

/// The workspace's directory: the parent of this package's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
