//! Options of every command that reads a Debian archive.

use std::path::PathBuf;

use clap::Args;

/// Where packages come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Debian archive")]
pub(crate) struct ArchiveOptions {
    /// A mirror to fetch from: `debian=URL` or `debian-security=URL`; a URL alone is the parent of both
    ///
    /// Without this and without LIGHTSHIP_DEBIAN_MIRROR, the base URIs of the official Debian entries in this machine's
    /// APT sources are used, without any, snapshot.debian.org. Signatures are always checked against the keys that ship
    /// in lightship.
    #[arg(long, value_name = "[NAME=]URL")]
    pub(crate) mirror: Vec<String>,
    /// Use only what the cache holds
    #[arg(long)]
    pub(crate) offline: bool,
    /// Accept a signed release that is older than one already seen
    ///
    /// A mirror that serves an old release may be holding back security updates; ask for this when you went back to an
    /// older mirror or snapshot on purpose.
    #[arg(long)]
    pub(crate) allow_older_release: bool,
    /// The cache's directory [default: $XDG_CACHE_HOME/lightship or ~/.cache/lightship]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
}
