//! The registry's buckets, resources, API and scopes.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Look, Spotted, bucket};
use crate::kind::Kind;
use crate::mapped::{Mapped, Span};
use crate::reading::outline::plain;
use crate::reading::{Command, Piece, Role};

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    resources(look);
    buckets(look);
    buckets_of_resources(look);
    services(look);
    scopes(look);
}

/// What each of the names below has a part of: most texts have none, and are gone through once for all of them.
static PARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a few short literals")]
    AhoCorasick::new(["egistry", "containerregistry.", "devstorage.", "storage-r"]).expect("a few literals")
});

fn may_name(text: &str) -> bool {
    PARTS.is_match(text)
}

/// `resource "google_container_registry" "x"`, and what Pulumi calls the same.
fn resources(look: &mut Look<'_>) {
    let document = look.document;
    for piece in &document.pieces {
        let text = piece.text.text();
        let range = match look.kind {
            Kind::Hcl if piece.role == Role::Key && is_resource_type(piece) => Some(0..text.len()),
            Kind::Hcl => None,
            Kind::Json if piece.role == Role::Key && is_resource_type(piece) => Some(0..text.len()),
            _ => written_resource(text, piece.role),
        };
        if let Some(range) = range {
            let message = "Container Registry has no resources any more: declare a google_artifact_registry_repository and read images from it";
            look.spot(Spotted::new(
                "container-registry-resource",
                piece.text.span(range),
                piece.role,
                message,
            ));
        }
    }
}

fn is_resource_type(piece: &Piece) -> bool {
    let mut keys = piece.keys();
    let (block, kind) = (keys.next(), keys.next());
    let is_type = matches!(
        kind,
        Some(
            "google_container_registry"
                | "google_container_registry_repository"
                | "google_container_registry_image"
        )
    );
    matches!(block, Some("resource" | "data")) && is_type && keys.next().is_none()
}

/// Names of the resource in Pulumi's languages, and in CDK for Terraform.
const WRITTEN_RESOURCES: [&str; 14] = [
    "gcp:container/registry:Registry",
    "gcp:container:Registry",
    "gcp:container/getRegistryImage:getRegistryImage",
    "gcp:container/getRegistryRepository:getRegistryRepository",
    "gcp:container:getRegistryImage",
    "gcp:container:getRegistryRepository",
    "gcp.container.Registry",
    "gcp.container.getRegistry",
    "gcp.container.get_registry",
    "container.NewRegistry(",
    "container.GetRegistryRepository(",
    "container.GetRegistryImage(",
    "DataGoogleContainerRegistry",
    "GoogleContainerRegistry",
];

fn written_resource(text: &str, role: Role) -> Option<Range<usize>> {
    if !matches!(role, Role::Value | Role::Unknown | Role::Literal) || !may_name(text) {
        return None;
    }
    let found = WRITTEN_RESOURCES.iter().find_map(|name| {
        let at = text.find(name)?;
        let before = text.get(..at)?.chars().next_back();
        let is_whole = before.is_none_or(|before| !before.is_alphanumeric() && before != '_');
        is_whole.then(|| at..at + name.trim_end_matches('(').len())
    })?;
    // What is only imported is used elsewhere.
    (!text.trim_start().starts_with("import ")).then_some(found)
}

/// `bucket = google_container_registry.NAME.id` of Terraform: the bucket as the provider's resource names it.
fn buckets_of_resources(look: &mut Look<'_>) {
    const RESOURCE: &str = "google_container_registry.";
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.' | '[' | ']');
    let document = look.document;
    for piece in document.pieces.iter().filter(|piece| gives_access(piece)) {
        let (text, role) = (piece.text.text(), piece.role);
        let found = match role {
            // An expression is no text: it stands behind its key.
            Role::Key if text == "bucket" && look.kind == Kind::Hcl => {
                let file = look.source.text();
                let rest = file.get(piece.text.whole_span().end..).unwrap_or_default();
                let value = rest
                    .trim_start_matches([' ', '\t', '"'])
                    .strip_prefix('=')
                    .unwrap_or_default();
                let value = value.trim_start_matches([' ', '\t']);
                value.starts_with(RESOURCE).then(|| {
                    let start = value.as_ptr().addr() - file.as_ptr().addr();
                    let length = value.find(|sign| !is_part(sign)).unwrap_or(value.len());
                    Span {
                        start,
                        end: start + length,
                    }
                })
            }
            Role::Key => None,
            _ => text.find(RESOURCE).map(|at| {
                let rest = text.get(at..).unwrap_or_default();
                let length = rest.find(|sign| !is_part(sign)).unwrap_or(rest.len());
                piece.text.span(at..at + length)
            }),
        };
        if let Some(span) = found {
            look.spot(Spotted::new("bucket-access", span, role, bucket::ACCESS));
        }
    }
}

