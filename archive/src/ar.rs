//! Reader of `ar` archives, as `.deb` files are: the common format, names of at most 16 bytes.

use std::io::{self, Read};

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, without the padding and the slash that some writers put behind it.
    pub name: String,
    /// Length of its content in bytes.
    pub size: u64,
}

/// Why an `ar` archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file does not begin as an archive does.
    #[error("not an ar archive: it does not begin with \"!<arch>\"")]
    Magic,
    /// A header is damaged, or uses an extension of the format.
    #[error("ar header at byte {offset}: bad {field}")]
    Header {
        /// Where the header begins.
        offset: u64,
        /// Which field.
        field: &'static str,
    },
    /// The input ends inside a header or a member.
    #[error("ar archive ends early, at byte {offset}")]
    Truncated {
        /// Where it ends.
        offset: u64,
    },
    /// More than [`MEMBERS_MAX`] members.
    #[error("ar archive has more than {MEMBERS_MAX} members")]
    TooManyMembers,
    /// Reading failed.
    #[error("cannot read the ar archive at byte {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// The failure.
        #[source]
        source: io::Error,
    },
}

/// Most members of one archive.
pub const MEMBERS_MAX: u32 = 64;

/// Streams the members of an archive.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    offset: u64,
    members: u32,
    /// Bytes of the current member that have not been read.
    remaining_bytes: u64,
    /// Whether the current member is followed by a padding byte.
    padded: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of `inner`, which should be buffered or read from in large pieces.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            offset: 0,
            members: 0,
            remaining_bytes: 0,
            padded: false,
        }
    }

    /// Goes to the next member, past what is left of this one; `None` at the end.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_member(&mut self) -> Result<Option<Member>, ReadError> {
        if self.offset == 0 {
            let mut magic = [0; MAGIC.len()];
            if self.fill(&mut magic)? < magic.len() || magic != *MAGIC {
                return Err(ReadError::Magic);
            }
        }
        self.skip_content()?;
        let start = self.offset;
        let mut header = [0; 60];
        match self.fill(&mut header)? {
            0 => return Ok(None),
            60 => {}
            _ => return Err(ReadError::Truncated { offset: self.offset }),
        }
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(ReadError::TooManyMembers);
        }
        let bad = |field| ReadError::Header { offset: start, field };
        let (name, rest) = header.split_at(16);
        let (_, size_and_end) = rest.split_at(32);
        let (size, end) = size_and_end.split_at(10);
        if end != b"`\n" {
            return Err(bad("terminator"));
        }
        let name = member_name(name).ok_or_else(|| bad("name"))?;
        let size = decimal(size).ok_or_else(|| bad("size"))?;
        self.remaining_bytes = size;
        self.padded = size % 2 == 1;
        Ok(Some(Member { name, size }))
    }

    /// The rest of the current member's content. Fails with `UnexpectedEof` if the input ends early.
    pub fn content(&mut self) -> impl Read {
        ContentReader(self)
    }

    /// Where the reader is: bytes of the input consumed.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Reads content of the current member; 0 at its end.
    ///
    /// # Errors
    /// The input's own, and `UnexpectedEof` when it ends inside the member.
    pub fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.remaining_bytes).unwrap_or(usize::MAX));
        let read = match buffer.get_mut(..room) {
            Some(room) if !room.is_empty() => self.inner.read(room)?,
            _ => return Ok(0),
        };
        if read == 0 {
            let error = ReadError::Truncated { offset: self.offset };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        }
        self.offset += read as u64;
        self.remaining_bytes -= read as u64;
        Ok(read)
    }

    fn skip_content(&mut self) -> Result<(), ReadError> {
        let left = self.remaining_bytes;
        let skipped =
            io::copy(&mut (&mut self.inner).take(left), &mut io::sink()).map_err(|source| ReadError::Io {
                offset: self.offset,
                source,
            })?;
        self.offset += skipped;
        self.remaining_bytes -= skipped;
        if self.remaining_bytes > 0 {
            return Err(ReadError::Truncated { offset: self.offset });
        }
        // Some writers leave out the padding behind the last member.
        if self.padded && self.fill(&mut [0])? == 1 {
            self.padded = false;
        }
        Ok(())
    }

    /// Reads until `buffer` is full or the input ends; returns how much it got.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let wanted = buffer.len() as u64;
        let mut target = &mut buffer[..];
        let got =
            io::copy(&mut (&mut self.inner).take(wanted), &mut target).map_err(|source| ReadError::Io {
                offset: self.offset,
                source,
            })?;
        self.offset += got;
        Ok(usize::try_from(got).unwrap_or(usize::MAX))
    }
}

