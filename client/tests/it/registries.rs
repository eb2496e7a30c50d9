//! Registries: what is asked of them, and what happens when they misbehave.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::registry::{
    Checked, Credential, CredentialHelper, CredentialStore, DockerConfig, Encryption, HelperAnswer,
    NoHostAuthorities, NoWarnings, Registries, RegistryError, RegistryOptions,
};
use client::{BlobRead, CopyOptions, Location, Selector, Sink, SinkError, Source, SourceError};
use oci::{Descriptor, ImageManifest, Manifest, MediaType, annotation};
use transport::{RetryPolicy, Secret, Transport, TransportOptions};

use crate::fake_registry::{Answer, FakeRegistry, Fault, Wants};
use crate::sample::{Memory, blob_bytes, copy, location, write};

fn registries_with(config: &str) -> Registries {
    let mut options = TransportOptions::new("lightship-test");
    options.retry = RetryPolicy {
        first_delay: Duration::from_millis(1),
        attempts_max: 3,
        ..RetryPolicy::default()
    };
    let config = DockerConfig::parse("config.json", config.as_bytes()).unwrap();
    Registries::new(RegistryOptions {
        transport: Transport::new(options),
        credentials: CredentialStore::new(vec![config], Arc::new(NoPrograms)),
        encryption: Encryption::default(),
        authorities: Arc::new(NoHostAuthorities),
        warnings: Arc::new(NoWarnings),
    })
}

fn registries() -> Registries {
    registries_with("")
}

struct NoPrograms;

impl CredentialHelper for NoPrograms {
    fn run(&self, _: &str, _: &str, _: &[u8]) -> io::Result<HelperAnswer> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn config_for(registry: &FakeRegistry, auth: &str) -> String {
    format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.host())
}

/// user:pass
const AUTH: &str = "dXNlcjpwYXNz";

fn place(registry: &FakeRegistry, name: &str) -> Location {
    format!("{}/{name}", registry.host()).parse().unwrap()
}

fn sink(registry: &FakeRegistry, name: &str) -> Box<dyn Sink> {
    registries().open_sink(&place(registry, name)).unwrap()
}

fn source(registry: &FakeRegistry, name: &str) -> Box<dyn Source> {
    registries().open_source(&place(registry, name)).unwrap()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

const BLOB: &[u8] = b"0123456789abcdefghij";

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OCI_LAYER_TAR, BLOB)
}

fn hold(registry: &FakeRegistry, name: &str) {
    let mut state = registry.state();
    state.links.insert(format!("{name}/{}", blob().digest));
    state.blobs.insert(blob().digest.to_string(), BLOB.to_vec());
}

#[tokio::test]
async fn an_image_goes_there_and_back_with_everything() {
    for has_referrers in [true, false] {
        let registry = FakeRegistry::start();
        registry.state().has_referrers = has_referrers;
        let mut memory = Memory {
            streams: has_referrers,
            ..Memory::default()
        };
        let amd64 = memory.image("amd64", &[b"shared", b"amd64"]);
        let arm64 = memory.image("arm64", &[b"shared", b"arm64"]);
        let index = memory.index(vec![amd64.clone(), arm64]);
        let sboms = [memory.referrer(&amd64, b"1"), memory.referrer(&amd64, b"2")];
        copy(&memory, &index, &*sink(&registry, "a/b:c"), Some("c")).await;

        let source = source(&registry, "a/b:c");
        let found = source.resolve(&Selector::Tag("c".to_owned())).await.unwrap();
        assert_eq!(found.digest, index.digest);
        let referrers = source.referrers(&amd64.digest).await.unwrap();
        assert_eq!(referrers.len(), 2, "{has_referrers}");
        let dir = tempfile::tempdir().unwrap();
        let layout = location("oci", dir.path(), None);
        write(&layout, &*source, &found, Some("c")).await;
        let back = layout.open_source().unwrap();
        for sbom in sboms {
            assert!(back.manifest(&sbom).await.is_ok());
        }
        let manifest = back.manifest(&amd64).await.unwrap();
        assert_eq!(
            blob_bytes(&*back, &manifest.image().unwrap().layers[1]).await,
            b"amd64"
        );
    }
}

