//! Archives made by testkit: what a specification adds, and gzip indexes.

use debian::keyring::Keyring;
use debian::repository::{FetchError, PackageFile, Repository};
use sha2::{Digest as _, Sha256};
use testkit::{DebBuilder, Signer, TestArchive, public_key};
use transport::Url;

use crate::setup::Setup;

fn vendor(url: &str) -> Repository {
    let keyring = Keyring::parse(public_key(Signer::Archive).as_bytes()).unwrap();
    let url: Url = url.parse().unwrap();
    Repository::other("vendor", url, "stable", &["main".to_owned()], keyring)
}

#[tokio::test]
async fn an_archive_of_a_specification_is_trusted_by_its_own_key_only() {
    let deb = DebBuilder::new("tool", "1:2.0~rc1-1+b2")
        .architecture("arm64")
        .build();
    let archive = TestArchive::builder().deb("stable", deb.clone()).build();
    let server = archive.serve();
    let (setup, repository) = (Setup::at("2026-02-01T00:00:00Z"), vendor(&server.url()));
    let archives = setup.archives();
    let signed = archives.release(&repository).await.unwrap();
    let index = archives
        .index(&repository, &signed, "main", &"arm64".parse().unwrap())
        .await
        .unwrap();
    assert!(
        String::from_utf8(index.bytes)
            .unwrap()
            .starts_with("Package: tool\n")
    );
    assert!(
        server
            .requests()
            .iter()
            .any(|request| request.contains("/by-hash/SHA256/"))
    );
    let file = PackageFile {
        path: testkit::pool_path(&deb),
        size: deb.bytes.len() as u64,
        sha256: Sha256::digest(&deb.bytes).into(),
    };
    archives.package(&repository.uris, &file).await.unwrap();

    let debians = repository.signed_by(Keyring::debian().unwrap());
    let error = archives.release(&debians).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
}

#[tokio::test]
async fn a_file_named_with_its_digest_is_fetched_once() {
    let deb = DebBuilder::new("tool", "1").build();
    let archive = TestArchive::builder().deb("stable", deb.clone()).build();
    let server = archive.serve();
    let (setup, digest) = (
        Setup::at("2026-02-01T00:00:00Z"),
        Sha256::digest(&deb.bytes).into(),
    );
    let url: Url = format!("{}/{}", server.url(), testkit::pool_path(&deb))
        .parse()
        .unwrap();
    let path = setup.archives().file(&url, &digest).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), deb.bytes);
    setup.archives().file(&url, &digest).await.unwrap();
    assert_eq!(server.requests().len(), 1);
    let error = setup.archives().file(&url, &[7; 32]).await.unwrap_err();
    assert!(matches!(error, FetchError::FileMismatch { .. }), "{error}");
}