struct ContentReader<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for ContentReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_content(buffer)
    }
}

fn member_name(field: &[u8]) -> Option<String> {
    let name = field.trim_ascii_end();
    let name = name.strip_suffix(b"/").unwrap_or(name);
    // `/`, `//`, `/123` and `#1/20` are tables and long names of GNU and BSD: no .deb has them.
    let plain = !name.is_empty()
        && !name.starts_with(b"#1/")
        && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/');
    if plain {
        String::from_utf8(name.to_vec()).ok()
    } else {
        None
    }
}

fn decimal(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_end();
    let text = std::str::from_utf8(digits).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

const MAGIC: &[u8; 8] = b"!<arch>\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, content) in members {
            let header = format!(
                "{name:<16}0           0     0     100644  {:<10}`\n",
                content.len()
            );
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
        let mut reader = Reader::new(bytes);
        let mut names = Vec::new();
        while let Some(member) = reader.next_member()? {
            names.push(member.name);
        }
        Ok(names)
    }

    #[test]
    fn reads_members_in_order_and_skips_what_is_left() {
        let bytes = archive(&[
            ("odd/", b"abc"),
            ("even", b"abcd"),
            ("empty", b""),
            ("last", b"z"),
        ]);
        let mut reader = Reader::new(&bytes[..]);
        assert_eq!(
            reader.next_member().unwrap(),
            Some(Member {
                name: "odd".into(),
                size: 3
            })
        );
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content).unwrap();
        assert_eq!(content, b"abc");
        assert_eq!(reader.next_member().unwrap().unwrap().name, "even");
        reader.content().read_exact(&mut [0]).unwrap();
        assert_eq!(reader.next_member().unwrap().unwrap().name, "empty");
        assert_eq!(reader.next_member().unwrap().unwrap().name, "last");
        // Without the padding of the last member, too.
        assert_eq!(
            names(&bytes[..bytes.len() - 1]).unwrap(),
            ["odd", "even", "empty", "last"]
        );
    }

    #[test]
    fn refuses_an_archive_that_ends_early() {
        let bytes = archive(&[("a", b"abcd")]);
        assert!(matches!(names(&bytes[..4]), Err(ReadError::Magic)));
        assert!(matches!(
            names(&bytes[..30]),
            Err(ReadError::Truncated { offset: 30 })
        ));
        assert!(matches!(
            names(&bytes[..70]),
            Err(ReadError::Truncated { offset: 70 })
        ));
        let mut reader = Reader::new(&bytes[..70]);
        reader.next_member().unwrap();
        let error = reader.content().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn refuses_damaged_headers_and_long_names() {
        for name in ["/", "//", "/12", "#1/20", "a/b", "a b", ""] {
            let error = names(&archive(&[(name, b"")])).unwrap_err();
            assert_eq!(error.to_string(), "ar header at byte 8: bad name", "{name:?}");
        }
        let good = archive(&[("a", b"")]);
        for (at, value, field) in [
            (8 + 48, b'-', "size"),
            (8 + 49, b'x', "size"),
            (8 + 58, b'x', "terminator"),
        ] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let error = names(&bytes).unwrap_err();
            assert_eq!(error.to_string(), format!("ar header at byte 8: bad {field}"));
        }
    }

    #[test]
    fn bounds_the_number_of_members() {
        let most = vec![("m", &b""[..]); MEMBERS_MAX as usize];
        assert_eq!(names(&archive(&most)).unwrap().len(), MEMBERS_MAX as usize);
        let more = [most, vec![("m", b"")]].concat();
        assert!(matches!(names(&archive(&more)), Err(ReadError::TooManyMembers)));
    }
}
