//! Real data of Debian: whole it is trusted, altered anywhere it is not, and nothing of it is kept.

use debian::Architecture;
use debian::index::PackageIndex;
use debian::keyring::Keyring;
use debian::mirror::{MirrorArgument, Mirrors};
use debian::repository::{
    FetchError, FetchedIndex, OlderReleases, PackageRequest, Repository, SignedRelease,
};
use testkit::{Fault, Signer, TestArchive, TestServer, public_key};

use crate::mirror_of_debian::{
    BY_HASH_PATH, DEB, INDEX_PATH, INDEX_XZ, INRELEASE, INRELEASE_PATH, Mirror, NOW, POOL_PATH, SUITE,
    altered, package,
};
use crate::setup::{Setup, words};

fn repository(urls: &[&str]) -> Repository {
    let arguments: Vec<MirrorArgument> = urls.iter().map(|url| url.parse().unwrap()).collect();
    Repository::debian(SUITE, &Mirrors::from_arguments(&arguments)).unwrap()
}

fn amd64() -> Architecture {
    "amd64".parse().unwrap()
}

async fn release(setup: &Setup, server: &TestServer) -> Result<SignedRelease, FetchError> {
    setup.archives().release(&repository(&[&server.url()])).await
}

async fn index(setup: &Setup, server: &TestServer) -> Result<FetchedIndex, FetchError> {
    let repository = repository(&[&server.url()]);
    let archives = setup.archives();
    let release = archives.release(&repository).await.unwrap();
    archives.index(&repository, &release, "main", &amd64()).await
}

#[tokio::test]
async fn a_whole_mirror_is_trusted_and_then_nothing_more_is_asked_for() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let (repository, archives) = (repository(&[&server.url()]), setup.archives());
    let signed = archives.release(&repository).await.unwrap();
    assert_eq!(signed.signers.len(), 2);
    let index = archives
        .index(&repository, &signed, "main", &amd64())
        .await
        .unwrap();
    assert_eq!(
        (index.bytes.len(), index.path.as_str()),
        (2351, "main/binary-amd64/Packages")
    );
    assert!(PackageIndex::parse(index.bytes).is_ok());
    let path = archives.package(&repository.uris, &package()).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), DEB);

    let asked = server.requests().len();
    archives
        .index(&repository, &signed, "main", &amd64())
        .await
        .unwrap();
    archives.package(&repository.uris, &package()).await.unwrap();
    assert_eq!(server.requests().len(), asked);
    drop(server);

    let offline = setup.offline();
    let again = offline.release(&repository).await.unwrap();
    assert_eq!(again.release, signed.release);
    offline
        .index(&repository, &again, "main", &amd64())
        .await
        .unwrap();
    offline.package(&repository.uris, &package()).await.unwrap();
}

#[tokio::test]
async fn a_mirror_on_disk_serves_too() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let repository = repository(&[&format!("file://{}", mirror.path().display())]);
    let archives = setup.offline();
    let signed = archives.release(&repository).await.unwrap();
    archives
        .index(&repository, &signed, "main", &amd64())
        .await
        .unwrap();
    archives.package(&repository.uris, &package()).await.unwrap();
}

