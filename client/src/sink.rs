//! Where images go.

use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use oci::{Descriptor, Digest, Hasher, Manifest};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;

use crate::BlobRead;
use crate::registry::RegistryError;

/// Largest blob that is written, in bytes: 1 TiB.
pub const BLOB_BYTES_MAX: u64 = 1 << 40;

/// A place that images are written to.
///
/// Required by every implementation: a blob is hashed while it is written and kept only if digest
/// and size are those of its descriptor; nothing is promised to be visible or durable before
/// [`Sink::finish`] returns; whatever was there before stays whole at every moment. A sink of files that
/// is dropped without `finish` leaves no name changed; a registry has each name from the moment when its
/// manifest is put.
///
/// Order of calls: blobs of a manifest before the manifest, children before their index.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Whether a blob need not be put again.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, SinkError>;

    /// Whether a manifest is there, and with it everything that it names: then nothing of it need be put
    /// again. A medium that cannot tell cheaply says no.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn has_manifest(&self, _digest: &Digest) -> Result<bool, SinkError> {
        Ok(false)
    }

    /// Writes a blob; does nothing if it is there.
    ///
    /// # Errors
    /// [`SinkError::Digest`] and [`SinkError::Size`] when `content` is not what `descriptor` says;
    /// then nothing was written.
    async fn put_blob(&self, descriptor: &Descriptor, content: BlobRead) -> Result<(), SinkError>;

    /// Writes a manifest verbatim and, when a name is given, makes that name mean it from
    /// [`Sink::finish`] on.
    ///
    /// # Errors
    /// When this medium cannot hold such a manifest.
    async fn put_manifest(&self, manifest: &Manifest, name: Option<&str>) -> Result<(), SinkError>;

    /// Makes everything put so far durable, then visible.
    ///
    /// # Errors
    /// When it cannot be written; what was visible before stays.
    async fn finish(&self) -> Result<(), SinkError>;
}

/// Why something cannot be written to a sink.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The bytes of a blob are not what their digest says.
    #[error("content of blob {expected} is damaged: its digest is {actual}")]
    Digest {
        /// The digest its descriptor says.
        expected: Digest,
        /// The digest of the bytes that came.
        actual: Digest,
    },
    /// A blob has another size than its descriptor says.
    #[error("content of blob {digest} is {actual} bytes, its descriptor says {expected}")]
    Size {
        /// Its digest.
        digest: Digest,
        /// The size its descriptor says.
        expected: u64,
        /// Bytes that came before it was given up: one more than expected, or all.
        actual: u64,
    },
    /// A blob is larger than [`BLOB_BYTES_MAX`].
    #[error("blob {digest} of {size} bytes, at most {BLOB_BYTES_MAX} are written")]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its size.
        size: u64,
    },
    /// The content of a blob cannot be read from where it comes from.
    #[error("cannot read the content of blob {digest}")]
    Content {
        /// Its digest.
        digest: Digest,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The `index.json` of a layout cannot be understood, so nothing can be added to it.
    #[error("cannot add to {}: it is not an image index", path.display())]
    IndexFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// The `index.json` of a layout would be too large.
    #[error("cannot add to {}: it would have more than {limit_bytes} bytes", path.display())]
    IndexTooLarge {
        /// The file.
        path: PathBuf,
        /// The most it may have.
        limit_bytes: u64,
    },
    /// The medium holds images of one platform only.
    #[error(
        "a docker archive holds one platform, this image has several; choose one, or write an oci-archive"
    )]
    OnePlatformOnly,
    /// The medium holds images only.
    #[error("a docker archive holds images only, not {media_type}")]
    ImagesOnly {
        /// What was to be written.
        media_type: oci::MediaType,
    },
    /// A manifest names a blob that was not put.
    #[error("manifest {manifest} names blob {blob}, which was not written")]
    BlobUnknown {
        /// The manifest.
        manifest: Digest,
        /// The blob.
        blob: Digest,
    },
    /// A registry did not take it.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// There is nothing to write: an archive without an image is not one.
    #[error("no image to write to {}", path.display())]
    Nothing {
        /// The archive.
        path: PathBuf,
    },
}

impl SinkError {
    /// Whether the same may succeed when the content is read again from its start: the connection broke,
    /// or the registry lost the upload.
    pub(crate) fn is_interruption(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_transient() || matches!(error.status(), Some(401 | 404)),
            _ => false,
        }
    }
}

impl From<RegistryError> for SinkError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

/// What names of files begin with that are not finished.
pub(crate) const TEMPORARY_PREFIX: &str = ".lightship-";

/// A temporary file that becomes an ordinary one when it gets its name: readable as the umask says.
pub(crate) fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)
}

/// Runs blocking work where it may block. `path` is for the message if that fails.
pub(crate) async fn in_blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| {
        Err(SinkError::Io {
            path: path.to_owned(),
            source: io::Error::other(error),
        })
    })
}

/// Passes the content of a blob to `write`, piece by piece, and fails unless all of it was exactly
/// what `descriptor` says.
pub(crate) fn copy_verified(
    descriptor: &Descriptor,
    content: BlobRead,
    runtime: &Handle,
    mut write: impl FnMut(&[u8]) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    const BUFFER_BYTES: usize = 256 << 10;
    let wrong_size = |actual| SinkError::Size {
        digest: descriptor.digest,
        expected: descriptor.size,
        actual,
    };
    if descriptor.size > BLOB_BYTES_MAX {
        return Err(SinkError::TooLarge {
            digest: descriptor.digest,
            size: descriptor.size,
        });
    }
    match &content {
        BlobRead::File { length, .. } if *length != descriptor.size => return Err(wrong_size(*length)),
        _ => {}
    }
    // One byte more than there should be is enough to know.
    let mut reader = content.into_reader(runtime).take(descriptor.size + 1);
    let mut hasher = Hasher::new(descriptor.digest.algorithm());
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(SinkError::Content {
                    digest: descriptor.digest,
                    source,
                });
            }
        };
        let piece = buffer.get(..read).unwrap_or_default();
        total += read as u64;
        if total > descriptor.size {
            return Err(wrong_size(total));
        }
        hasher.update(piece);
        write(piece)?;
    }
    if total != descriptor.size {
        return Err(wrong_size(total));
    }
    let actual = hasher.finish();
    if actual != descriptor.digest {
        return Err(SinkError::Digest {
            expected: descriptor.digest,
            actual,
        });
    }
    Ok(())
}
