//! The JSON documents that scripts read. Keys are only ever added, so each test names those that there are.

use serde_json::Value;

use crate::program::Place;

/// Runs the program and gives the document that it printed.
#[track_caller]
fn document(place: &Place, status: i32, arguments: &[&str]) -> Value {
    let ran = place.run(&[arguments, &["--format", "json"]].concat());
    assert_eq!(ran.status, Some(status), "{}", ran.stderr);
    let schema = format!("{{\"schema\":\"lightship/{}/v1\",", arguments[0]);
    let beginning: String = ran.stdout.split_whitespace().take(3).collect();
    assert!(beginning.starts_with(&schema), "{}", ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Every key of a document, by the path to it; one line each.
fn keys(document: &Value) -> String {
    fn collect(value: &Value, path: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = format!("{path}.{key}");
                    into.push(path.clone());
                    collect(value, &path, into);
                }
            }
            Value::Array(items) => items
                .iter()
                .for_each(|item| collect(item, &format!("{path}[]"), into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    collect(document, "", &mut all);
    all.sort();
    all.dedup();
    all.join("\n")
}

#[test]
fn keys_of_build() {
    let place = Place::with_specification();
    let built = document(
        &place,
        0,
        &[
            "build",
            "tiny.yaml",
            "--offline",
            "--arch",
            "amd64,arm64",
            "-o",
            "oci:out",
        ],
    );
    insta::assert_snapshot!(keys(&built), @r"
    .elapsed_ms
    .failures
    .images
    .images[].digest
    .images[].name
    .images[].outputs
    .images[].platforms
    .images[].platforms[].architecture
    .images[].platforms[].compressed_bytes
    .images[].platforms[].digest
    .images[].platforms[].os
    .images[].platforms[].unpacked_bytes
    .images[].platforms[].variant
    .images[].variant
    .layers
    .layers.built
    .layers.reused
    .schema
    ");
    assert_eq!(built["images"][0]["platforms"].as_array().unwrap().len(), 2);
}

#[test]
fn keys_of_catalogue() {
    insta::assert_snapshot!(keys(&document(&Place::empty(), 0, &["catalogue"])), @r"
    .images
    .images[].architectures
    .images[].description
    .images[].name
    .images[].release
    .images[].supported_until
    .images[].supported_until_long_term
    .images[].variants
    .schema
    ");
}

#[test]
fn keys_of_inspect() {
    let place = Place::with_images();
    insta::assert_snapshot!(keys(&document(&place, 0, &["inspect", "oci:images:tiny-latest"])), @r"
    .annotations
    .digest
    .image
    .media_type
    .platforms
    .platforms[].annotations
    .platforms[].compressed_bytes
    .platforms[].config
    .platforms[].config.cmd
    .platforms[].config.created
    .platforms[].config.entrypoint
    .platforms[].config.env
    .platforms[].config.labels
    .platforms[].config.ports
    .platforms[].config.stop_signal
    .platforms[].config.user
    .platforms[].config.volumes
    .platforms[].config.workdir
    .platforms[].contents
    .platforms[].contents.directories
    .platforms[].contents.files
    .platforms[].contents.packages
    .platforms[].contents.unpacked_bytes
    .platforms[].digest
    .platforms[].layers
    .platforms[].layers[].comment
    .platforms[].layers[].compressed_bytes
    .platforms[].layers[].created_by
    .platforms[].layers[].diff_id
    .platforms[].layers[].digest
    .platforms[].layers[].media_type
    .platforms[].layers[].unpacked_bytes
    .platforms[].platform
    .referrers
    .schema
    ");
}

#[test]
fn keys_of_ls() {
    let place = Place::with_images();
    let listed = document(&place, 0, &["ls", "oci:images:tiny-latest", "/hello"]);
    insta::assert_snapshot!(keys(&listed), @r"
    .digest
    .files
    .files[].gid
    .files[].kind
    .files[].layer
    .files[].mode
    .files[].mtime
    .files[].path
    .files[].sha256
    .files[].size
    .files[].uid
    .schema
    ");
}

#[test]
fn keys_of_diff_and_its_exit_statuses() {
    let place = Place::with_images();
    let same = ["diff", "oci:images:tiny-latest", "oci:images:tiny-latest"];
    assert_eq!(document(&place, 0, &same)["files"].as_array().unwrap().len(), 0);
    let other = ["diff", "oci:images:tiny-latest", "oci:images:tiny-other"];
    insta::assert_snapshot!(keys(&document(&place, 1, &other)), @r"
    .after
    .before
    .compressed_bytes
    .compressed_bytes.after
    .compressed_bytes.before
    .config
    .files
    .files[].after
    .files[].after.gid
    .files[].after.mode
    .files[].after.mtime
    .files[].after.size
    .files[].after.type
    .files[].after.uid
    .files[].before
    .files[].changed
    .files[].path
    .layers
    .layers[].after
    .layers[].after.compressed_bytes
    .layers[].after.diff_id
    .layers[].after.digest
    .layers[].after.unpacked_bytes
    .layers[].before
    .layers[].before.compressed_bytes
    .layers[].before.diff_id
    .layers[].before.digest
    .layers[].before.unpacked_bytes
    .layers[].position
    .packages
    .schema
    .unpacked_bytes
    .unpacked_bytes.after
    .unpacked_bytes.before
    ");
}

#[test]
fn keys_of_test_and_its_exit_statuses() {
    let place = Place::with_images();
    let check = |path: &str| {
        let file = format!(
            "schemaVersion: 2.0.0\nfileExistenceTests:\n  - {{name: a file, path: {path}, shouldExist: true}}\n"
        );
        place.write("test.yaml", &file);
        ["test", "oci:images:tiny-latest", "-c", "test.yaml"]
    };
    document(&place, 0, &check("/hello"));
    insta::assert_snapshot!(keys(&document(&place, 1, &check("/nope"))), @r"
    .architecture
    .elapsed_ms
    .failed
    .image
    .notes
    .passed
    .results
    .results[].elapsed_ms
    .results[].errors
    .results[].file
    .results[].kind
    .results[].name
    .results[].status
    .results[].stderr
    .results[].stdout
    .schema
    .skipped
    .total
    ");
    let junit = place.run(&[&check("/hello")[..], &["--format", "junit"]].concat());
    assert!(junit.stdout.starts_with("<?xml"), "{}", junit.stdout);
}

#[test]
fn keys_of_copy() {
    let place = Place::with_images();
    let copied = document(
        &place,
        0,
        &["copy", "oci:images:tiny-latest", "oci-archive:out.tar"],
    );
    insta::assert_snapshot!(keys(&copied), @r"
    .images
    .images[].blob_bytes
    .images[].blobs
    .images[].blobs_present
    .images[].digest
    .images[].manifests
    .images[].tag
    .schema
    ");
}

#[test]
fn keys_of_lock() {
    let place = Place::with_images();
    let ran = document(&place, 0, &["lock", "tiny.yaml", "--offline"]);
    assert_eq!(ran["written"], false);
    insta::assert_snapshot!(keys(&ran), @r"
    .changed
    .images_added
    .images_removed
    .lock
    .packages
    .schema
    .written
    ");
}

#[test]
fn keys_of_cache() {
    let place = Place::with_images();
    let shown = document(&place, 0, &["cache", "show"]);
    assert!(shown["files"].as_u64().unwrap() > 0);
    insta::assert_snapshot!(keys(&shown), @r"
    .bytes
    .directory
    .files
    .schema
    .shelves
    .shelves[].bytes
    .shelves[].files
    .shelves[].name
    ");
    insta::assert_snapshot!(keys(&document(&place, 0, &["cache", "clean"])), @r"
    .bytes_freed
    .directory
    .files_removed
    .schema
    ");
    assert_eq!(document(&place, 0, &["cache", "show"])["files"], 0);
}
