use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use archive::Encoder;
use debian::index::PackageIndex;

use super::*;
use crate::lock::LockedArchive;
use crate::release::{Architecture, Release};
use crate::specification::{Plan, Specification};

fn stanza(name: &str, version: &str, architecture: &str, fields: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{fields}Filename: pool/{name}_{architecture}.deb\n\
         Size: 10\nSHA256: {}\n\n",
        "ab".repeat(32)
    )
}

fn suite(name: &str, indexes: &[(Architecture, String)]) -> SuiteIndexes {
    let indexes: BTreeMap<_, _> = indexes
        .iter()
        .map(|(architecture, text)| {
            let index = PackageIndex::parse(text.clone().into_bytes()).expect("is an index");
            (*architecture, vec![Arc::new(index)])
        })
        .collect();
    SuiteIndexes {
        archive: LockedArchive {
            name: "debian".to_owned(),
            suite: name.to_owned(),
            date: "2026-11-20T10:00:00Z".parse().expect("a date"),
            inrelease_sha256: "b".repeat(64),
            signers: Vec::new(),
            key_sha256: None,
            indexes: BTreeMap::new(),
        },
        allow: None,
        indexes,
    }
}

fn suites(list: Vec<SuiteIndexes>) -> Suites {
    Suites {
        releases: [(Release::Debian13, list)].into(),
        repositories: BTreeMap::new(),
    }
}

fn plans(text: &str) -> Vec<Plan> {
    Specification::parse("app.yaml", text, Path::new(""))
        .unwrap_or_else(|e| panic!("{}", e.render()))
        .plans
}

/// `app` wants `lib`, which wants `heavy`; so does `tool`.
fn small_index() -> String {
    [
        stanza("app", "1", "amd64", "Depends: lib\n"),
        stanza("lib", "1", "amd64", "Depends: heavy\n"),
        stanza("heavy", "1", "all", ""),
        stanza("tool", "1", "amd64", "Depends: heavy\n"),
    ]
    .concat()
}

fn names(locked: &Locked) -> Vec<&str> {
    let image = locked.lock.image("app", "latest").expect("is locked");
    let packages = locked
        .lock
        .packages_of(image, Architecture::Amd64)
        .expect("is locked for amd64");
    packages
        .into_iter()
        .map(|package| package.name.as_str())
        .collect()
}

fn check_locked(text: &str) -> Locked {
    let suites = suites(vec![suite("trixie", &[(Architecture::Amd64, small_index())])]);
    resolve(&plans(text), &[Architecture::Amd64], &suites, Encoder::Gzip).expect("is resolved")
}

#[test]
fn an_exclude_for_some_packages_denies_nobody_else() {
    let exclude = "exclude: [{package: heavy, from: [lib], reason: r}]\n";
    let locked = check_locked(&format!("lightship: 1\npackages: [app]\n{exclude}"));
    assert_eq!(names(&locked), ["app", "lib"]);
    assert_eq!(locked.notes, []);
    let locked = check_locked(&format!("lightship: 1\npackages: [app, tool]\n{exclude}"));
    assert_eq!(names(&locked), ["app", "heavy", "lib", "tool"]);
    let note = Note::Needed {
        image: "app".to_owned(),
        package: "heavy".to_owned(),
        by: "tool".to_owned(),
    };
    assert_eq!(locked.notes, [note]);
}

#[test]
fn an_exclude_for_all_denies_everybody() {
    let locked =
        check_locked("lightship: 1\npackages: [app, tool]\nexclude: [{package: heavy, reason: r}]\n");
    assert_eq!(names(&locked), ["app", "lib", "tool"]);
}

#[test]
fn what_is_left_out_in_vain_is_told() {
    let locked = check_locked("lightship: 1\npackages: [heavy]\nexclude: [{package: lib, reason: r}]\n");
    let note = Note::Unused {
        image: "app".to_owned(),
        package: "lib".to_owned(),
    };
    assert_eq!(locked.notes, [note]);
}

#[test]
fn different_versions_and_missing_suites_are_told() {
    let index = |architecture: &str, version: &str| stanza("app", version, architecture, "");
    let main = suite(
        "trixie",
        &[
            (Architecture::Amd64, index("amd64", "1")),
            (Architecture::Arm64, index("arm64", "1+b2")),
            (Architecture::S390x, index("s390x", "1")),
        ],
    );
    let security = suite(
        "trixie-security",
        &[
            (Architecture::Amd64, index("amd64", "2")),
            (Architecture::Arm64, index("arm64", "2")),
        ],
    );
    let text = "lightship: 1\npackages: [app]\narchitectures: [amd64, arm64, s390x]\n";
    let suites = suites(vec![main, security]);
    let locked = resolve(&plans(text), &Architecture::ALL, &suites, Encoder::Gzip).expect("is resolved");
    let told: Vec<_> = locked.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "app has different versions: 1 on s390x; 2 on amd64, arm64 (in app)",
            "trixie-security has no s390x: support of images for it ended or ends on 2028-08-09",
        ]
    );
}

#[test]
fn architectures_that_were_not_read_are_left_out() {
    let suites = suites(vec![suite("trixie", &[(Architecture::Amd64, small_index())])]);
    let plans = plans("lightship: 1\npackages: [heavy]\n");
    let locked = resolve(&plans, &Architecture::ALL, &suites, Encoder::Gzip).expect("is resolved");
    let image = locked.lock.image("app", "latest").expect("is locked");
    assert_eq!(image.platforms.keys().collect::<Vec<_>>(), [&Architecture::Amd64]);
}

#[test]
fn what_cannot_be_resolved_names_the_image_and_the_packages() {
    let suites = suites(vec![suite("trixie", &[(Architecture::Amd64, small_index())])]);
    let plans = plans("lightship: 1\npackages: [no-such-package]\n");
    let error = resolve(&plans, &[Architecture::Amd64], &suites, Encoder::Gzip).expect_err("is refused");
    assert_eq!(error.to_string(), "cannot resolve app:latest for amd64");
    assert!(
        error.reason.to_string().contains("no-such-package"),
        "{}",
        error.reason
    );
}

#[test]
fn additional_archives_give_what_they_are_allowed_to() {
    let mut vendor = suite(
        "stable",
        &[(
            Architecture::Amd64,
            [stanza("heavy", "2", "all", ""), stanza("lib", "2", "amd64", "")].concat(),
        )],
    );
    vendor.archive.name = "vendor".to_owned();
    vendor.allow = Some(["heavy".parse().expect("a name")].into());
    let mut suites = suites(vec![suite("trixie", &[(Architecture::Amd64, small_index())])]);
    suites.repositories.insert("vendor".to_owned(), vendor);
    let repository = "repositories: [{name: vendor, uri: 'https://example.org/', suite: stable, components: [main], \
                      signed-by: k, packages: [heavy]}]\n";
    let text = format!("lightship: 1\npackages: [app]\n{repository}");
    let locked = resolve(&plans(&text), &[Architecture::Amd64], &suites, Encoder::Gzip).expect("is resolved");
    let versions: Vec<_> = locked
        .lock
        .packages
        .iter()
        .map(|p| (p.name.as_str(), p.version.as_str(), p.archive.as_str()))
        .collect();
    assert_eq!(
        versions,
        [
            ("app", "1", "debian trixie"),
            ("heavy", "2", "vendor stable"),
            ("lib", "1", "debian trixie"),
        ]
    );
    assert!(!locked.lock.to_text().contains("example.org"));
}
