//! Bytes: uploads that grow, and objects that never change.

use std::fmt;
use std::fs::File;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oci::Digest;
use tokio::io::AsyncRead;

use crate::{Entropy, StoreError};

/// Longest [`StorageKey`] as text.
pub const STORAGE_KEY_BYTES_MAX: usize = 7 + 128 + 1 + 32;

/// Keeps bytes.
///
/// Two kinds of things live here. An *upload* grows by [`append`](BlobStore::append) and can be read by nobody. An
/// *object* is what [`seal`](BlobStore::seal) makes of an upload: complete, durable, never written again. Objects are
/// named by keys that nobody else has, so no two writers ever meet in one.
///
/// What is here is true only together with the metadata: this trait knows nothing of digests, links or grace times.
#[async_trait]
pub trait BlobStore: Send + Sync + fmt::Debug {
    /// Begins an empty upload.
    async fn begin(&self, upload: &UploadKey) -> Result<(), StoreError>;

    /// The length of an upload, in bytes: where the next append begins. None when there is none of that key.
    async fn upload_length(&self, upload: &UploadKey) -> Result<Option<u64>, StoreError>;

    /// Opens an upload for writing at `offset`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, [`StoreError::Offset`] when its length is another,
    /// [`StoreError::Busy`] when somebody else appends to it at this moment.
    async fn append(&self, upload: &UploadKey, offset: u64) -> Result<Box<dyn Append>, StoreError>;

    /// Reads an upload from its beginning; for hashing it again where the hash state is not at hand.
    async fn read_upload(&self, upload: &UploadKey) -> Result<BlobContent, StoreError>;

    /// Makes the upload of `size` bytes durable and then an object under `key`. Bytes and name survive a loss of power
    /// once this is answered. The upload is gone after it, and the object's age counts from here.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, [`StoreError::Busy`] when somebody appends to it at this moment,
    /// [`StoreError::Offset`] when somebody did since the caller hashed its `size` bytes. After a failure to make it
    /// durable the upload is gone as well: nothing can tell what of it would last.
    async fn seal(&self, upload: &UploadKey, key: &StorageKey, size: u64) -> Result<(), StoreError>;

    /// Removes an upload; says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody appends to it.
    async fn abort(&self, upload: &UploadKey) -> Result<bool, StoreError>;

    /// Reads a range of an object of `size` bytes.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none of that key, [`StoreError::Damaged`] when its length is not `size`.
    async fn read(&self, key: &StorageKey, size: u64, range: ByteRange) -> Result<BlobContent, StoreError>;

    /// Removes an object; none of that key is no error. Readers that have it open read on.
    async fn remove(&self, key: &StorageKey) -> Result<(), StoreError>;

    /// Objects in the order of their keys, after `after`, at most `limit`.
    async fn objects(
        &self,
        after: Option<&StorageKey>,
        limit: usize,
    ) -> Result<Vec<ObjectAge<StorageKey>>, StoreError>;

    /// All uploads that nobody has appended to for `idle`, at most `limit`.
    async fn idle_uploads(
        &self,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<ObjectAge<UploadKey>>, StoreError>;

    /// How many bytes there is room for now; none where nobody can tell. It is no promise: others write too.
    async fn room(&self) -> Result<Option<u64>, StoreError>;
}

/// Writes to the end of one upload.
#[async_trait]
pub trait Append: Send {
    /// Adds bytes. They may wait in memory until [`flush`](Append::flush).
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Brings what was written to where [`read_upload`](BlobStore::read_upload) finds it, and where a file that it gave
    /// before has it too; returns the upload's length. Nothing is durable by that.
    async fn flush(&mut self) -> Result<u64, StoreError>;

    /// Ends the append; returns the upload's new length. Dropped without it, the upload's length is anything between
    /// the old one and what was written.
    async fn finish(self: Box<Self>) -> Result<u64, StoreError>;
}

/// How the bytes of an object come.
pub enum BlobContent {
    /// An open file of the caller's own and the range in it, for the fastest way out.
    File {
        /// The file; its position is not to be relied on.
        file: File,
        /// Which bytes of it.
        range: ByteRange,
    },
    /// A stream of exactly the range's bytes.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
    /// A place where the client can fetch the object itself, whole or by range, for a short while.
    Redirect(String),
}

impl fmt::Debug for BlobContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { range, .. } => formatter
                .debug_struct("File")
                .field("range", range)
                .finish_non_exhaustive(),
            Self::Stream(_) => formatter.write_str("Stream"),
            // It may carry a signature that grants access.
            Self::Redirect(_) => formatter.write_str("Redirect(…)"),
        }
    }
}

/// Bytes from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One after the last.
    pub end: u64,
}

impl ByteRange {
    /// All of `size` bytes.
    #[must_use]
    pub fn all(size: u64) -> ByteRange {
        ByteRange { start: 0, end: size }
    }

