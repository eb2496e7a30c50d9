//! `/usr/lib/os-release`, as distroless has it, and with the code name that scanners ask for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::generated::{Generated, ROOTFS, at};
use super::{Context, EmulationError};
use crate::tree::Tree;

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let plan = context.plan;
    if context.packages.is_empty() && plan.os_release.is_empty() {
        return Ok(());
    }
    let version = plan.release.version_id();
    let codename = plan.release.codename();
    let mut fields = vec![
        ("PRETTY_NAME", "Distroless".to_owned()),
        ("NAME", "Debian GNU/Linux".to_owned()),
        ("ID", "debian".to_owned()),
        ("VERSION_ID", version.to_owned()),
        ("VERSION", format!("Debian GNU/Linux {version} ({codename})")),
        ("VERSION_CODENAME", codename.to_owned()),
        (
            "HOME_URL",
            "https://github.com/GoogleContainerTools/distroless".to_owned(),
        ),
        (
            "SUPPORT_URL",
            "https://github.com/GoogleContainerTools/distroless/blob/master/README.md".to_owned(),
        ),
        (
            "BUG_REPORT_URL",
            "https://github.com/GoogleContainerTools/distroless/issues/new".to_owned(),
        ),
    ];
    let mut own: BTreeMap<&str, &str> = plan
        .os_release
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    for (key, value) in &mut fields {
        if let Some(replacement) = own.remove(*key) {
            replacement.clone_into(value);
        }
    }
    let mut text = String::new();
    let all = fields
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .chain(own);
    for (key, value) in all.filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{key}=\"{}\"", escaped(value));
    }
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    rootfs.replacement(&at("/usr/lib/os-release")?, 0o555, text)?;
    rootfs.link("/etc/os-release", "../usr/lib/os-release")
}

/// A value between double quotes.
///
/// Spec: os-release(5): shell rules, and no line breaks.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '"' | '\\' | '$' | '`' => text.extend(['\\', letter]),
            '\n' | '\r' => text.push(' '),
            _ => text.push(letter),
        }
    }
    text
}
