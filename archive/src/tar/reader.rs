//! Reads archives that nobody vouches for.

use std::io::{self, BufRead, BufReader, Read};

use super::header::{Header, HeaderError};
use super::pax::{Overrides, PaxError};
use super::{BLOCK_BYTES, Block, Entry, EntryKind, Limits, padding_bytes};
use crate::{EntryPath, PathError};

/// Streams the entries of an archive: v7, ustar, GNU (long names, base-256 numbers) and PAX.
///
/// Sparse files, multi-volume archives and unknown types are refused. Paths are parsed: an entry
/// cannot be outside the root. Whether a path comes twice, or lies below a link, is for the caller
/// to judge.
///
/// Memory: a fixed buffer and the extension headers of one entry.
#[derive(Debug)]
pub struct Reader<R> {
    inner: BufReader<R>,
    limits: Limits,
    end: EndOfArchive,
    position: u64,
    entries: u64,
    content_bytes: u64,
    /// Bytes of the current entry's content that have not been read.
    remaining_bytes: u64,
    /// Bytes of padding behind that content.
    padding_bytes: u64,
    ended: bool,
}

/// Whether an archive must have the two blocks of zeros at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndOfArchive {
    /// It must: an archive cut between two entries is an error. The default.
    #[default]
    Required,
    /// An input that ends between two entries is a whole archive, as Go's reader has it.
    Optional,
}

/// An archive could not be read; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("tar entry {entry}, header at byte {offset}")]
pub struct ReadError {
    /// Number of the entry that was being read, from 1.
    pub entry: u64,
    /// Where that entry, or its first extension header, begins.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub problem: ReadProblem,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The input could not be read or decompressed.
    #[error("cannot read the archive")]
    Io(#[source] io::Error),
    /// It ends inside an entry, or without the end-of-archive marker.
    #[error("the archive ends early, at byte {position}")]
    Truncated {
        /// Where it ends.
        position: u64,
    },
    /// A header block is damaged.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A PAX header is damaged or unsupported.
    #[error(transparent)]
    Pax(#[from] PaxError),
    /// The entry's name is not a path inside the archive.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The entry has no name.
    #[error("the entry has an empty name")]
    EmptyName,
    /// A hard link's target is not a path inside the archive.
    #[error("hard link {path} has a bad target")]
    HardlinkTarget {
        /// The link.
        path: EntryPath,
        /// What is wrong with the target.
        #[source]
        source: PathError,
    },
    /// A symbolic link without a text, or with a NUL byte in it.
    #[error("symbolic link {path} has an empty target or one with a NUL byte")]
    SymlinkTarget {
        /// The link.
        path: EntryPath,
    },
    /// A symbolic link's text is too long.
    #[error("symbolic link {path} has a target of {actual_bytes} bytes, at most {bytes_max} are allowed")]
    LinkTooLong {
        /// The link.
        path: EntryPath,
        /// Length of its text.
        actual_bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Content behind something that is not a file.
    #[error("{path} is a {kind} and has {size} bytes of content")]
    UnexpectedContent {
        /// The entry.
        path: EntryPath,
        /// What it is.
        kind: &'static str,
        /// The size its header states.
        size: u64,
    },
    /// A type that is not supported, such as a sparse file.
    #[error("entry type {:?} is not supported", char::from(*type_flag))]
    Unsupported {
        /// The header's type flag.
        type_flag: u8,
    },
    /// The first of the two end blocks is not followed by the second.
    #[error("the end-of-archive marker is damaged")]
    BadEnd,
    /// Extension headers with no entry behind them.
    #[error("extension headers at the end of the archive belong to no entry")]
    DanglingExtension,
    /// An extension header is too long.
    #[error("an extension header has {actual_bytes} bytes, at most {bytes_max} are allowed")]
    ExtensionTooLong {
        /// Its length.
        actual_bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// Too many extension headers before one entry.
    #[error("more than {max} extension headers before one entry")]
    TooManyExtensions {
        /// The limit.
        max: u32,
    },
    /// Too many entries.
    #[error("more than {max} entries")]
    TooManyEntries {
        /// The limit.
        max: u64,
    },
    /// The files are too long together.
    #[error("more than {bytes_max} bytes of content")]
    TooMuchContent {
        /// The limit.
        bytes_max: u64,
    },
    /// Too much behind the end-of-archive marker.
    #[error("more than {bytes_max} bytes behind the end of the archive")]
    TooMuchTrailing {
        /// The limit.
        bytes_max: u64,
    },
}

impl<R: Read> Reader<R> {
    /// A reader of the archive in `inner`, which it reads in large pieces: no buffer is needed below.
    pub fn new(inner: R, limits: Limits) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER_BYTES, inner),
            limits,
            end: EndOfArchive::Required,
            position: 0,
            entries: 0,
            content_bytes: 0,
            remaining_bytes: 0,
            padding_bytes: 0,
            ended: false,
        }
    }

    /// The same reader with another rule about the archive's end.
    #[must_use]
    pub fn with_end(mut self, end: EndOfArchive) -> Self {
        self.end = end;
        self
    }

    /// The next entry, past what is left of the current one's content; `None` at the end of the
    /// archive. By then the input has been read to its very end, so that a decoder below has seen
    /// its checksums and a hash below covers everything.
    ///
    /// # Errors
    /// See [`ReadProblem`]. After an error the reader is of no further use.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let skipped = self.skip_content();
        let offset = self.position;
        skipped.and_then(|()| self.read_entry()).map_err(|problem| {
            self.ended = true;
            self.remaining_bytes = 0;
            ReadError {
                entry: self.entries + 1,
                offset,
                problem,
            }
        })
    }