    /// How many bytes.
    #[must_use]
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The name of an object: `ALGORITHM:HEX.RANDOM`, of one upload alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageKey(String);

impl StorageKey {
    /// A new key for bytes of that digest.
    #[must_use]
    pub fn new(digest: &Digest, entropy: &dyn Entropy) -> StorageKey {
        StorageKey(format!("{digest}.{}", random_hex(entropy)))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that the object was stored for.
    ///
    /// # Errors
    /// Never for a key that was parsed or made here.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        let text = self.0.split_once('.').map_or("", |(digest, _)| digest);
        text.parse().map_err(|_| malformed(&self.0))
    }
}

impl FromStr for StorageKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<StorageKey, StoreError> {
        let (digest, random) = text.split_once('.').ok_or_else(|| malformed(text))?;
        if text.len() > STORAGE_KEY_BYTES_MAX || digest.parse::<Digest>().is_err() || !is_random(random) {
            return Err(malformed(text));
        }
        Ok(StorageKey(text.to_owned()))
    }
}

/// The name of an upload: 128 random bits as 32 hexadecimal digits. Whoever knows it may go on with the upload, within
/// the package that it was begun in: the registry mixes the package's name in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadKey(String);

impl UploadKey {
    /// The key of the upload `session` of a package. The same session under another package is another key.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when `session` is not a session's name.
    pub fn of(session: &str, package: &str) -> Result<UploadKey, StoreError> {
        if !is_random(session) {
            return Err(StoreError::Missing {
                what: "the upload".to_owned(),
            });
        }
        let owner = Digest::sha256_of(package.as_bytes()).hex();
        Ok(UploadKey(format!(
            "{session}.{}",
            owner.get(..32).unwrap_or_default()
        )))
    }

    /// A new session's name.
    #[must_use]
    pub fn session(entropy: &dyn Entropy) -> String {
        random_hex(entropy)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<UploadKey, StoreError> {
        match text.split_once('.') {
            Some((session, owner)) if is_random(session) && is_random(owner) => {
                Ok(UploadKey(text.to_owned()))
            }
            _ => Err(StoreError::Missing {
                what: "the upload".to_owned(),
            }),
        }
    }
}

/// Whoever knows the session can write to it, so it is not printed.
impl fmt::Debug for UploadKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UploadKey(…)")
    }
}

/// A thing in the store, and for how long nobody has written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAge<K> {
    /// Its name.
    pub key: K,
    /// Its size, in bytes.
    pub size: u64,
    /// Time since it was last written, an object since it was sealed, by the store's own clock.
    pub idle: Duration,
}

fn random_hex(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; RANDOM_BYTES];
    entropy.fill(&mut bytes);
    u128::from_be_bytes(bytes)
        .to_be_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn is_random(text: &str) -> bool {
    text.len() == RANDOM_BYTES * 2 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn malformed(text: &str) -> StoreError {
    StoreError::Damaged {
        what: format!("{text:?} is not the key of an object"),
    }
}

const RANDOM_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use oci::Algorithm;
    use proptest::prelude::*;

    use super::*;

    struct Fixed([u8; RANDOM_BYTES]);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_again(
            random in any::<[u8; RANDOM_BYTES]>(),
            content in any::<Vec<u8>>(),
            package in "[a-z/]{1,20}",
        ) {
            let entropy = Fixed(random);
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let digest = Digest::of(algorithm, &content);
                let key = StorageKey::new(&digest, &entropy);
                prop_assert!(key.as_str().len() <= STORAGE_KEY_BYTES_MAX);
                prop_assert_eq!(key.digest().unwrap(), digest);
                prop_assert_eq!(key.as_str().parse::<StorageKey>().unwrap(), key);
            }
            let session = UploadKey::session(&entropy);
            let upload = UploadKey::of(&session, &package).unwrap();
            prop_assert_eq!(upload.as_str().parse::<UploadKey>().unwrap(), upload);
        }

        #[test]
        fn a_key_has_no_characters_that_a_path_could_take_amiss(text in "(sha256:)?[0-9a-f]{60,66}[./a-f0-9A-F]{0,3}[0-9a-f]{30,33}") {
            for parsed in [
                text.parse::<StorageKey>().map(|key| key.as_str().to_owned()).ok(),
                text.parse::<UploadKey>().map(|key| key.as_str().to_owned()).ok(),
            ].into_iter().flatten() {
                prop_assert_eq!(&parsed, &text);
                prop_assert!(!parsed.contains(['/', '\\']) && !parsed.contains(".."));
            }
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let digest = Digest::sha256_of(b"");
        let random = "0123456789abcdef0123456789abcdef";
        assert!(format!("{digest}.{random}").parse::<StorageKey>().is_ok());
        for text in [
            String::new(),
            digest.to_string(),
            format!("{digest}."),
            format!("{digest}.{random}0"),
            format!("{digest}.{}", random.to_uppercase()),
            format!("{digest}.{random}.{random}"),
            format!("../{digest}.{random}"),
            format!("md5:abc.{random}"),
        ] {
            assert!(text.parse::<StorageKey>().is_err(), "{text}");
        }
        for text in ["", random, "a.b", "../../etc.passwd"] {
            assert!(text.parse::<UploadKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn who_may_write_is_not_printed() {
        let upload = UploadKey::of(&UploadKey::session(&Fixed([7; 16])), "p").unwrap();
        assert!(!format!("{upload:?}").contains("0707"));
    }
}
