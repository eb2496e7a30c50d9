//! `base-files.postinst`, and `/tmp`.

use super::generated::{Generated, ROOT, ROOTFS};
use super::{Context, EmulationError};
use crate::release::Release;
use crate::tree::{RUN_LINKS, Tree};

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    // Too many programs take it for granted; distroless has it even without base-files.
    rootfs.directory("/tmp", 0o1777, ROOT)?;
    if !context.has_package("base-files") {
        return Ok(());
    }
    rootfs.link("/etc/dpkg/origins/default", "debian")?;
    for (from, to) in [
        ("dot.profile", "/root/.profile"),
        ("dot.bashrc", "/root/.bashrc"),
        ("profile", "/etc/profile"),
        ("motd", "/etc/motd"),
    ] {
        rootfs.copy(&format!("/usr/share/base-files/{from}"), to, None)?;
    }
    for path in ["/mnt", "/srv", "/opt", "/etc/opt", "/var/opt", "/media"] {
        rootfs.directory(path, 0o755, ROOT)?;
    }
    rootfs.directory("/var/mail", 0o2775, (0, GROUP_MAIL))?;
    rootfs.link("/var/spool/mail", "../mail")?;
    rootfs.directory("/run/lock", 0o1777, ROOT)?;
    for (path, target) in RUN_LINKS {
        rootfs.link(&format!("/{path}"), target)?;
    }
    rootfs.directory("/usr/local", 0o755, ROOT)?;
    for name in LOCAL_DIRECTORIES {
        rootfs.directory(&format!("/usr/local/{name}"), 0o755, ROOT)?;
    }
    if context.plan.release != Release::Debian12 {
        rootfs.directory("/usr/local/libexec", 0o755, ROOT)?;
    }
    rootfs.link("/usr/local/man", "share/man")?;
    rootfs.empty_file("/var/log/wtmp", 0o664, (0, GROUP_UTMP))?;
    rootfs.empty_file("/var/log/btmp", 0o660, (0, GROUP_UTMP))?;
    rootfs.empty_file("/var/log/lastlog", 0o664, (0, GROUP_UTMP))?;
    if rootfs
        .tree()
        .is_directory(&super::generated::at("/usr/share/info")?)
    {
        rootfs.copy(
            "/usr/share/base-files/info.dir",
            "/usr/share/info/dir",
            Some(0o644),
        )?;
    }
    Ok(())
}

const LOCAL_DIRECTORIES: [&str; 9] = [
    "share",
    "share/man",
    "bin",
    "games",
    "lib",
    "include",
    "sbin",
    "src",
    "etc",
];

/// Debian's numbers of the groups `mail` and `utmp`, from base-passwd's `group.master`.
const GROUP_MAIL: u32 = 8;
const GROUP_UTMP: u32 = 43;
