//! Archives as `docker save` writes them and `docker load` reads them.
//!
//! There is no specification; followed are docker 29, podman 5 and skopeo 1.18. A file `manifest.json`
//! lists images, each with the names of its configuration and layers in the archive.

mod sink;
mod source;

pub(crate) use sink::DockerArchiveSink;
pub(crate) use source::DockerArchiveSource;

use serde::{Deserialize, Serialize};

/// Name of the list of images.
const MANIFEST: &str = "manifest.json";

/// Most bytes of that list.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// One image of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    /// Name of the configuration's file.
    config: String,
    /// Names, as `NAME:TAG`.
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    /// Names of the layers' files, from the bottom up.
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// A name in its full form, to compare: podman writes `localhost/cc:a`, docker `cc:a`.
fn normalised(name: &str) -> String {
    let name = ["docker.io/library/", "docker.io/", "localhost/"]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}