#[tokio::test]
async fn a_release_with_one_altered_byte_is_not_trusted() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let digests = INRELEASE
        .windows(7)
        .position(|window| window == b"SHA256:")
        .unwrap();
    mirror.put(INRELEASE_PATH, &altered(INRELEASE, digests + 1000));
    let error = release(&setup, &mirror.serve()).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    assert!(words(&error).contains("altered"), "{}", words(&error));
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn a_release_whose_signatures_were_altered_is_not_trusted() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let text = std::str::from_utf8(INRELEASE).unwrap();
    let armor = text.find("-----BEGIN PGP SIGNATURE-----").unwrap();
    // Other base64 digits in the middle of every line, so in each of the signatures.
    let (signed, signatures) = text.split_at(armor);
    let turned = |line: &str| match line.len() {
        64 => format!(
            "{}{}{}",
            &line[..30],
            if &line[30..34] == "AAAA" { "BBBB" } else { "AAAA" },
            &line[34..]
        ),
        _ => line.to_owned(),
    };
    let bad: Vec<String> = signatures.lines().map(turned).collect();
    mirror.put(INRELEASE_PATH, format!("{signed}{}\n", bad.join("\n")).as_bytes());
    let error = release(&setup, &mirror.serve()).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn a_release_signed_by_others_is_not_trusted() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let stranger = Keyring::parse(public_key(Signer::Stranger).as_bytes()).unwrap();
    let repository = repository(&[&server.url()]).signed_by(stranger);
    let error = setup.archives().release(&repository).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    assert!(words(&error).contains("not trusted here"), "{}", words(&error));

    let forged = TestArchive::builder()
        .suite(SUITE, "amd64")
        .signer(Signer::Stranger)
        .build();
    let forged_release = std::fs::read(forged.path().join("dists/trixie-updates/InRelease")).unwrap();
    mirror.put(INRELEASE_PATH, &forged_release);
    let error = release(&setup, &server).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn a_truncated_release_is_not_trusted() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    mirror.put(INRELEASE_PATH, &INRELEASE[..INRELEASE.len() / 2]);
    let error = release(&setup, &mirror.serve()).await.unwrap_err();
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn a_release_past_its_time_is_refused_but_not_from_a_snapshot() {
    let mirror = Mirror::whole();
    let server = mirror.serve();
    let setup = Setup::at("2026-11-29T02:09:06Z");
    let error = release(&setup, &server).await.unwrap_err();
    assert!(matches!(error, FetchError::Expired { .. }), "{error}");
    assert_eq!(setup.files_kept(), 0);
    assert!(release(&Setup::at("2026-11-29T02:09:05Z"), &server).await.is_ok());

    mirror.put("/20261123T000000Z/dists/trixie-updates/InRelease", INRELEASE);
    let dated = repository(&[&format!("debian={}/20261123T000000Z", server.url())]);
    assert!(setup.archives().release(&dated).await.is_ok());
}

#[tokio::test]
async fn a_release_of_the_future_is_refused() {
    let (mirror, setup) = (Mirror::whole(), Setup::at("2026-11-21T00:00:00Z"));
    let error = release(&setup, &mirror.serve()).await.unwrap_err();
    // Its signatures are of the future too, which is noticed first.
    assert!(words(&error).contains("clock"), "{}", words(&error));
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn the_release_of_another_suite_is_refused_though_debian_signed_it() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    mirror.put(
        INRELEASE_PATH,
        include_bytes!("../fixtures/releases/bookworm.InRelease"),
    );
    let error = release(&setup, &mirror.serve()).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::OtherSuite { actual, .. } if actual == "bookworm"),
        "{error}"
    );
    assert_eq!(setup.files_kept(), 0);
}

#[tokio::test]
async fn a_release_older_than_one_seen_before_is_refused_unless_asked_for() {
    // The same suite a day later, as if Debian had signed it: the ring of this test has both keys.
    let keys = format!(
        "{}\n{}",
        include_str!("../../keys/debian-archive.asc"),
        public_key(Signer::Archive)
    );
    let both = Keyring::parse(keys.as_bytes()).unwrap();
    let later = TestArchive::builder()
        .suite(SUITE, "amd64")
        .date(1_795_399_200)
        .build();
    let mirror = Mirror::whole();
    mirror.put(
        INRELEASE_PATH,
        &std::fs::read(later.path().join("dists/trixie-updates/InRelease")).unwrap(),
    );
    let server = mirror.serve();
    let mut setup = Setup::at("2026-11-23T12:00:00Z");
    let repository = repository(&[&server.url()]).signed_by(both);
    let newer = setup.archives().release(&repository).await.unwrap();
    assert_eq!(newer.release.date.to_string(), "2026-11-23T02:00:00Z");

    mirror.put(INRELEASE_PATH, INRELEASE);
    let error = setup.archives().release(&repository).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Older { seen, .. } if *seen == newer.release.date),
        "{error}"
    );
    setup.options.older_releases = OlderReleases::Allow;
    assert!(setup.archives().release(&repository).await.is_ok());
    setup.options.older_releases = OlderReleases::Refuse;
    assert!(setup.archives().release(&repository).await.is_err());
}