    /// The content of the current entry, from where it was last read; empty unless it is a file.
    /// Fails with `UnexpectedEof` if the archive ends inside it.
    pub fn content(&mut self) -> impl Read {
        Content(self)
    }

    /// Bytes of the archive consumed: before any content is read, the offset of the current content.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The input; what has been read ahead is lost. After the end of the archive it is at its end.
    pub fn into_inner(self) -> R {
        self.inner.into_inner()
    }

    fn read_entry(&mut self) -> Result<Option<Entry>, ReadProblem> {
        let mut overrides = Overrides::default();
        for extensions in 0..=self.limits.extensions_max {
            let Some(header) = self.read_header()? else {
                return if extensions == 0 {
                    Ok(None)
                } else {
                    Err(ReadProblem::DanglingExtension)
                };
            };
            match header.type_flag {
                b'x' => overrides.read(&self.read_extension(header.size)?)?,
                b'g' => Overrides::check_global(&self.read_extension(header.size)?)?,
                b'L' => overrides.path = Some(self.read_long_name(header.size)?),
                b'K' => overrides.link = Some(self.read_long_name(header.size)?),
                _ => return self.entry_of(header, overrides).map(Some),
            }
        }
        Err(ReadProblem::TooManyExtensions {
            max: self.limits.extensions_max,
        })
    }

    /// The next header block; `None` at the end of the archive.
    fn read_header(&mut self) -> Result<Option<Header>, ReadProblem> {
        let mut block = [0; BLOCK_BYTES];
        let first = self.read_block(&mut block)?;
        if first == 0 && self.end == EndOfArchive::Optional {
            self.ended = true;
            return Ok(None);
        }
        self.whole(first)?;
        if !is_zero(&block) {
            return Ok(Some(Header::parse(&block)?));
        }
        match (self.read_block(&mut block)?, self.end) {
            (0, EndOfArchive::Optional) => {}
            (second, _) => self.whole(second)?,
        }
        if !is_zero(&block) {
            return Err(ReadProblem::BadEnd);
        }
        self.read_trailing()?;
        self.ended = true;
        Ok(None)
    }

    fn entry_of(&mut self, header: Header, overrides: Overrides) -> Result<Entry, ReadProblem> {
        let name = overrides.path.unwrap_or(header.name);
        if name.is_empty() {
            return Err(ReadProblem::EmptyName);
        }
        let path = EntryPath::parse(&name)?;
        let link = overrides.link.unwrap_or(header.link);
        let size = overrides.size.unwrap_or(header.size);
        let (major, minor) = (header.major, header.minor);
        let kind = match header.type_flag {
            // v7 has no type for directories: it gives them a slash.
            b'0' | 0 | b'7' if name.ends_with(b"/") => EntryKind::Directory,
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => match EntryPath::parse(&link) {
                Ok(target) => EntryKind::Hardlink { target },
                Err(source) => return Err(ReadProblem::HardlinkTarget { path, source }),
            },
            b'2' => EntryKind::Symlink {
                target: self.checked_target(&path, link)?,
            },
            b'3' => EntryKind::CharDevice { major, minor },
            b'4' => EntryKind::BlockDevice { major, minor },
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            b'S' => return Err(PaxError::Sparse.into()),
            type_flag => return Err(ReadProblem::Unsupported { type_flag }),
        };
        if size > 0 && kind != EntryKind::File {
            return Err(ReadProblem::UnexpectedContent {
                path,
                kind: kind.name(),
                size,
            });
        }
        self.count(size)?;
        self.remaining_bytes = size;
        self.padding_bytes = padding_bytes(size);
        Ok(Entry {
            path,
            kind,
            mode: header.mode,
            uid: overrides.uid.unwrap_or(header.uid),
            gid: overrides.gid.unwrap_or(header.gid),
            mtime: overrides.mtime.unwrap_or(header.mtime),
            size,
        })
    }

