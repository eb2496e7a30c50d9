//! Reading a layout.

use std::io;
use std::path::Path;

use async_trait::async_trait;
use oci::{Descriptor, Digest, MANIFEST_BYTES_MAX, Manifest};
use serde::Deserialize;

use super::index_file::name_of;
use super::{INDEX, INDEX_BYTES_MAX, IndexFile, MARKER, Opened, Storage, blob_name};
use crate::companion::{self, TagKind};
use crate::tar_index::TarIndex;
use crate::{BlobRead, OpenError, Selector, Source, SourceError};

/// A layout for reading, as its `index.json` was when it was opened.
pub(crate) struct LayoutSource {
    storage: Storage,
    entries: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl LayoutSource {
    pub(crate) fn open_directory(dir: &Path) -> Result<Self, OpenError> {
        std::fs::read_dir(dir).map_err(|source| OpenError::Io {
            path: dir.to_owned(),
            source,
        })?;
        Self::open(Storage::Directory(dir.to_owned()), "an OCI layout")
    }

    pub(crate) fn open_archive(archive: TarIndex) -> Result<Self, OpenError> {
        Self::open(Storage::Archive(archive), "an archive of an OCI layout")
    }

    fn open(storage: Storage, expected: &'static str) -> Result<Self, OpenError> {
        let not_that = |problem| OpenError::NotThat {
            path: storage.path().to_owned(),
            expected,
            problem,
        };
        let marker = read_document(&storage, MARKER)?.ok_or_else(|| not_that("it has no file oci-layout"))?;
        let marker: Marker = parse_document(&storage, MARKER, || serde_json::from_slice(&marker))?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(not_that("its version is not 1"));
        }
        let index = read_document(&storage, INDEX)?.ok_or_else(|| not_that("it has no file index.json"))?;
        let index = parse_document(&storage, INDEX, || IndexFile::parse(&index))?;
        Ok(Self {
            entries: index.entries().to_vec(),
            storage,
        })
    }

    /// The bytes of a manifest, verified by digest alone, since a selector has no size.
    fn manifest_bytes(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        let opened = self.open_blob(digest)?;
        let actual = opened.length;
        let bytes = opened
            .read(MANIFEST_BYTES_MAX as u64)
            .map_err(|source| self.io(digest, source))?;
        let bytes = bytes.ok_or(SourceError::Size {
            digest: *digest,
            expected: MANIFEST_BYTES_MAX as u64,
            actual,
        })?;
        let actual = Digest::of(digest.algorithm(), &bytes);
        if actual != *digest {
            return Err(SourceError::Digest {
                expected: *digest,
                actual,
            });
        }
        Ok(bytes)
    }

    fn open_blob(&self, digest: &Digest) -> Result<Opened, SourceError> {
        let opened = self.storage.open(&blob_name(digest));
        let opened = opened.map_err(|source| self.io(digest, source))?;
        opened.ok_or(SourceError::Missing { digest: *digest })
    }

    fn io(&self, digest: &Digest, source: io::Error) -> SourceError {
        SourceError::Io {
            path: self.storage.path_of(&blob_name(digest)),
            source,
        }
    }

    fn by_digest(&self, digest: &Digest) -> Result<Descriptor, SourceError> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.digest == *digest) {
            return Ok(entry.clone());
        }
        // Children of an index are not listed: the manifest itself says what it is.
        let bytes = match self.manifest_bytes(digest) {
            Err(SourceError::Missing { .. }) => return Err(self.not_found(&Selector::Digest(*digest))),
            other => other?,
        };
        let size = bytes.len() as u64;
        let manifest = Manifest::parse(bytes, None).map_err(|source| SourceError::Manifest {
            digest: *digest,
            source,
        })?;
        Ok(Descriptor::new(manifest.media_type().clone(), *digest, size))
    }

    /// By the name itself; else by the tag that a full name ends in, as podman and docker write them.
    fn by_tag(&self, tag: &str) -> Result<Descriptor, SourceError> {
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<&Descriptor> {
            let matches = |entry: &&Descriptor| name_of(entry).is_some_and(wanted);
            self.entries.iter().filter(matches).collect()
        };
        let exact = named(&|name| name == tag);
        let found = if exact.is_empty() {
            named(&|name| name.strip_suffix(tag).is_some_and(|rest| rest.ends_with(':')))
        } else {
            exact
        };
        match found.as_slice() {
            [] => Err(self.not_found(&Selector::Tag(tag.to_owned()))),
            [first, rest @ ..] if rest.iter().all(|entry| entry.digest == first.digest) => {
                Ok((*first).clone())
            }
            several => Err(SourceError::NotUnique {
                available: several.iter().map(|entry| shown(entry)).collect(),
            }),
        }
    }

    /// The only image. Referrers, which have no name, do not count.
    fn only(&self) -> Result<Descriptor, SourceError> {
        let mut found: Option<&Descriptor> = None;
        for entry in &self.entries {
            if found.is_some_and(|found| found.digest == entry.digest) || self.is_referrer(entry) {
                continue;
            }
            if found.is_some() {
                let images = self.entries.iter().filter(|entry| !self.is_referrer(entry));
                return Err(SourceError::NotUnique {
                    available: images.map(shown).collect(),
                });
            }
            found = Some(entry);
        }
        found.cloned().ok_or_else(|| self.not_found(&Selector::Only))
    }

    fn is_referrer(&self, entry: &Descriptor) -> bool {
        if name_of(entry).is_some_and(|name| TagKind::of(name) != TagKind::Image) {
            return true;
        }
        name_of(entry).is_none()
            && self.entries.len() > 1
            && self
                .verified_manifest(entry)
                .is_ok_and(|manifest| manifest.subject().is_some())
    }

    fn verified_manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        let bytes = self.manifest_bytes(&descriptor.digest)?;
        if bytes.len() as u64 != descriptor.size {
            return Err(SourceError::Size {
                digest: descriptor.digest,
                expected: descriptor.size,
                actual: bytes.len() as u64,
            });
        }
        Manifest::parse(bytes, Some(&descriptor.media_type)).map_err(|source| SourceError::Manifest {
            digest: descriptor.digest,
            source,
        })
    }

    fn not_found(&self, selector: &Selector) -> SourceError {
        SourceError::NotFound {
            selector: selector.clone(),
            available: self
                .entries
                .iter()
                .filter_map(name_of)
                .map(str::to_owned)
                .collect(),
        }
    }
}