#[tokio::test]
async fn an_index_that_does_not_match_is_refused_with_both_digests() {
    let truncated = INDEX_XZ[..INDEX_XZ.len() / 2].to_vec();
    for bad in [altered(INDEX_XZ, 600), truncated, Vec::new()] {
        let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
        mirror.remove(BY_HASH_PATH);
        mirror.put(INDEX_PATH, &bad);
        let server = mirror.serve();
        let error = index(&setup, &server).await.unwrap_err();
        let FetchError::IndexMismatch {
            suite,
            architecture,
            path,
            expected,
            actual,
            actual_bytes,
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!((suite.as_str(), architecture), (SUITE, &amd64()));
        assert_eq!(path, "main/binary-amd64/Packages.xz");
        assert_eq!(
            expected,
            "eea860c5dea11680e64299adb2736c2367c4235763a66f2b70ca61ce1b51978a"
        );
        assert_eq!(*actual_bytes, bad.len() as u64);
        assert_ne!(actual, expected);
        let said = error.to_string();
        assert!(
            said.contains(expected) && said.contains(actual) && said.contains("amd64"),
            "{said}"
        );
        // The release and the note of its date.
        assert_eq!(setup.files_kept(), 2);
    }
}

#[tokio::test]
async fn an_index_is_asked_for_by_its_digest_first() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    // A mirror in the middle of an update: the name is already the next one's.
    mirror.put(INDEX_PATH, b"newer");
    let server = mirror.serve();
    assert!(index(&setup, &server).await.is_ok());
    assert!(!server.requests().contains(&format!("GET {INDEX_PATH}")));

    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    mirror.remove(BY_HASH_PATH);
    let server = mirror.serve();
    assert!(index(&setup, &server).await.is_ok());
    assert!(server.requests().contains(&format!("GET {INDEX_PATH}")));
}

#[tokio::test]
async fn an_architecture_or_component_that_a_suite_lacks_is_told_apart() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let (repository, archives) = (repository(&[&server.url()]), setup.archives());
    let signed = archives.release(&repository).await.unwrap();
    let mips = "mips64el".parse().unwrap();
    let error = archives
        .index(&repository, &signed, "main", &mips)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, FetchError::ArchitectureAbsent { architecture, .. } if *architecture == mips),
        "{error}"
    );
    let error = archives
        .index(&repository, &signed, "games", &amd64())
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::ComponentAbsent { .. }), "{error}");
}

