//! `netbase.postinst`: `/etc/hosts` and `/etc/networks`. Container engines put their own `/etc/hosts`
//! over it; what runs an image without one still finds `localhost`.

use super::generated::{Generated, ROOTFS};
use super::{Context, EmulationError};
use crate::tree::Tree;

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    if !context.has_package("netbase") {
        return Ok(());
    }
    let mut rootfs = Generated::new(tree, ROOTFS, context);
    rootfs.file("/etc/hosts", 0o644, HOSTS)?;
    rootfs.file("/etc/networks", 0o644, NETWORKS)
}

const HOSTS: &str = "\
127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters

";

const NETWORKS: &str = "\
default\t\t0.0.0.0
loopback\t127.0.0.0
link-local\t169.254.0.0

";
