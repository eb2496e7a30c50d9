//! What the stages of the sandbox tell each other: JSON, one line per message.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::structure_test::BindMount;

/// Longest message, in bytes: an environment and the words of a command, which the kernel limits too.
pub(super) const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Everything the inner stages need to run one command. Paths of files are relative to the working directory in
/// which they start, since nothing above it may be readable to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    /// Where the image's files are, or where the overlay is to be mounted.
    pub(super) root: PathBuf,
    /// Without it `root` holds the files themselves.
    pub(super) overlay: Option<Overlay>,
    pub(super) identities: Identities,
    /// Empty: set everything up, run nothing.
    pub(super) words: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// As in a configuration: `NAME`, `UID`, `USER:GROUP`; empty is root.
    pub(super) user: String,
    pub(super) workdir: String,
    pub(super) bind_mounts: Vec<Bind>,
    pub(super) emulator: Option<Emulator>,
}

/// The directories of an overlay file system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Overlay {
    pub(super) lower: PathBuf,
    pub(super) upper: PathBuf,
    pub(super) work: PathBuf,
}

/// Which user and group ids exist inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Identities {
    /// Every id below [`SHIFTED_COUNT`]; outside they are ids that nobody has, from [`SHIFT`] on.
    Shifted,
    /// One, which is the caller's outside.
    Single,
}

/// First id outside of those that a sandbox started by root uses: even its root is nobody outside.
pub(super) const SHIFT: u32 = 0x7000_0000;

/// How many ids there are from [`SHIFT`] on.
pub(super) const SHIFTED_COUNT: u32 = 0x0fff_0000;

/// A file or directory of the host that the command sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bind {
    pub(super) host: PathBuf,
    pub(super) target: PathBuf,
    pub(super) read_only: bool,
}

impl From<&BindMount> for Bind {
    fn from(mount: &BindMount) -> Self {
        Self {
            host: mount.host.clone().into(),
            target: mount.target.clone().into(),
            read_only: mount.read_only,
        }
    }
}

/// A program that runs executables of another architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Emulator {
    pub(super) program: PathBuf,
    /// The executables it is for, as the kernel's `binfmt_misc` wants to be told: `MAGIC:MASK`.
    pub(super) recognition: String,
}

/// From the inner stages outwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// The namespaces exist; the ids can be mapped.
    Unshared,
    /// The command was not run.
    Fault(Fault),
    /// The command ended with this exit code; 128 and the signal's number when a signal ended it.
    Ended(i32),
}

/// Why the command was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) reason: String,
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Making namespaces, mapping ids, mounting: this machine's business.
    Machine,
    /// Mounting the overlay, which can be done without.
    Overlay,
    /// Finding user, working directory and program, starting it: the image's business.
    Image,
}

impl Fault {
    pub(super) fn machine(doing: &str, error: impl std::fmt::Display) -> Self {
        Self {
            step: Step::Machine,
            reason: format!("{doing}: {error}"),
        }
    }

    pub(super) fn image(reason: String) -> Self {
        Self {
            step: Step::Image,
            reason,
        }
    }
}

/// Writes one message.
pub(super) fn send(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Reads one message; nothing when the other side is gone.
pub(super) fn receive<T: DeserializeOwned>(input: impl Read) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    BufReader::with_capacity(BUFFER_BYTES, input.take(MESSAGE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        Ok(None)
    } else {
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

/// Messages strictly alternate, so reading ahead cannot swallow the next one.
const BUFFER_BYTES: usize = 16 * 1024;
