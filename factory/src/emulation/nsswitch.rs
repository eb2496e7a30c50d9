//! `/etc/nsswitch.conf`: `libc-bin.postinst`, or distroless' own file where there is no libc-bin.

use super::generated::{Generated, ROOTFS};
use super::{Context, EmulationError};
use crate::tree::Tree;

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    if context.packages.is_empty() {
        return Ok(());
    }
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    rootfs.copy("/usr/share/libc-bin/nsswitch.conf", "/etc/nsswitch.conf", None)?;
    rootfs.file("/etc/nsswitch.conf", 0o644, DISTROLESS)
}

/// The same sources as Debian's own file; Go's resolver, too, reads it to find `files` before `dns`.
const DISTROLESS: &str = "\
# /etc/nsswitch.conf
#
# Example configuration of GNU Name Service Switch functionality.
# If you have the `glibc-doc-reference' and `info' packages installed, try:
# `info libc \"Name Service Switch\"' for information about this file.

passwd:         compat
group:          compat
shadow:         compat
gshadow:        files

hosts:          files dns
networks:       files

protocols:      db files
services:       db files
ethers:         db files
rpc:            db files

netgroup:       nis
";