    fn checked_target(&self, path: &EntryPath, target: Vec<u8>) -> Result<Box<[u8]>, ReadProblem> {
        if target.is_empty() || target.contains(&0) {
            return Err(ReadProblem::SymlinkTarget { path: path.clone() });
        }
        let (actual_bytes, bytes_max) = (target.len(), self.limits.link_bytes_max);
        if actual_bytes > bytes_max {
            return Err(ReadProblem::LinkTooLong {
                path: path.clone(),
                actual_bytes,
                bytes_max,
            });
        }
        Ok(target.into_boxed_slice())
    }

    fn count(&mut self, size: u64) -> Result<(), ReadProblem> {
        if self.entries >= self.limits.entries_max {
            return Err(ReadProblem::TooManyEntries {
                max: self.limits.entries_max,
            });
        }
        let bytes_max = self.limits.content_bytes_max;
        match self.content_bytes.checked_add(size) {
            Some(sum) if sum <= bytes_max => self.content_bytes = sum,
            _ => return Err(ReadProblem::TooMuchContent { bytes_max }),
        }
        self.entries += 1;
        Ok(())
    }

    fn read_extension(&mut self, size: u64) -> Result<Vec<u8>, ReadProblem> {
        let bytes_max = self.limits.extension_bytes_max;
        if size > bytes_max as u64 {
            return Err(ReadProblem::ExtensionTooLong {
                actual_bytes: size,
                bytes_max,
            });
        }
        let mut content = Vec::new();
        let read = (&mut self.inner)
            .take(size)
            .read_to_end(&mut content)
            .map_err(ReadProblem::Io)?;
        self.position += read as u64;
        if (read as u64) < size {
            return Err(ReadProblem::Truncated {
                position: self.position,
            });
        }
        self.skip(padding_bytes(size))?;
        Ok(content)
    }

    /// A GNU long name or link: it ends with a NUL byte.
    fn read_long_name(&mut self, size: u64) -> Result<Vec<u8>, ReadProblem> {
        let mut name = self.read_extension(size)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    fn read_trailing(&mut self) -> Result<(), ReadProblem> {
        let bytes_max = self.limits.trailing_bytes_max;
        let mut trailing = 0;
        loop {
            let read = self.inner.fill_buf().map_err(ReadProblem::Io)?.len();
            if read == 0 {
                return Ok(());
            }
            self.consume(read);
            trailing += read as u64;
            if trailing > bytes_max {
                return Err(ReadProblem::TooMuchTrailing { bytes_max });
            }
        }
    }

    fn skip_content(&mut self) -> Result<(), ReadProblem> {
        let bytes = self.remaining_bytes + self.padding_bytes;
        self.remaining_bytes = 0;
        self.padding_bytes = 0;
        self.skip(bytes)
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), ReadProblem> {
        while bytes > 0 {
            let available = self.inner.fill_buf().map_err(ReadProblem::Io)?.len();
            if available == 0 {
                return Err(ReadProblem::Truncated {
                    position: self.position,
                });
            }
            let step = usize::try_from(bytes).map_or(available, |bytes| bytes.min(available));
            self.consume(step);
            bytes -= step as u64;
        }
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.inner.consume(bytes);
        self.position += bytes as u64;
    }

    /// Fills `block` as far as the input goes, and says how far.
    fn read_block(&mut self, block: &mut Block) -> Result<usize, ReadProblem> {
        let mut filled = 0;
        while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.inner.read(room) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadProblem::Io(error)),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    fn whole(&self, block_bytes: usize) -> Result<(), ReadProblem> {
        if block_bytes < BLOCK_BYTES {
            return Err(ReadProblem::Truncated {
                position: self.position,
            });
        }
        Ok(())
    }
}

struct Content<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = &mut *self.0;
        let room =
            usize::try_from(reader.remaining_bytes).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let read = match buffer.get_mut(..room) {
            Some(room) if !room.is_empty() => reader.inner.read(room)?,
            _ => return Ok(0),
        };
        if read == 0 {
            let problem = ReadProblem::Truncated {
                position: reader.position,
            };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        reader.position += read as u64;
        reader.remaining_bytes -= read as u64;
        Ok(read)
    }
}

fn is_zero(block: &Block) -> bool {
    block.iter().all(|byte| *byte == 0)
}

const BUFFER_BYTES: usize = 128 << 10;
