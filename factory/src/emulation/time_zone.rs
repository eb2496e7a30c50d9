//! `tzdata.postinst`: `/etc/localtime`, and on Debian 12 `/etc/timezone`.

use super::generated::{Generated, ROOTFS, at};
use super::{Context, EmulationError};
use crate::release::Release;
use crate::tree::{Last, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let zone = tree.resolve(&at(ZONE)?, Last::Follow)?;
    if !context.has_package("tzdata") || tree.file(&zone).is_none() {
        return Ok(());
    }
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    rootfs.link("/etc/localtime", ZONE)?;
    if context.plan.release == Release::Debian12 {
        rootfs.file("/etc/timezone", 0o644, "Etc/UTC\n")?;
    }
    Ok(())
}

const ZONE: &str = "/usr/share/zoneinfo/Etc/UTC";
