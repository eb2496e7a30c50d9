//! Writes archives whose bytes depend on nothing but the entries.

use std::io::{self, Read, Write};

use super::header::{Header, SMALL_NUMBER_MAX};
use super::{BLOCK_BYTES, Entry, EntryKind, padding_bytes, pax};
use crate::EntryPath;

/// Writes a POSIX archive: ustar headers, and a PAX header before an entry only when one of its
/// fields does not fit. Owner names are empty; directories end with a slash.
///
/// Entries come out in the order they are given; parents are the caller's business. Writes to the
/// inner writer are large: it needs no buffer.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    /// Output that has not been written; its first `filled` bytes count.
    buffer: Box<[u8]>,
    filled: usize,
    position: u64,
}

/// Why an entry could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The content ended early.
    #[error("{path} has {actual_bytes} bytes of content, its entry says {expected_bytes}")]
    ContentTooShort {
        /// The entry.
        path: EntryPath,
        /// The size of the entry.
        expected_bytes: u64,
        /// What the content had.
        actual_bytes: u64,
    },
    /// The content goes on.
    #[error("{path} has more than the {expected_bytes} bytes of content that its entry says")]
    ContentTooLong {
        /// The entry.
        path: EntryPath,
        /// The size of the entry.
        expected_bytes: u64,
    },
    /// A size on something that is not a file.
    #[error("{path} is a {kind} and cannot have content")]
    UnexpectedContent {
        /// The entry.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
    },
    /// A mode above 0o7777, a device number above 0o7777777, a link to nothing, or anything but a
    /// directory as the root: the format cannot say it.
    #[error("{path} has a {field} that the format cannot say")]
    Unsayable {
        /// The entry.
        path: EntryPath,
        /// Which field.
        field: &'static str,
    },
    /// The content could not be read.
    #[error("cannot read the content of {path}")]
    Content {
        /// The entry.
        path: EntryPath,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Io(#[source] io::Error),
}

impl<W: Write> Writer<W> {
    /// An archive without entries.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            filled: 0,
            position: 0,
        }
    }

    /// Adds an entry, whose content must be exactly `entry.size` bytes; of anything but a file it is
    /// not read.
    ///
    /// # Errors
    /// See [`WriteError`]. After an error the archive is of no further use.
    pub fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), WriteError> {
        let header = header_of(entry)?;
        let records = pax::records_for(&header);
        if !records.is_empty() {
            self.write_header(&pax_header(records.len() as u64))?;
            self.write(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.write_header(&header)?;
        if entry.kind == EntryKind::File {
            self.write_content(entry, content)?;
            self.pad(entry.size)?;
        }
        Ok(())
    }

    /// Bytes of the archive so far: after `append` of a file, the end of its padding.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes the end-of-archive marker, two blocks of zeros, and gives the inner writer back.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.write(&[0; 2 * BLOCK_BYTES])?;
        self.flush_buffer()?;
        self.inner.flush().map_err(WriteError::Io)?;
        Ok(self.inner)
    }

    fn write_header(&mut self, header: &Header) -> Result<(), WriteError> {
        let mut block = [0; BLOCK_BYTES];
        header.write(&mut block);
        self.write(&block)
    }

    fn write_content(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), WriteError> {
        let mut left = entry.size;
        while left > 0 {
            if self.filled == self.buffer.len() {
                self.flush_buffer()?;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let most = usize::try_from(left).map_or(room.len(), |left| left.min(room.len()));
            let read = read_some(content, room.get_mut(..most).unwrap_or_default(), entry)?;
            if read == 0 {
                return Err(WriteError::ContentTooShort {
                    path: entry.path.clone(),
                    expected_bytes: entry.size,
                    actual_bytes: entry.size - left,
                });
            }
            self.filled += read;
            self.position += read as u64;
            left -= read as u64;
        }
        if read_some(content, &mut [0], entry)? > 0 {
            return Err(WriteError::ContentTooLong {
                path: entry.path.clone(),
                expected_bytes: entry.size,
            });
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> Result<(), WriteError> {
        let zeros = [0; BLOCK_BYTES];
        let padding = usize::try_from(padding_bytes(size)).unwrap_or(0);
        self.write(zeros.get(..padding).unwrap_or_default())
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        self.position += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.filled == self.buffer.len() {
                self.flush_buffer()?;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            self.filled += now.len();
            bytes = later;
        }
        Ok(())
    }

    fn flush_buffer(&mut self) -> Result<(), WriteError> {
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        self.inner.write_all(filled).map_err(WriteError::Io)?;
        self.filled = 0;
        Ok(())
    }
}

fn read_some(content: &mut dyn Read, room: &mut [u8], entry: &Entry) -> Result<usize, WriteError> {
    loop {
        match content.read(room) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(WriteError::Content {
                    path: entry.path.clone(),
                    source,
                });
            }
        }
    }
}

fn header_of(entry: &Entry) -> Result<Header, WriteError> {
    let Entry {
        ref path,
        ref kind,
        mode,
        uid,
        gid,
        mtime,
        size,
    } = *entry;
    if size > 0 && *kind != EntryKind::File {
        return Err(WriteError::UnexpectedContent {
            path: path.clone(),
            kind: kind.name(),
        });
    }
    let mut name = path.as_bytes().to_vec();
    if *kind == EntryKind::Directory {
        name.extend_from_slice(if name.is_empty() { b"./" } else { b"/" });
    }
    let (link, is_link) = match kind {
        EntryKind::Hardlink { target } => (target.as_bytes().to_vec(), true),
        EntryKind::Symlink { target } => (target.to_vec(), true),
        _ => (Vec::new(), false),
    };
    let (major, minor) = match *kind {
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => (major, minor),
        _ => (0, 0),
    };
    let unsayable = [
        ("name", name.is_empty()),
        ("link target", is_link && (link.is_empty() || link.contains(&0))),
        ("mode", mode > 0o7777),
        ("device number", u64::from(major.max(minor)) > SMALL_NUMBER_MAX),
    ];
    if let Some((field, _)) = unsayable.into_iter().find(|(_, wrong)| *wrong) {
        return Err(WriteError::Unsayable {
            path: path.clone(),
            field,
        });
    }
    Ok(Header {
        name,
        link,
        type_flag: type_flag(kind),
        mode,
        uid,
        gid,
        size,
        mtime,
        major,
        minor,
    })
}

fn type_flag(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::Hardlink { .. } => b'1',
        EntryKind::Symlink { .. } => b'2',
        EntryKind::CharDevice { .. } => b'3',
        EntryKind::BlockDevice { .. } => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

fn pax_header(size: u64) -> Header {
    Header {
        name: b"././@PaxHeader".to_vec(),
        link: Vec::new(),
        type_flag: b'x',
        mode: 0o644,
        uid: 0,
        gid: 0,
        size,
        mtime: 0,
        major: 0,
        minor: 0,
    }
}

const BUFFER_BYTES: usize = 256 << 10;
