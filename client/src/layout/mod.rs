//! The OCI image layout, in a directory or inside a tar archive.
//!
//! Spec: image-spec "OCI Image Layout Specification".

mod index_file;
mod roots;
mod sink;
mod source;
mod storage;

pub(crate) use index_file::IndexFile;
pub(crate) use roots::Roots;
pub(crate) use sink::LayoutSink;
pub(crate) use source::LayoutSource;
pub(crate) use storage::{Opened, Storage};

use oci::Digest;

/// Name of the file that marks a layout.
pub(crate) const MARKER: &str = "oci-layout";

/// What that file holds.
pub(crate) const MARKER_JSON: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Name of the file that lists a layout's manifests.
pub(crate) const INDEX: &str = "index.json";

/// Most bytes of `index.json`: room for some 50,000 entries.
pub(crate) const INDEX_BYTES_MAX: u64 = 16 << 20;

/// Name of a blob's file. Safe as a path: a digest is an algorithm and hexadecimal digits.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}