#[async_trait]
impl Source for LayoutSource {
    async fn resolve(&self, selector: &Selector) -> Result<Descriptor, SourceError> {
        match selector {
            Selector::Tag(tag) => self.by_tag(tag),
            Selector::Digest(digest) => self.by_digest(digest),
            Selector::Only => self.only(),
        }
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError> {
        self.verified_manifest(descriptor)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobRead, SourceError> {
        let opened = self.open_blob(&descriptor.digest)?;
        if opened.length != descriptor.size {
            return Err(SourceError::Size {
                digest: descriptor.digest,
                expected: descriptor.size,
                actual: opened.length,
            });
        }
        Ok(BlobRead::File {
            file: opened.file,
            offset: opened.offset,
            length: opened.length,
        })
    }

    async fn tags(&self) -> Result<Vec<(String, Descriptor)>, SourceError> {
        let named = |entry: &Descriptor| Some((name_of(entry)?.to_owned(), entry.clone()));
        let mut tags: Vec<_> = self.entries.iter().filter_map(named).collect();
        tags.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(tags)
    }

    /// Found among the entries, in the index that the fallback tag `ALGORITHM-HEX` names, and by cosign's tags.
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, SourceError> {
        let mut found: Vec<Descriptor> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.media_type.is_manifest()) {
            // What cannot be read is not known to refer to anything; whoever copies it will hear of it.
            let Ok(manifest) = self.verified_manifest(entry) else {
                continue;
            };
            if manifest
                .subject()
                .is_some_and(|subject| subject.digest == *digest)
            {
                let mut descriptor = manifest.descriptor();
                descriptor.digest = entry.digest;
                descriptor.annotations = manifest.annotations().clone();
                found.push(descriptor);
            }
        }
        let fallback = companion::fallback_tag(digest);
        let tagged = self
            .entries
            .iter()
            .find(|entry| name_of(entry) == Some(&fallback));
        if let Some(tagged) = tagged
            && let Some(index) = self.verified_manifest(tagged)?.index()
        {
            for entry in &index.manifests {
                if found.iter().all(|other| other.digest != entry.digest) {
                    found.push(entry.clone());
                }
            }
        }
        for tag in companion::tags_of(digest) {
            // With its name, which it must keep.
            found.extend(
                self.entries
                    .iter()
                    .filter(|entry| name_of(entry) == Some(&tag))
                    .cloned(),
            );
        }
        found.sort_by_key(|descriptor| descriptor.digest);
        found.dedup_by_key(|descriptor| descriptor.digest);
        Ok(found)
    }
}

fn shown(entry: &Descriptor) -> String {
    name_of(entry).map_or_else(|| entry.digest.to_string(), str::to_owned)
}

pub(crate) fn read_document(storage: &Storage, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let io = |source| OpenError::Io {
        path: storage.path_of(name),
        source,
    };
    let Some(opened) = storage.open(name).map_err(io)? else {
        return Ok(None);
    };
    match opened.read(INDEX_BYTES_MAX).map_err(io)? {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(OpenError::TooLarge {
            path: storage.path().to_owned(),
            document: name.to_owned(),
            limit_bytes: INDEX_BYTES_MAX,
        }),
    }
}

fn parse_document<T>(
    storage: &Storage,
    name: &str,
    parse: impl FnOnce() -> Result<T, serde_json::Error>,
) -> Result<T, OpenError> {
    parse().map_err(|source| OpenError::Document {
        path: storage.path().to_owned(),
        document: name.to_owned(),
        source,
    })
}