fn buckets(look: &mut Look<'_>) {
    let document = look.document;
    let is_policy = document.pieces.iter().any(is_kind_of_policy);
    for piece in &document.pieces {
        bucket::spot(look, &piece.text, gives_access(piece) || is_policy, piece.role);
    }
}

/// Whether a text stands in something that gives access: Terraform's, Pulumi's and Deployment Manager's resources.
fn gives_access(piece: &Piece) -> bool {
    piece.keys().any(|key| {
        let bare = plain(key);
        // google_storage_bucket_iam_member, storage.BucketIAMMember, google_project_iam_member with a condition.
        bare.contains("bucketiam")
            || bare.contains("bucketacl")
            || bare.contains("accesscontrol")
            || bare.contains("objectacl")
            || bare.contains("projectiam")
            || bare.contains("folderiam")
            || bare.contains("organizationiam")
            || matches!(bare.as_str(), "bindings" | "storagebuckets" | "iampolicy")
    })
}

/// `kind: IAMPolicyMember` of Config Connector, `type: …iamMemberBinding` of Deployment Manager.
fn is_kind_of_policy(piece: &Piece) -> bool {
    let last = piece.keys().last().unwrap_or_default();
    let text = piece.text.text();
    match last {
        "kind" => matches!(
            text,
            "IAMPolicy"
                | "IAMPolicyMember"
                | "IAMPartialPolicy"
                | "StorageBucketAccessControl"
                | "StorageDefaultObjectAccessControl"
        ),
        "type" => [
            "iamMemberBinding",
            "iamPolicy",
            "bucketAccessControl",
            "BucketIAM",
            "defaultObjectAccessControl",
        ]
        .iter()
        .any(|kind| text.contains(kind)),
        "bindings" => true,
        _ => false,
    }
}

fn services(look: &mut Look<'_>) {
    const SERVICE: &str = "containerregistry.googleapis.com";
    let document = look.document;
    let texts = document.pieces.iter().map(|piece| (&piece.text, piece.role));
    let words = document
        .commands
        .iter()
        .flat_map(|command| command.words.iter().map(|word| (word, command.role)));
    for (mapped, role) in texts.chain(words) {
        let text = mapped.text();
        if !may_name(text) {
            continue;
        }
        for (at, _) in text.match_indices(SERVICE) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            if before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '-' | '_' | '.')) {
                continue;
            }
            let span = mapped.span(at..at + SERVICE.len());
            let message =
                "the API of Container Registry: Artifact Registry's is artifactregistry.googleapis.com";
            look.spot(Spotted::new("container-registry-api", span, role, message));
        }
    }
}

/// Scopes that give no more than reading, or reading and writing, buckets.
const SCOPES: [&str; 4] = [
    "devstorage.read_only",
    "devstorage.read_write",
    "storage-ro",
    "storage-rw",
];

fn scopes(look: &mut Look<'_>) {
    let document = look.document;
    let kind = look.kind;
    // Few texts have one, and to look at where they stand takes longer.
    let has_scope = |piece: &&Piece| {
        let text = piece.text.text();
        may_name(text) && SCOPES.iter().any(|scope| text.contains(scope))
    };
    let pieces = document.pieces.iter().filter(has_scope);
    for piece in pieces.filter(|piece| names_scopes(piece, kind)) {
        spot_scopes(look, &piece.text, 0, piece.role);
    }
    let is_gcloud = |command: &&Command| {
        command
            .texts()
            .next()
            .is_some_and(|first| first.ends_with("gcloud"))
    };
    for command in document.commands.iter().filter(is_gcloud) {
        for word in &command.words {
            let from = word.text().find("scopes=").map_or(0, |at| at + "scopes=".len());
            spot_scopes(look, word, from, command.role);
        }
    }
}

const SCOPE_MESSAGE: &str = "a scope on buckets, by which nodes pulled: Artifact Registry also asks for roles/artifactregistry.reader of their account, so grant it on the repository";

/// Notes the scopes of a list, which begins at `from`.
fn spot_scopes(look: &mut Look<'_>, text: &Mapped, from: usize, role: Role) {
    let mut start = from;
    for word in text
        .text()
        .get(from..)
        .unwrap_or_default()
        .split([',', ' ', '\n'])
    {
        let opening = word.len() - word.trim_start_matches(['"', '\'', '[', ']']).len();
        let bare = word.trim_matches(['"', '\'', '[', ']']);
        let name = bare.rsplit('/').next().unwrap_or(bare);
        if SCOPES.contains(&name) {
            let at = start + opening;
            let span = text.span(at..at + bare.len());
            look.spot(Spotted::new("oauth-scope", span, role, SCOPE_MESSAGE));
        }
        // The sign between two has one byte.
        start += word.len() + 1;
    }
}

