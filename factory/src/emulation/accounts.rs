//! `/etc/passwd`, `/etc/group` and home directories.

use std::fmt::Write as _;

use archive::EntryPath;

use super::generated::{Generated, ROOTFS, at};
use super::{Context, EmulationError};
use crate::tree::Tree;

/// Writes the accounts of the plan, and its homes.
pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let accounts = &context.plan.accounts;
    let mut passwd = String::new();
    for user in &accounts.users {
        let _ = writeln!(
            passwd,
            "{}:x:{}:{}:{}:{}:{}",
            user.name, user.uid, user.gid, user.gecos, user.home, user.shell
        );
    }
    let mut group = String::new();
    for entry in &accounts.groups {
        let _ = writeln!(
            group,
            "{}:x:{}:{}",
            entry.name,
            entry.gid,
            entry.members.join(",")
        );
    }
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    if !passwd.is_empty() {
        rootfs.replacement(&at("/etc/passwd")?, 0o644, passwd)?;
    }
    if !group.is_empty() {
        rootfs.replacement(&at("/etc/group")?, 0o644, group)?;
    }
    let asked_for = |path: &EntryPath| {
        context
            .plan
            .directories
            .iter()
            .any(|directory| directory.path == *path)
    };
    for home in context.plan.homes.iter().filter(|home| !asked_for(&home.path)) {
        rootfs.home(&home.path, home.mode, (home.uid, home.gid))?;
    }
    Ok(())
}
