use std::path::Path;

use super::*;
use crate::specification::{Plan, Specification};

pub(super) fn locked_plan() -> Plan {
    let text = "lightship: 1\npackages: [liba1]\narchitectures: [amd64, arm64]\n";
    let specification = Specification::parse("app.yaml", text, Path::new("")).expect("is read");
    specification.plan("latest").expect("every image has it").clone()
}

pub(super) fn small_lock() -> Lock {
    let package = |name: &str, architecture: &str| LockedPackage {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version: "1:1.0-1".to_owned(),
        archive: "debian trixie".to_owned(),
        path: format!("pool/main/a/{name}/{name}_1.0-1_{architecture}.deb"),
        size: 1000,
        sha256: "a".repeat(64),
        source: name.to_owned(),
        source_version: "1:1.0-1".to_owned(),
    };
    Lock {
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        encoder: archive::Encoder::Gzip.id().to_owned(),
        emulation: crate::emulation::EMULATION_ID.to_owned(),
        archives: vec![LockedArchive {
            name: "debian".to_owned(),
            suite: "trixie".to_owned(),
            date: "2026-11-20T10:00:00Z".parse().expect("a date"),
            inrelease_sha256: "b".repeat(64),
            signers: vec!["0123".to_owned()],
            key_sha256: None,
            indexes: [("main/binary-amd64".to_owned(), "b".repeat(64))].into(),
        }],
        packages: vec![package("liba1", "amd64"), package("tz", "all")],
        images: vec![LockedImage {
            name: "app".to_owned(),
            variant: "latest".to_owned(),
            release: Release::Debian13,
            specification: specification_digest(&locked_plan()),
            platforms: [(Architecture::Amd64, vec![0, 1])].into(),
        }],
    }
}

fn check_refused(from: &str, to: &str, message: &str) {
    let text = small_lock().to_text();
    assert!(text.contains(from), "{text}");
    let error = Lock::parse(text.replace(from, to).as_bytes()).expect_err("is refused");
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_lock_is_read_back() {
    let lock = small_lock();
    assert_eq!(Lock::parse(lock.to_text().as_bytes()).expect("is a lock"), lock);
}

#[test]
fn every_package_has_a_line() {
    let text = small_lock().to_text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("{\"name\":\"liba1\""))
        .collect();
    assert_eq!(lines.len(), 1);
    assert!(text.contains("\n\"amd64\":[\"liba1\",\"tz\"]\n"), "{text}");
}

#[test]
fn two_versions_of_a_name_are_told_apart() {
    let mut lock = small_lock();
    let mut other = lock.packages.last().expect("is there").clone();
    other.version = "2".to_owned();
    lock.packages.push(other);
    for image in &mut lock.images {
        image.platforms.insert(Architecture::Arm64, vec![2]);
    }
    let text = lock.to_text();
    assert!(text.contains("\"amd64\":[\"liba1\",\"tz=1:1.0-1\"]"), "{text}");
    assert!(text.contains("\"arm64\":[\"tz=2\"]"), "{text}");
    assert_eq!(Lock::parse(text.as_bytes()).expect("is a lock"), lock);
}

#[test]
fn a_newer_version_is_refused_with_words() {
    let message = "the lock has version 2, newer than version 1, which this program reads; update lightship";
    check_refused("\"version\": 1,", "\"version\": 2, \"later\": true,", message);
}

#[test]
fn what_contradicts_itself_is_refused() {
    check_refused(
        "[\"liba1\",\"tz\"]",
        "[\"liba1\",\"tq\"]",
        "the lock says \"tq\" as package of app:latest",
    );
    check_refused(
        "[\"liba1\",\"tz\"]",
        "[\"tz\",\"liba1\"]",
        "the lock says \"amd64\" as order of packages of app:latest",
    );
    check_refused(
        "pool/main/a/tz/",
        "../",
        "the lock says \"../tz_1.0-1_all.deb\" as path of tz",
    );
    check_refused(
        "debian13",
        "debian14",
        "the lock says \"debian14\" as release of app:latest",
    );
    check_refused(
        "\"trixie\"",
        "\"sid\"",
        "the lock says \"debian trixie\" as archive of liba1",
    );
    let (digest, short) = ("a".repeat(64), "a".repeat(63));
    check_refused(
        &digest,
        &short,
        &format!("the lock says {short:?} as sha256 of liba1"),
    );
    check_refused("\"size\":", "\"colour\":1,\"size\":", "the lock cannot be read");
}

#[test]
fn a_long_lock_is_refused() {
    let mut text = small_lock().to_text().into_bytes();
    text.resize(LOCK_BYTES_MAX, b' ');
    assert!(Lock::parse(&text).is_ok());
    text.push(b' ');
    assert!(matches!(Lock::parse(&text), Err(LockError::TooLong { .. })));
}

#[test]
fn a_lock_names_no_host() {
    assert!(!small_lock().to_text().contains("://"));
}
