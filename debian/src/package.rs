//! Package files: `.deb`, read as a stream and trusted in nothing.
//!
//! A `.deb` is an `ar` archive of `debian-binary`, `control.tar` and `data.tar`, the latter two
//! compressed (deb(5)). [`open`] reads the first two; [`Deb::data`] streams the third.

mod data;
mod error;
mod members;

use std::collections::BTreeMap;
use std::io::Read;

use archive::{decode, tar};

pub use data::{DataReader, UnsafeEntry};
pub use error::DebError;

use crate::control::Paragraph;
use error::archive_error;
use members::{DataInput, Members};

/// What a package may have at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of `control.tar` after decompression. Lists of checksums are most of it.
    pub control_bytes_max: u64,
    /// Files in `control.tar`.
    pub control_files_max: u64,
    /// Bytes of `data.tar` after decompression.
    pub data_bytes_max: u64,
    /// Entries of `data.tar`.
    pub entries_max: u64,
    /// Bytes of all paths of `data.tar` together: they are kept, to notice one that comes twice.
    pub paths_bytes_max: u64,
}

impl Default for Limits {
    /// Several times the largest packages of Debian.
    fn default() -> Self {
        Self {
            control_bytes_max: 64 << 20,
            control_files_max: 256,
            data_bytes_max: 16 << 30,
            entries_max: 1_000_000,
            paths_bytes_max: 64 << 20,
        }
    }
}

/// A package whose control part has been read and whose data part is next.
pub struct Deb<'r> {
    /// What it says about itself.
    pub control: Control,
    data: DataReader<'r>,
}

/// The contents of `control.tar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The file `control`.
    pub paragraph: Paragraph,
    /// Every file by its name, verbatim: `control` itself, `md5sums`, `conffiles`, `postinst`, ….
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Reads a package up to its data.
///
/// Memory: the control part, some buffers, and what the decompressor needs
/// ([`archive::XZ_MEMORY_BYTES_MAX`]); the data is streamed.
///
/// # Errors
/// For anything that is not a package of format 2, and for limits exceeded; see [`DebError`].
///
/// Spec: deb(5).
pub fn open<'r>(reader: impl Read + Send + 'r, limits: &Limits) -> Result<Deb<'r>, DebError> {
    let mut members = Members::new(reader);
    members.read_format()?;
    let (name, codec) = members.next_part("control.tar")?;
    let control = {
        let stream = decode(codec, members.content(), limits.control_bytes_max);
        read_control(&name, stream, limits)?
    };
    let (name, codec) = members.next_part("data.tar")?;
    let stream = decode(codec, DataInput::new(members), limits.data_bytes_max);
    Ok(Deb {
        control,
        data: DataReader::new(name, stream, limits),
    })
}

impl<'r> Deb<'r> {
    /// The files it installs.
    #[must_use]
    pub fn data(self) -> DataReader<'r> {
        self.data
    }
}

impl std::fmt::Debug for Deb<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Deb")
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

fn read_control(
    member: &str,
    stream: Box<dyn Read + Send + '_>,
    limits: &Limits,
) -> Result<Control, DebError> {
    let mut reader = tar::Reader::new(stream, control_limits(limits));
    let mut files = BTreeMap::new();
    while let Some(entry) = reader
        .next_entry()
        .map_err(|error| archive_error(member, error))?
    {
        if entry.kind == tar::EntryKind::Directory && entry.path.is_root() {
            continue;
        }
        let name = control_file_name(&entry)?;
        let mut content = Vec::new();
        reader
            .content()
            .read_to_end(&mut content)
            .map_err(|error| error::content_error(member, error))?;
        if files.insert(name.clone(), content).is_some() {
            return Err(DebError::DuplicateControlFile { name });
        }
    }
    let control = files.get("control").ok_or(DebError::NoControlFile)?;
    let paragraph = Paragraph::parse(control).map_err(DebError::Control)?;
    Ok(Control { paragraph, files })
}

/// Control files are plain files beside each other.
fn control_file_name(entry: &tar::Entry) -> Result<String, DebError> {
    let plain = entry.kind == tar::EntryKind::File && entry.path.components().count() == 1;
    let name = std::str::from_utf8(entry.path.as_bytes()).ok().filter(|_| plain);
    name.map(str::to_owned).ok_or_else(|| DebError::ControlEntry {
        path: entry.path.clone(),
        kind: entry.kind.name(),
    })
}

fn control_limits(limits: &Limits) -> tar::Limits {
    tar::Limits {
        // The directory itself is an entry too.
        entries_max: limits.control_files_max.saturating_add(1),
        content_bytes_max: limits.control_bytes_max,
        ..tar::Limits::default()
    }
}

#[cfg(test)]
mod tests;
