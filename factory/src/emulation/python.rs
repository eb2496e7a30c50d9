//! `pythonX.Y-minimal.postinst`: directories for local modules; and distroless' names of the interpreter.
//!
//! Modules are not byte-compiled: that needs the interpreter of the target, and its output would
//! depend on it. Python compiles in memory what it imports.

use super::generated::{Generated, ROOT, at};
use super::{Context, EmulationError};
use crate::tree::{Last, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let mut versions: Vec<(u32, u32)> = context
        .packages
        .iter()
        .filter_map(|package| interpreter_version(&package.name))
        .collect();
    versions.sort_unstable();
    let mut python = Generated::new(tree, "python", context);
    for (major, minor) in &versions {
        python.directory(&format!("/usr/local/lib/python{major}.{minor}"), 0o755, ROOT)?;
        python.directory(
            &format!("/usr/local/lib/python{major}.{minor}/dist-packages"),
            0o755,
            ROOT,
        )?;
    }
    let Some((major, minor)) = versions.last() else {
        return Ok(());
    };
    let interpreter = format!("/usr/bin/python{major}.{minor}");
    let real = python.tree().resolve(&at(&interpreter)?, Last::Follow)?;
    if python.tree().file(&real).is_some() {
        python.link("/usr/bin/python3", &format!("python{major}.{minor}"))?;
        python.link("/usr/bin/python", "python3")?;
    }
    Ok(())
}

/// The version in the name of a package with an interpreter, e.g. `python3.13-minimal`.
fn interpreter_version(package: &str) -> Option<(u32, u32)> {
    let (major, minor) = package
        .strip_prefix("python")?
        .strip_suffix("-minimal")?
        .split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
