//! Tar, ar and compression: deterministic writers, bounded readers. Bytes in, bytes out.
//!
//! Nothing here opens a file, and nothing that is read is trusted: every length, count and path that
//! comes from an archive is checked against a named limit before it is used.
//!
//! ```
//! use archive::{EntryPath, tar};
//!
//! let entry = tar::Entry::file(EntryPath::parse(b"./etc/motd")?, 0o644, 6);
//! let mut writer = tar::Writer::new(Vec::new());
//! writer.append(&entry, &mut &b"hello\n"[..])?;
//! let bytes = writer.finish()?;
//!
//! let mut reader = tar::Reader::new(&bytes[..], tar::Limits::default());
//! assert_eq!(reader.next_entry()?, Some(entry));
//! assert_eq!(std::io::read_to_string(reader.content())?, "hello\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod ar;
mod codec;
mod encoder;
mod entry_path;
mod hashing;
pub mod tar;

pub use codec::{Codec, LimitExceeded, XZ_MEMORY_BYTES_MAX, ZSTD_WINDOW_LOG_MAX, decode};
pub use encoder::{EncodeError, Encoder, UnknownEncoder};
pub use entry_path::{COMPONENT_BYTES_MAX, EntryPath, PATH_BYTES_MAX, PathError};
pub use hashing::{Hashing, HashingReader};
