//! Paths of requests: what was read can be written, and is then read as the same.

use registry::{Operation, route};

/// What must hold of every input.
pub fn check(input: &str) {
    let Ok(operation) = route(input) else {
        return;
    };
    let again = match &operation {
        Operation::Ping => "/v2/".to_owned(),
        Operation::Catalog => "/v2/_catalog".to_owned(),
        Operation::Blob { name, digest } => format!("/v2/{}/blobs/{digest}", encoded(name)),
        Operation::Uploads { name } => format!("/v2/{}/blobs/uploads/", encoded(name)),
        Operation::Upload { name, session } => {
            format!("/v2/{}/blobs/uploads/{}", encoded(name), encoded(session))
        }
        Operation::Manifest { name, reference } => {
            use registry::Reference;
            let reference = match reference {
                Reference::Tag(tag) => tag.to_string(),
                Reference::Digest(digest) => digest.to_string(),
            };
            format!("/v2/{}/manifests/{reference}", encoded(name))
        }
        Operation::Tags { name } => format!("/v2/{}/tags/list", encoded(name)),
        Operation::Referrers { name, digest } => format!("/v2/{}/referrers/{digest}", encoded(name)),
        // Names of no package.
        _ => return,
    };
    // One that became longer than what is looked at says nothing.
    if again.len() <= 2048 {
        assert_eq!(route(&again), Ok(operation), "{again}");
    }
}

fn encoded(name: &str) -> String {
    name.replace('%', "%25")
}
