//! Manifests that were read, kept in a file: each is asked for once, however often a run is interrupted, and none has to
//! be held in memory until it is put.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use oci::{Digest, MANIFEST_BYTES_MAX, Manifest, MediaType};

use crate::failure::PlaceError;
use crate::own_file;

/// A file of manifests: each is a line `DIGEST LENGTH MEDIA-TYPE`, its bytes, and a line's end. What was cut off at its
/// end by a kill is left out.
#[derive(Debug)]
pub struct ManifestStore {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    end: u64,
    index: HashMap<Digest, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    offset: u64,
    length: usize,
    media_type: MediaType,
}

/// The longest line before a manifest, in bytes.
const LINE_BYTES_MAX: usize = 512;

impl ManifestStore {
    /// Opens a file of manifests; creates it where there is none. A symbolic link is not followed.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, PlaceError> {
        let failed = |source| PlaceError::Journal {
            path: path.to_owned(),
            source,
        };
        let file = own_file::open(path).map_err(failed)?;
        Self::read(file, path).map_err(failed)
    }

    /// A file without a name, for one process.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn temporary() -> Result<Self, PlaceError> {
        let path = PathBuf::from("a temporary file");
        let made = tempfile::tempfile().and_then(|file| Self::read(file, &path));
        made.map_err(|source| PlaceError::Journal { path, source })
    }

    fn read(file: File, path: &Path) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        let (mut index, mut end) = (HashMap::new(), 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            io::Read::take(&mut reader, LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
            let Some((digest, bytes, media_type)) = heading(&line) else {
                break;
            };
            let offset = end + line.len() as u64;
            let next = offset + bytes as u64 + 1;
            if next > length {
                break;
            }
            index.insert(
                digest,
                Kept {
                    offset,
                    length: bytes,
                    media_type,
                },
            );
            reader.seek_relative(bytes as i64 + 1)?;
            end = next;
        }
        drop(reader);
        file.set_len(end)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State { file, end, index }),
        })
    }

    /// A manifest, if it is kept. One that does not have its digest any more is not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(&self, digest: &Digest) -> Result<Option<Manifest>, PlaceError> {
        let state = self.state();
        let Some(kept) = state.index.get(digest).cloned() else {
            return Ok(None);
        };
        let mut bytes = vec![0; kept.length];
        let read = state.file.read_exact_at(&mut bytes, kept.offset);
        drop(state);
        read.map_err(|source| self.failed(source))?;
        if Digest::of(digest.algorithm(), &bytes) != *digest {
            return Ok(None);
        }
        Ok(Manifest::parse(bytes, Some(&kept.media_type)).ok())
    }

    /// Keeps a manifest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, digest: &Digest, manifest: &Manifest) -> Result<(), PlaceError> {
        let (bytes, media_type) = (manifest.bytes(), manifest.media_type());
        let mut record = format!("{digest} {} {media_type}\n", bytes.len()).into_bytes();
        let heading = record.len() as u64;
        record.extend_from_slice(bytes);
        record.push(b'\n');
        let mut state = self.state();
        if state.index.contains_key(digest) {
            return Ok(());
        }
        let end = state.end;
        let written = state
            .file
            .seek(SeekFrom::Start(end))
            .and_then(|_| state.file.write_all(&record));
        written.map_err(|source| self.failed(source))?;
        let kept = Kept {
            offset: end + heading,
            length: bytes.len(),
            media_type: media_type.clone(),
        };
        state.index.insert(*digest, kept);
        state.end = end + record.len() as u64;
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> PlaceError {
        PlaceError::Journal {
            path: self.path.clone(),
            source,
        }
    }
}

fn heading(line: &[u8]) -> Option<(Digest, usize, MediaType)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut words = line.split(' ');
    let digest = words.next()?.parse().ok()?;
    let length: usize = words.next()?.parse().ok()?;
    let media_type = words.next()?.parse().ok()?;
    (words.next().is_none() && length <= MANIFEST_BYTES_MAX).then_some((digest, length, media_type))
}

#[cfg(test)]
mod tests {
    use oci::{Descriptor, ImageManifest};
    use proptest::prelude::*;

    use super::*;

    fn manifest(number: u8) -> Manifest {
        let config = Descriptor::of(MediaType::OCI_CONFIG, &[number]);
        Manifest::from_image(&ImageManifest::new(config, Vec::new()))
    }

    #[test]
    fn what_is_kept_is_there_after_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifests");
        let store = ManifestStore::open(&path).unwrap();
        for number in 0..3 {
            store.keep(&manifest(number).digest(), &manifest(number)).unwrap();
            store.keep(&manifest(number).digest(), &manifest(number)).unwrap();
        }
        drop(store);
        let store = ManifestStore::open(&path).unwrap();
        for number in 0..3 {
            let found = store.find(&manifest(number).digest()).unwrap();
            assert_eq!(found.unwrap().bytes(), manifest(number).bytes());
        }
        assert!(store.find(&manifest(9).digest()).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn a_torn_end_loses_only_what_was_torn(cut in 0_usize..2000, junk in proptest::collection::vec(any::<u8>(), 0..40)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("manifests");
            let store = ManifestStore::open(&path).unwrap();
            let mut ends = vec![0];
            for number in 0..4 {
                store.keep(&manifest(number).digest(), &manifest(number)).unwrap();
                ends.push(std::fs::metadata(&path).unwrap().len() as usize);
            }
            drop(store);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.truncate(cut);
            let whole = ends.iter().filter(|end| **end > 0 && **end <= bytes.len()).count();
            bytes.extend(junk);
            std::fs::write(&path, &bytes).unwrap();
            let store = ManifestStore::open(&path).unwrap();
            for number in 0..whole as u8 {
                prop_assert!(store.find(&manifest(number).digest()).unwrap().is_some());
            }
            for number in 0..5 {
                store.keep(&manifest(number).digest(), &manifest(number)).unwrap();
            }
            drop(store);
            let store = ManifestStore::open(&path).unwrap();
            prop_assert!(store.find(&manifest(4).digest()).unwrap().is_some());
        }

        #[test]
        fn a_changed_byte_gives_nothing_wrong(at in 0_usize..1500, value in any::<u8>()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("manifests");
            let store = ManifestStore::open(&path).unwrap();
            for number in 0..4 {
                store.keep(&manifest(number).digest(), &manifest(number)).unwrap();
            }
            drop(store);
            let mut bytes = std::fs::read(&path).unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            std::fs::write(&path, &bytes).unwrap();
            let store = ManifestStore::open(&path).unwrap();
            for number in 0..4 {
                if let Ok(Some(found)) = store.find(&manifest(number).digest()) {
                    let right = manifest(number);
                    prop_assert_eq!(found.bytes(), right.bytes());
                }
            }
        }
    }
}