#[tokio::test]
async fn an_altered_package_is_refused_and_not_kept() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    server.fault_always(&format!("/debian/{POOL_PATH}"), Fault::FlipByte(100_000));
    let uris = repository(&[&server.url()]).uris;
    let error = setup.archives().package(&uris, &package()).await.unwrap_err();
    let FetchError::FileMismatch {
        path,
        expected,
        actual,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(path, POOL_PATH);
    assert!(expected.starts_with("92bb8f5e") && expected != actual);
    assert_eq!(setup.files_kept(), 0);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_package_of_another_size_is_refused_by_its_size() {
    for bytes in [&DEB[..DEB.len() - 1], &[DEB, b"x"].concat()] {
        let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
        mirror.put(&format!("/debian/{POOL_PATH}"), bytes);
        let server = mirror.serve();
        let uris = repository(&[&server.url()]).uris;
        let error = setup.archives().package(&uris, &package()).await.unwrap_err();
        assert!(
            matches!(error, FetchError::SizeMismatch { expected_bytes: 186_704, actual_bytes, .. } if actual_bytes == bytes.len() as u64),
            "{error}"
        );
        assert_eq!(setup.files_kept(), 0);
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let path = format!("/debian/{POOL_PATH}");
    server.fault_once(&path, Fault::CutAfter(100_000));
    let uris = repository(&[&server.url()]).uris;
    let file = setup.archives().package(&uris, &package()).await.unwrap();
    assert_eq!(std::fs::read(file).unwrap(), DEB);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[1].contains(" bytes="), "{requests:?}");
}

#[tokio::test]
async fn a_wrong_beginning_from_an_earlier_run_costs_one_more_download_only() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let path = format!("/debian/{POOL_PATH}");
    // Breaks off for good after a byte was altered, so that a wrong beginning stays for the next run.
    server.fault_always(&path, Fault::CutAfter(1000));
    let uris = repository(&[&server.url()]).uris;
    assert!(setup.archives().package(&uris, &package()).await.is_err());
    let left = walk(setup.cache.root())
        .into_iter()
        .find(|path| path.to_string_lossy().contains("partial"))
        .unwrap();
    std::fs::write(&left, vec![b'x'; 5000]).unwrap();
    let good = mirror.serve();
    let uris = repository(&[&good.url()]).uris;
    let file = setup.archives().package(&uris, &package()).await.unwrap();
    assert_eq!(std::fs::read(file).unwrap(), DEB);
    assert_eq!(good.requests().len(), 2);
}

#[tokio::test]
async fn a_second_mirror_steps_in_and_what_is_wrong_with_the_first_is_told_if_none_does() {
    let (good, bad, setup) = (Mirror::whole(), Mirror::whole(), Setup::at(NOW));
    bad.put(&format!("/debian/{POOL_PATH}"), &altered(DEB, 7));
    let (good_server, bad_server) = (good.serve(), bad.serve());
    let both = repository(&[&bad_server.url(), &good_server.url()]).uris;
    assert!(setup.archives().package(&both, &package()).await.is_ok());

    let setup = Setup::at(NOW);
    good.remove(&format!("/debian/{POOL_PATH}"));
    let error = setup.archives().package(&both, &package()).await.unwrap_err();
    assert!(matches!(error, FetchError::FileMismatch { .. }), "{error}");
}

#[tokio::test]
async fn one_file_is_fetched_once_however_many_want_it() {
    let (mirror, setup) = (Mirror::whole(), Setup::at(NOW));
    let server = mirror.serve();
    let request = PackageRequest {
        uris: repository(&[&server.url()]).uris,
        file: package(),
    };
    let requests = vec![request; 12];
    let (one, other) = (setup.archives(), setup.archives());
    let (first, second) = tokio::join!(one.packages(&requests), other.packages(&requests));
    assert_eq!((first.unwrap().len(), second.unwrap().len()), (12, 12));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let setup = Setup::at(NOW);
    for path in [
        "../etc/passwd",
        "/etc/passwd",
        "pool//x",
        "pool/./x",
        "pool/x/",
        "",
        "a\\b",
    ] {
        let file = debian::repository::PackageFile {
            path: path.to_owned(),
            ..package()
        };
        let error = setup
            .archives()
            .package(&repository(&["http://127.0.0.1:1"]).uris, &file)
            .await
            .unwrap_err();
        assert!(matches!(error, FetchError::Path { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn offline_says_what_is_missing() {
    let setup = Setup::at(NOW);
    let repository = repository(&["http://127.0.0.1:1"]);
    let error = setup.offline().release(&repository).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Offline { what } if what.contains(SUITE)),
        "{error}"
    );
    let error = setup
        .offline()
        .package(&repository.uris, &package())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, FetchError::Offline { what } if what == POOL_PATH),
        "{error}"
    );
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}