#[tokio::test]
async fn only_what_is_missing_is_sent() {
    let registry = FakeRegistry::start();
    let mut memory = Memory::default();
    let first = memory.image("amd64", &[b"shared", b"1"]);
    let second = memory.image("amd64", &[b"shared", b"2"]);
    copy(&memory, &first, &*sink(&registry, "a"), Some("x")).await;
    assert_eq!(registry.log("PATCH").len(), 3);
    copy(&memory, &second, &*sink(&registry, "a"), Some("y")).await;
    assert_eq!(registry.log("PATCH").len(), 5);
    let before = registry.log("").len();
    copy(&memory, &second, &*sink(&registry, "a"), Some("y")).await;
    let after: Vec<String> = registry.log("").split_off(before);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(
        after.iter().all(|line| line.starts_with("HEAD /v2/a/manifests/")),
        "{after:?}"
    );
}

#[tokio::test]
async fn within_a_registry_blobs_are_mounted_and_not_read() {
    let registry = FakeRegistry::start();
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1", b"2"]);
    copy(&memory, &image, &*sink(&registry, "a"), Some("x")).await;
    let sent = registry.log("PATCH").len();

    let registries = registries();
    let source = registries.open_source(&place(&registry, "a")).unwrap();
    let sink = registries.open_sink(&place(&registry, "b")).unwrap();
    let found = source.resolve(&Selector::Tag("x".to_owned())).await.unwrap();
    copy(&*source, &found, &*sink, Some("y")).await;
    assert_eq!(registry.log("PATCH").len(), sent);
    assert_eq!(registry.log("GET /v2/a/blobs/").len(), 0);
    assert!(registry.state().manifests.contains_key("b/y"));
    assert_eq!(
        registry
            .state()
            .links
            .iter()
            .filter(|link| link.starts_with("b/"))
            .count(),
        3
    );
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_gone_on_with() {
    let registry = FakeRegistry::start();
    hold(&registry, "a");
    let request = format!("GET /v2/a/blobs/{}", blob().digest);
    registry.fault(&request, Fault::CutAfter(7));
    registry.fault(&request, Fault::CutAfter(5));
    assert_eq!(blob_bytes(&*source(&registry, "a"), &blob()).await, BLOB);
    assert_eq!(
        registry.log("GET"),
        [
            request.clone(),
            format!("{request} range=bytes=7-"),
            format!("{request} range=bytes=12-")
        ]
    );
    // A registry without ranges sends it all again.
    registry.fault(&request, Fault::CutAfter(7));
    registry.fault(&request, Fault::IgnoreRange);
    assert_eq!(blob_bytes(&*source(&registry, "a"), &blob()).await, BLOB);
}

#[tokio::test]
async fn a_blob_that_always_breaks_off_is_given_up() {
    let registry = FakeRegistry::start();
    hold(&registry, "a");
    for _ in 0..20 {
        registry.fault("GET", Fault::CutAfter(0));
    }
    let read = source(&registry, "a")
        .blob(&blob())
        .await
        .unwrap()
        .read_all(100)
        .await;
    let error = read.unwrap_err();
    assert!(chain(&error).contains("read blob"), "{}", chain(&error));
    assert!(registry.log("GET").len() <= 10);
}

#[tokio::test]
async fn nothing_damaged_or_endless_is_kept() {
    let registry = FakeRegistry::start();
    hold(&registry, "a");
    let dir = tempfile::tempdir().unwrap();
    let layout = location("oci", dir.path(), None).open_sink().unwrap();
    for fault in [Fault::Flip, Fault::Endless] {
        registry.fault("GET /v2/a/blobs/", fault);
        let content = source(&registry, "a").blob(&blob()).await.unwrap();
        let error = layout.put_blob(&blob(), content).await.unwrap_err();
        assert!(
            matches!(error, SinkError::Digest { .. } | SinkError::Size { .. }),
            "{error}"
        );
    }
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    copy(&memory, &image, &*sink(&registry, "a"), Some("x")).await;
    registry.fault("GET /v2/a/manifests/", Fault::Flip);
    let error = source(&registry, "a").manifest(&image).await.unwrap_err();
    assert!(matches!(error, SourceError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn content_that_is_not_what_it_should_be_is_never_completed() {
    let registry = FakeRegistry::start();
    let sink = sink(&registry, "a");
    let stream = BlobRead::Stream(Box::pin(&b"0123456789ABCDEFGHIJ"[..]));
    let error = sink.put_blob(&blob(), stream).await.unwrap_err();
    assert!(matches!(error, SinkError::Digest { .. }), "{error}");
    let error = sink
        .put_blob(&blob(), BlobRead::Bytes(b"short".to_vec()))
        .await
        .unwrap_err();
    assert!(matches!(error, SinkError::Size { .. }), "{error}");
    assert_eq!(registry.log("PUT"), Vec::<String>::new());
    assert_eq!(registry.log("DELETE /v2/a/blobs/uploads/").len(), 2);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_begun_anew() {
    let registry = FakeRegistry::start();
    registry.fault("PATCH", Fault::Drop(5));
    registry.fault("PATCH", Fault::Answer(Answer::new(503)));
    sink(&registry, "a")
        .put_blob(&blob(), BlobRead::Bytes(BLOB.to_vec()))
        .await
        .unwrap();
    assert_eq!((registry.log("POST").len(), registry.log("PATCH").len()), (3, 3));
    // A stream cannot be read again by the sink, but the copy can open it again.
    let mut memory = Memory {
        streams: true,
        ..Memory::default()
    };
    let image = memory.image("amd64", &[b"1"]);
    registry.fault("PATCH", Fault::Drop(1));
    copy(&memory, &image, &*sink(&registry, "b"), Some("x")).await;
}

#[tokio::test]
async fn an_upload_whose_token_ends_is_begun_with_another() {
    let registry = FakeRegistry::start();
    registry.state().wants = Wants::AnonymousBearer;
    let challenge = format!("Bearer realm=\"http://{}/token\"", registry.host());
    let ended = Answer::new(401).header("WWW-Authenticate", &challenge);
    registry.fault("PATCH", Fault::Answer(ended));
    let content = BlobRead::Bytes(BLOB.to_vec());
    sink(&registry, "a").put_blob(&blob(), content).await.unwrap();
    assert_eq!(registry.log("GET /token").len(), 2);
}

#[tokio::test]
async fn a_mount_that_is_refused_is_no_failure() {
    let registry = FakeRegistry::start();
    let registries = registries();
    let content = || BlobRead::Bytes(BLOB.to_vec());
    let open = |name: &str| registries.open_sink(&place(&registry, name)).unwrap();
    open("a").put_blob(&blob(), content()).await.unwrap();
    registry.fault("POST", Fault::Answer(Answer::new(403)));
    open("b").put_blob(&blob(), content()).await.unwrap();
    let posts = registry.log("POST /v2/b/");
    assert!(
        posts[0].ends_with(&format!("?mount={}&from=a", blob().digest)),
        "{posts:?}"
    );
    assert_eq!(registry.log("PATCH").len(), 2);
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_looked_for() {
    let registry = FakeRegistry::start();
    hold(&registry, "a");
    for _ in 0..5 {
        registry.fault("PUT", Fault::Drop(0));
    }
    sink(&registry, "a")
        .put_blob(&blob(), BlobRead::Bytes(BLOB.to_vec()))
        .await
        .unwrap();
    assert_eq!(registry.log("PATCH").len(), 1);
}

#[tokio::test]
async fn a_registry_without_patch_gets_it_in_one_piece() {
    let registry = FakeRegistry::start();
    registry.state().knows_patch = false;
    sink(&registry, "a")
        .put_blob(&blob(), BlobRead::Bytes(BLOB.to_vec()))
        .await
        .unwrap();
    assert_eq!(registry.state().blobs[&blob().digest.to_string()], BLOB);
}

#[tokio::test]
async fn waits_as_long_as_it_is_asked_to() {
    let registry = FakeRegistry::start();
    registry.fault("HEAD", Fault::Answer(Answer::new(429).header("Retry-After", "1")));
    let started = std::time::Instant::now();
    assert!(!sink(&registry, "a").has_blob(&blob()).await.unwrap());
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(registry.log("HEAD").len(), 2);
}

#[tokio::test]
async fn credentials_go_to_nobody_else() {
    let (registry, other) = (FakeRegistry::start(), FakeRegistry::start());
    registry.state().wants = Wants::Basic;
    hold(&registry, "a");
    let registries = registries_with(&config_for(&registry, AUTH));
    // A redirect of a blob to the registry's storage.
    other.fault("GET /storage", Fault::Answer(Answer::new(200).body(BLOB)));
    let elsewhere = format!("http://{}/storage?signature=s", other.host());
    registry.fault(
        "GET /v2/a/blobs/",
        Fault::Answer(Answer::new(307).header("Location", &elsewhere)),
    );
    let source = registries.open_source(&place(&registry, "a")).unwrap();
    assert_eq!(blob_bytes(&*source, &blob()).await, BLOB);
    assert!(registry.log("GET /v2/a/blobs/")[0].ends_with(&format!("auth=Basic {AUTH}")));
    assert_eq!(other.log(""), ["GET /storage?signature=s"]);
    // An upload that goes on elsewhere.
    registry.state().uploads_at = Some(format!("http://{}", other.host()));
    for method in ["PATCH", "PUT"] {
        other.fault(method, Fault::Answer(Answer::new(201)));
    }
    let sink = registries.open_sink(&place(&registry, "b")).unwrap();
    sink.put_blob(&blob(), BlobRead::Bytes(BLOB.to_vec()))
        .await
        .unwrap();
    assert_eq!(other.log("P").len(), 2);
    assert!(
        other.log("").iter().all(|line| !line.contains("auth=")),
        "{:?}",
        other.log("")
    );
}

#[tokio::test]
async fn passwords_and_tokens_are_shown_where_they_are_asked_for() {
    for wants in [Wants::Basic, Wants::Bearer, Wants::AnonymousBearer] {
        let registry = FakeRegistry::start();
        registry.state().wants = wants.clone();
        let config = match wants {
            Wants::AnonymousBearer => String::new(),
            _ => config_for(&registry, AUTH),
        };
        let registries = registries_with(&config);
        let mut memory = Memory::default();
        let image = memory.image("amd64", &[b"1", b"2", b"3", b"4"]);
        let sink = registries.open_sink(&place(&registry, "a")).unwrap();
        copy(&memory, &image, &*sink, Some("x")).await;
        if wants != Wants::Basic {
            let tokens = registry.log("GET /token");
            assert_eq!(tokens.len(), 1, "one token is enough: {tokens:?}");
            assert!(
                tokens[0].starts_with("GET /token?service=s&scope=repository:a:pull,push"),
                "{tokens:?}"
            );
            // One that is good no more is renewed, once.
            registry.state().expire_tokens();
            assert!(sink.has_blob(&blob()).await.is_ok());
            assert_eq!(registry.log("GET /token").len(), 2);
        }
    }
}

#[tokio::test]
async fn says_who_wants_to_know_and_what_to_do() {
    let registry = FakeRegistry::start();
    let check = async |config: &str, expected: &str| {
        let sink = registries_with(config).open_sink(&place(&registry, "a")).unwrap();
        let error = sink.has_blob(&blob()).await.unwrap_err();
        let found = RegistryError::within(&error).unwrap();
        assert_eq!(found.login_host(), Some(registry.host().as_str()));
        assert!(error.to_string().contains(expected), "{error}");
    };
    for wants in [Wants::Basic, Wants::Bearer] {
        registry.state().wants = wants;
        check("", "wants a user name and password").await;
        check(
            &config_for(&registry, "dXNlcjp3cm9uZw=="),
            "refuses the credentials",
        )
        .await;
    }
    registry.state().wants = Wants::Nothing;
    let denied = Answer::new(403).body(r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#);
    registry.fault("POST", Fault::Answer(denied));
    let error = sink(&registry, "a")
        .put_blob(&blob(), BlobRead::Bytes(BLOB.to_vec()))
        .await
        .unwrap_err();
    let expected = format!(
        "cannot push blob {} to {}/a: the registry answers 403 (DENIED: not yours)",
        blob().digest,
        registry.host()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_log_in_is_checked() {
    let registry = FakeRegistry::start();
    let check = async |password: &str| {
        let credential = Credential::Password {
            username: "user".to_owned(),
            password: Secret::new(password),
        };
        registries().check(&registry.host(), credential).await
    };
    assert_eq!(check("pass").await.unwrap(), Checked::NotAsked);
    for wants in [Wants::Basic, Wants::Bearer] {
        registry.state().wants = wants;
        assert_eq!(check("pass").await.unwrap(), Checked::Good);
        let error = check("wrong").await.unwrap_err();
        assert!(matches!(error, RegistryError::LoginRefused { .. }), "{error}");
    }
}

#[tokio::test]
async fn every_page_of_tags_is_read_from_the_same_server_only() {
    let registry = FakeRegistry::start();
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    for number in 0..7 {
        copy(
            &memory,
            &image,
            &*sink(&registry, "a"),
            Some(&format!("v{number}")),
        )
        .await;
    }
    registry.state().page = 3;
    let tags = source(&registry, "a").tags().await.unwrap();
    let names: Vec<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["v0", "v1", "v2", "v3", "v4", "v5", "v6"]);
    assert!(tags.iter().all(|(_, found)| found.digest == image.digest));
    assert_eq!(registry.log("GET /v2/a/tags/list").len(), 3);
    let away = Answer::new(200)
        .header("Link", "<http://127.0.0.1:1/v2/a/tags/list>; rel=\"next\"")
        .body("{}");
    registry.fault("GET /v2/a/tags/list", Fault::Answer(away));
    let error = source(&registry, "a").tags().await.unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    let error = source(&registry, "a")
        .resolve(&Selector::Tag("none".to_owned()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("there is v0, v1, v2"), "{error}");
}

#[tokio::test]
async fn cosign_s_tags_come_along_even_through_a_layout() {
    let (first, second) = (FakeRegistry::start(), FakeRegistry::start());
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    let config = Memory::blob(&mut memory, MediaType::OCI_CONFIG, b"{}");
    let layer = Memory::blob(
        &mut memory,
        "application/vnd.dev.cosign.simplesigning.v1+json"
            .parse()
            .unwrap(),
        b"signature",
    );
    let signature = Memory::manifest(
        &mut memory,
        Manifest::from_image(&ImageManifest::new(config, vec![layer])),
    );
    let tag = format!("sha256-{}.sig", image.digest.hex());
    copy(&memory, &image, &*sink(&first, "a"), Some("x")).await;
    copy(&memory, &signature, &*sink(&first, "a"), Some(&tag)).await;

    let dir = tempfile::tempdir().unwrap();
    let layout = location("oci", dir.path(), None);
    let source = source(&first, "a");
    write(&layout, &*source, &image, Some("x")).await;
    let source = layout.open_source().unwrap();
    let found = source.resolve(&Selector::Only).await.unwrap();
    assert_eq!(found.annotations[annotation::REF_NAME], "x");
    copy(&*source, &found, &*sink(&second, "b"), Some("y")).await;
    let state = second.state();
    assert_eq!(
        state.manifests[&format!("b/{tag}")].1,
        state.manifests[&format!("b/{}", signature.digest)].1
    );
}

#[tokio::test]
async fn the_name_comes_last() {
    let registry = FakeRegistry::start();
    let mut memory = Memory::default();
    let image = memory.image("amd64", &[b"1"]);
    memory.referrer(&image, b"sbom");
    copy(&memory, &image, &*sink(&registry, "a"), Some("x")).await;
    assert_eq!(
        registry.log("PUT").last().map(String::as_str),
        Some("PUT /v2/a/manifests/x")
    );
    registry.fault("PATCH", Fault::Answer(Answer::new(403)));
    let other = memory.image("amd64", &[b"2"]);
    let target = sink(&registry, "a");
    let failed = client::copy(
        &memory,
        &other,
        &*target,
        Some("y"),
        &CopyOptions::default(),
        &progress::Silent,
    )
    .await;
    assert!(failed.is_err());
    assert!(!registry.state().manifests.contains_key("a/y"));
}
