//! The checks that are other programs: rustfmt, clippy, the tests.

use std::path::Path;
use std::process::Command;

use crate::Findings;

/// Fails when a file is not formatted; changes nothing.
pub(crate) fn fmt(root: &Path) -> Result<(), Findings> {
    cargo(root, &["fmt", "--all", "--check"]).map(drop)
}

/// Clippy over every target, with every warning an error.
pub(crate) fn clippy(root: &Path) -> Result<(), Findings> {
    cargo(
        root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    )
    .map(drop)
}

/// The whole test suite.
pub(crate) fn test(root: &Path) -> Result<(), Findings> {
    cargo(root, &["test", "--workspace", "--quiet"]).map(drop)
}

/// Runs cargo in `root`, its output going to the terminal.
fn cargo(root: &Path, arguments: &[&str]) -> Result<(), Findings> {
    let status = Command::new(cargo_program())
        .args(arguments)
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(vec![format!("cargo {} failed ({status})", arguments.join(" "))]),
        Err(error) => Err(vec![format!("cannot run cargo {}: {error}", arguments.join(" "))]),
    }
}

/// Runs cargo in `root` and returns what it printed on standard output.
pub(crate) fn cargo_output(root: &Path, arguments: &[&str]) -> Result<Vec<u8>, Findings> {
    let output = Command::new(cargo_program())
        .args(arguments)
        .current_dir(root)
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(vec![format!(
            "cargo {} failed ({}): {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )]),
        Err(error) => Err(vec![format!("cannot run cargo {}: {error}", arguments.join(" "))]),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a developer's tool that talks to the terminal"
)]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// The cargo that started us, so that one toolchain is used throughout.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells its path by this variable only"
)]
fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
