//! The `index.json` of a layout.

use std::collections::BTreeMap;

use oci::{Descriptor, MediaType, annotation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An `index.json`. Entries that others wrote are kept verbatim, with whatever they hold.
#[derive(Debug)]
pub(crate) struct IndexFile {
    document: Document,
    entries: Vec<Descriptor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    #[serde(default)]
    manifests: Option<Vec<Box<RawValue>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

impl IndexFile {
    /// An index of nothing.
    pub(crate) fn empty() -> Self {
        Self {
            document: Document {
                schema_version: 2,
                media_type: Some(MediaType::OCI_INDEX),
                manifests: None,
                annotations: None,
            },
            entries: Vec::new(),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(bytes)?;
        let manifests = document.manifests.iter().flatten();
        let entries = manifests
            .map(|entry| serde_json::from_str(entry.get()))
            .collect::<Result<_, _>>()?;
        Ok(Self { document, entries })
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'d> {
            schema_version: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            media_type: Option<&'d MediaType>,
            manifests: &'d [Box<RawValue>],
            #[serde(skip_serializing_if = "Option::is_none")]
            annotations: Option<&'d BTreeMap<String, String>>,
        }
        serde_json::to_vec(&Written {
            schema_version: self.document.schema_version,
            media_type: self.document.media_type.as_ref(),
            manifests: self.document.manifests.as_deref().unwrap_or_default(),
            annotations: self.document.annotations.as_ref(),
        })
    }

    /// The entries, in order.
    pub(crate) fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Lists a manifest, by `name` or without one, and says whether that changed anything.
    ///
    /// A name that is there gets the new manifest, in its place. A manifest without a name is listed
    /// at most once, and no longer when it gets a name.
    pub(crate) fn put(
        &mut self,
        name: Option<&str>,
        descriptor: &Descriptor,
    ) -> Result<bool, serde_json::Error> {
        let mut entry = descriptor.clone();
        entry.annotations.remove(annotation::REF_NAME);
        let place = match name {
            Some(name) => {
                entry
                    .annotations
                    .insert(annotation::REF_NAME.to_owned(), name.to_owned());
                let named = self.entries.iter().position(|there| name_of(there) == Some(name));
                named.or_else(|| self.position_of_unnamed(descriptor))
            }
            None if self.entries.iter().any(|there| there.digest == entry.digest) => return Ok(false),
            None => None,
        };
        let raw = serde_json::value::to_raw_value(&entry)?;
        let manifests = self.document.manifests.get_or_insert_default();
        match place.and_then(|place| Some((self.entries.get_mut(place)?, manifests.get_mut(place)?))) {
            Some((there, _)) if is_same(there, &entry) => return Ok(false),
            Some((there, raw_there)) => {
                *there = entry;
                *raw_there = raw;
            }
            None => {
                self.entries.push(entry);
                manifests.push(raw);
            }
        }
        Ok(true)
    }

    fn position_of_unnamed(&self, descriptor: &Descriptor) -> Option<usize> {
        self.entries
            .iter()
            .position(|there| there.digest == descriptor.digest && name_of(there).is_none())
    }
}

/// The name of an entry: the specification's annotation, else containerd's.
pub(crate) fn name_of(entry: &Descriptor) -> Option<&str> {
    let annotation = |key| entry.annotations.get(key).map(String::as_str);
    annotation(annotation::REF_NAME).or_else(|| annotation(annotation::CONTAINERD_IMAGE_NAME))
}

/// Whether an entry says what the new one would say; it may say more.
fn is_same(there: &Descriptor, entry: &Descriptor) -> bool {
    there.digest == entry.digest
        && there.size == entry.size
        && there.media_type == entry.media_type
        && there.annotations == entry.annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(content: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::OCI_MANIFEST, content)
    }

    fn names(index: &IndexFile) -> Vec<String> {
        let entry =
            |entry: &Descriptor| format!("{}={}", name_of(entry).unwrap_or("-"), &entry.digest.hex()[..4]);
        index.entries().iter().map(entry).collect()
    }

    #[test]
    fn a_name_moves_in_its_place() {
        let mut index = IndexFile::empty();
        assert!(index.put(Some("a"), &descriptor(b"1")).unwrap());
        assert!(index.put(Some("b"), &descriptor(b"1")).unwrap());
        assert!(index.put(Some("a"), &descriptor(b"2")).unwrap());
        assert_eq!(names(&index), ["a=d473", "b=6b86"]);
        assert!(!index.put(Some("a"), &descriptor(b"2")).unwrap());
        let again = IndexFile::parse(&index.to_json().unwrap()).unwrap();
        assert_eq!(names(&again), names(&index));
    }

    #[test]
    fn what_has_no_name_is_listed_once() {
        let mut index = IndexFile::empty();
        assert!(index.put(None, &descriptor(b"1")).unwrap());
        assert!(!index.put(None, &descriptor(b"1")).unwrap());
        assert!(index.put(Some("a"), &descriptor(b"1")).unwrap());
        assert!(!index.put(None, &descriptor(b"1")).unwrap());
        assert_eq!(names(&index), ["a=6b86"]);
    }

    #[test]
    fn entries_of_others_are_kept_verbatim() {
        let entry = format!(
            r#"{{ "size":1,"digest":"{}", "mediaType":"a/b","x":[1, 2]}}"#,
            oci::Digest::sha256_of(b"x")
        );
        let json = format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
        let mut index = IndexFile::parse(json.as_bytes()).unwrap();
        index.put(Some("a"), &descriptor(b"1")).unwrap();
        let written = String::from_utf8(index.to_json().unwrap()).unwrap();
        assert!(written.contains(&entry), "{written}");
    }

    #[test]
    fn an_index_without_a_list_is_empty() {
        for json in [
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"manifests":null}"#,
        ] {
            let index = IndexFile::parse(json.as_bytes()).unwrap();
            assert!(index.entries().is_empty());
            assert_eq!(index.to_json().unwrap(), br#"{"schemaVersion":2,"manifests":[]}"#);
        }
    }
}