/// Whether a text is among the scopes that nodes get; programs have scopes of their own, which are no matter of nodes.
fn names_scopes(piece: &Piece, kind: Kind) -> bool {
    if piece.role == Role::Key {
        return false;
    }
    let keys: Vec<String> = piece.keys().map(plain).collect();
    let has = |wanted: &str| keys.iter().any(|key| key.contains(wanted));
    // Descriptions of APIs have scopes for each method.
    let is_of_nodes = has("serviceaccount") || has("node") || has("instance");
    has("oauthscopes")
        || match kind {
            Kind::Hcl | Kind::Yaml | Kind::Toml => has("scopes"),
            _ => has("scopes") && is_of_nodes,
        }
}

#[cfg(test)]
mod tests {
    use crate::Settings;
    use crate::rules::found::found_anywhere as rules;

    #[test]
    fn every_name_of_a_resource_passes_the_sift() {
        let sift = crate::sift::Sift::new(&Settings::default());
        for name in super::WRITTEN_RESOURCES {
            assert!(sift.is_of_interest(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_is_left_of_the_registry_is_found() {
        for (path, text, wanted) in [
            (
                "a.tf",
                "resource \"google_container_registry\" \"r\" {\n}\n",
                "container-registry-resource google_container_registry",
            ),
            (
                "a.tf",
                "data \"google_container_registry_image\" \"r\" {}\n",
                "container-registry-resource google_container_registry_image",
            ),
            ("a.tf", "x = google_container_registry.r.id\n", ""),
            (
                "a.tf",
                "resource \"google_storage_bucket_iam_member\" \"x\" {\n bucket = \"eu.artifacts.${var.p}.appspot.com\"\n}",
                "bucket-access eu.artifacts.${var.p}.appspot.com",
            ),
            (
                "a.tf",
                "locals {\n b = \"artifacts.p.appspot.com\"\n}",
                "bucket-name artifacts.p.appspot.com",
            ),
            ("a.tf", "x = \"artifacts.p.appspot.com.example\"\n", ""),
            ("a.tf", "x = \"p.appspot.com\"\n", ""),
            (
                "a.ts",
                "new gcp.storage.BucketIAMMember(\"x\", { bucket: `${region}.artifacts.${p}.appspot.com` })",
                "bucket-access ${region}.artifacts.${p}.appspot.com",
            ),
            (
                "a.ts",
                "const r = new gcp.container.Registry(\"r\", {});",
                "container-registry-resource gcp.container.Registry",
            ),
            (
                "a.tf",
                "x = [\"containerregistry.googleapis.com\"]",
                "container-registry-api containerregistry.googleapis.com",
            ),
        ] {
            assert_eq!(rules(path, text), wanted, "{text}");
        }
    }

    #[test]
    fn access_to_the_bucket_of_a_resource_is_found() {
        for (path, text, wanted) in [
            (
                "a.tf",
                "resource \"google_storage_bucket_iam_member\" \"x\" {\n  bucket = google_container_registry.r.id # x\n  role = \"y\"\n}\n",
                "bucket-access google_container_registry.r.id",
            ),
            (
                "a.tf",
                "resource \"google_storage_bucket_iam_member\" \"x\" {\n  bucket = \"${google_container_registry.r[0].id}\"\n}\n",
                "bucket-access google_container_registry.r[0].id",
            ),
            (
                "a.tf.json",
                "{\"resource\": {\"google_storage_bucket_iam_member\": {\"x\": {\"bucket\": \"${google_container_registry.r.id}\"}}}}",
                "bucket-access google_container_registry.r.id",
            ),
            (
                "a.tf",
                "resource \"google_storage_bucket_iam_member\" \"x\" {\n  bucket = google_storage_bucket.google_container_registry.id\n}\n",
                "",
            ),
        ] {
            assert_eq!(rules(path, text), wanted, "{text}");
        }
    }

    #[test]
    fn scopes_of_nodes_are_found() {
        for (path, text, wanted) in [
            (
                "a.tf",
                "resource \"google_container_node_pool\" \"x\" {\n node_config {\n oauth_scopes = [\"storage-ro\", \"https://www.googleapis.com/auth/devstorage.read_write\"]\n }\n}",
                "oauth-scope storage-ro, oauth-scope https://www.googleapis.com/auth/devstorage.read_write",
            ),
            (
                "a.py",
                "SCOPES = ['https://www.googleapis.com/auth/devstorage.read_only']",
                "",
            ),
            (
                "a.yaml",
                "oauthScopes: xstorage-rw, storage-ro storage-ro",
                "oauth-scope storage-ro, oauth-scope storage-ro",
            ),
            (
                "a.sh",
                "gcloud container clusters create x --scopes=storage-rw,storage-ro,'storage-rw'",
                "oauth-scope storage-rw, oauth-scope storage-ro, oauth-scope storage-rw",
            ),
            (
                "a.json",
                "{\"oauthScopes\": [\"https://www.googleapis.com/auth/devstorage.read_only\"]}",
                "oauth-scope https://www.googleapis.com/auth/devstorage.read_only",
            ),
        ] {
            assert_eq!(rules(path, text), wanted, "{text}");
        }
    }
}
