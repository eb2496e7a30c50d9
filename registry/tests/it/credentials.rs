//! Each kind of credential of the registry's own: passwords, key files, tokens.

use access::{Claims, Grants, Member, Role, SALT_BYTES, TokenKey, TokenKind, hash_password};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::Accounts as _;

use crate::accounts::{DEFAULT, PASSWORD, basic, of};
use crate::server::Server;

const RSA: &str = include_str!("../../../access/tests/it/keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../../access/tests/it/keys/rsa.pub.pem");
const RSA_FORGED: &str = include_str!("../../../access/tests/it/keys/rsa.forged.pem");

pub(crate) const SCOPE: &str = "repository:a:pull,push";

pub(crate) async fn closed() -> Server {
    let server = Server::start().await;
    server.push_image("a", "latest", b"layer").await;
    server.create_account("user:ann", &[]).await;
    server.bind(DEFAULT, &[(Role::Writer, "user:ann")]).await;
    server
}

pub(crate) async fn status(server: &Server, method: &str, path: &str, authorization: &str) -> u16 {
    let headers = [("authorization", authorization)];
    server.ask(method, path, &headers, b"").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_what_was_asked_and_is_allowed() {
    let server = closed().await;
    let reply = server
        .token(
            &of("ann"),
            "repository:a:pull,push,delete&scope=repository:b:pull&scope=registry:catalog:*",
        )
        .await;
    let document = reply.json();
    assert_eq!(
        document["scope"],
        "repository:a:pull,push repository:b:pull registry:catalog:*"
    );
    assert_eq!(document["expires_in"], 300);
    assert_eq!(document["token"], document["access_token"]);
    assert_eq!(document["issued_at"], "2027-01-15T08:00:00Z");
    let token = reply.bearer();
    for (method, path, expected) in [
        ("GET", "/v2/", 200),
        ("GET", "/v2/a/manifests/latest", 200),
        ("POST", "/v2/a/blobs/uploads/", 202),
        ("DELETE", "/v2/a/manifests/latest", 403),
        ("GET", "/v2/b/manifests/latest", 404),
        ("POST", "/v2/b/blobs/uploads/", 401),
        ("GET", "/v2/c/manifests/latest", 401),
        ("GET", "/v2/_catalog", 200),
    ] {
        assert_eq!(
            status(&server, method, path, &token).await,
            expected,
            "{method} {path}"
        );
    }
    let shown = [("authorization", &*token)];
    let reply = server.ask("POST", "/v2/b/blobs/uploads/", &shown, b"").await;
    let challenge = reply.header("www-authenticate").to_owned();
    assert!(
        challenge.ends_with(",scope=\"repository:b:pull,push\",error=\"insufficient_scope\""),
        "{challenge}"
    );
    let none = server.token(&of("ann"), "").await.bearer();
    assert_eq!(status(&server, "GET", "/v2/", &none).await, 200);
    assert_eq!(status(&server, "GET", "/v2/a/manifests/latest", &none).await, 401);
    assert_eq!(status(&server, "GET", "/v2/_catalog", &none).await, 401);
    let everything = server.token(&of("ann"), access::EVERYTHING).await.bearer();
    assert_eq!(
        status(&server, "GET", "/v2/c/manifests/latest", &everything).await,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_of_another_reaches_no_further_and_lasts_no_longer() {
    let server = closed().await;
    let first = server.token(&of("ann"), "repository:a:pull").await;
    server.clock.forward(200);
    let password = first.json()["token"].as_str().unwrap().to_owned();
    let second = server
        .token(
            &basic("_token", &password),
            "repository:a:pull,push repository:b:pull https://www.googleapis.com/auth/cloud-platform"
                .replace(' ', "&scope=")
                .as_str(),
        )
        .await;
    assert_eq!(second.json()["scope"], "repository:a:pull");
    assert_eq!(second.json()["expires_in"], 100);
    for name in ["oauth2accesstoken", "_dcgcloud_token", "_dcgcr_2_1_5_token"] {
        let shown = basic(name, &password);
        assert_eq!(
            status(&server, "GET", "/v2/a/manifests/latest", &shown).await,
            200,
            "{name}"
        );
        assert_eq!(
            status(&server, "POST", "/v2/a/blobs/uploads/", &shown).await,
            401,
            "{name}"
        );
    }
    server.clock.forward(100);
    assert_eq!(status(&server, "GET", "/v2/", &second.bearer()).await, 401);
    assert_eq!(
        server
            .token(&basic("_token", &password), "")
            .await
            .status
            .as_u16(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_forged_tokens_and_those_for_another_host_are_refused() {
    let server = closed().await;
    let token = server.token(&of("ann"), SCOPE).await.bearer();
    let path = "/v2/a/manifests/latest";
    assert_eq!(status(&server, "GET", path, &token).await, 200);
    let (_, signature) = token.rsplit_once('.').unwrap();
    let forged = token.replace(signature, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(status(&server, "GET", path, &forged).await, 401);
    let elsewhere = [("authorization", &*token), ("host", "gcr.io")];
    assert_eq!(
        server.ask("GET", "/v2/", &elsewhere, b"").await.status.as_u16(),
        401
    );
    let other_port = [("authorization", &*token), ("host", "127.0.0.1:1")];
    assert_eq!(
        server.ask("GET", "/v2/", &other_port, b"").await.status.as_u16(),
        200
    );
    server.clock.forward(299);
    assert_eq!(status(&server, "GET", path, &token).await, 200);
    server.clock.forward(1);
    assert_eq!(status(&server, "GET", path, &token).await, 401);
    let claims = Claims {
        kind: TokenKind::Access,
        subject: Some(Member::User("ann".to_owned())),
        sets: Vec::new(),
        generation: None,
        audience: server.address.to_string(),
        issued: 0,
        expires: i64::MAX,
        grants: Grants::Everything,
        relayed: Vec::new(),
    };
    let of_another_registry = format!("Bearer {}", TokenKey::new(&[7; 32]).sign(&claims));
    assert_eq!(status(&server, "GET", path, &of_another_registry).await, 401);
    // With the secret it would be one: what is tested above is the signature.
    let secret = server
        .directory
        .metadata()
        .secret("access-tokens", &[])
        .await
        .unwrap();
    let ours = format!("Bearer {}", TokenKey::new(&secret).sign(&claims));
    assert_eq!(status(&server, "GET", path, &ours).await, 200);
    let refresh = Claims {
        kind: TokenKind::Refresh,
        ..claims
    };
    let refresh = format!("Bearer {}", TokenKey::new(&secret).sign(&refresh));
    assert_eq!(status(&server, "GET", path, &refresh).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_account_ends_what_was_remembered_and_given_out() {
    let server = closed().await;
    let path = "/v2/a/manifests/latest";
    let token = server.token(&of("ann"), SCOPE).await.bearer();
    assert_eq!(status(&server, "GET", path, &of("ann")).await, 200);
    let hash = hash_password("new", &[2; SALT_BYTES]).unwrap();
    server
        .change_account("ann", |account| account.password_hash = Some(hash))
        .await;
    for (shown, expected) in [(of("ann"), 401), (token, 401), (basic("ann", "new"), 200)] {
        assert_eq!(status(&server, "GET", path, &shown).await, expected, "{shown}");
    }
    let token = server.token(&basic("ann", "new"), SCOPE).await.bearer();
    server
        .change_account("ann", |account| account.disabled = true)
        .await;
    for shown in [basic("ann", "new"), token] {
        assert_eq!(status(&server, "GET", path, &shown).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_server_of_the_store_counts_a_second_later() {
    let server = closed().await;
    let path = "/v2/a/manifests/latest";
    assert_eq!(status(&server, "GET", path, &of("ann")).await, 200);
    let metadata = server.directory.metadata();
    let mut account = metadata.account("ann").await.unwrap().unwrap();
    account.disabled = true;
    let updated = metadata
        .update_account(&account, &crate::accounts::nobody())
        .await;
    updated.unwrap().unwrap();
    server.clock.forward(1);
    assert_eq!(status(&server, "GET", path, &of("ann")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_locks_out_nobody_who_knows() {
    let server = closed().await;
    server.create_account("user:bob", &[]).await;
    assert_eq!(status(&server, "GET", "/v2/", &of("ann")).await, 200);
    for _ in 0..5 {
        assert_eq!(status(&server, "GET", "/v2/", &basic("ann", "guess")).await, 401);
    }
    let shown = [("authorization", &*basic("ann", "guess"))];
    let slowed = server.ask("GET", "/v2/", &shown, b"").await;
    assert_eq!(slowed.refusal(), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(slowed.header("retry-after"), "1");
    // She is recognised, after the minute for which she is believed too; he is somebody else.
    assert_eq!(status(&server, "GET", "/v2/", &of("ann")).await, 200);
    assert_eq!(status(&server, "GET", "/v2/", &of("bob")).await, 200);
    server.clock.forward(61);
    for _ in 0..5 {
        assert_eq!(status(&server, "GET", "/v2/", &basic("bob", "guess")).await, 401);
    }
    let waits = server
        .ask("GET", "/v2/", &[("authorization", &*basic("bob", "guess"))], b"")
        .await;
    assert_eq!(waits.status.as_u16(), 429);
    assert_eq!(status(&server, "GET", "/v2/", &of("bob")).await, 200);
    // A right password that was never shown before waits like a guess.
    server.create_account("user:carl", &[]).await;
    for _ in 0..5 {
        assert_eq!(status(&server, "GET", "/v2/", &basic("carl", "guess")).await, 401);
    }
    assert_eq!(status(&server, "GET", "/v2/", &of("carl")).await, 429);
    server.clock.forward(1);
    assert_eq!(status(&server, "GET", "/v2/", &of("carl")).await, 200);
}

fn key_file(private_key: &str) -> String {
    serde_json::json!({
        "type": "service_account", "private_key_id": "k1", "private_key": private_key,
        "client_email": "ci@p.iam.gserviceaccount.com",
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_goes_on_working_after_its_public_half_was_imported() {
    let server = closed().await;
    let name = "ci@p.iam.gserviceaccount.com";
    let expires = "2027-01-15T08:10:00Z".parse().unwrap();
    server
        .create_account(&format!("serviceAccount:{name}"), &[])
        .await;
    server
        .bind(DEFAULT, &[(Role::Reader, &format!("serviceAccount:{name}"))])
        .await;
    let file = key_file(RSA);
    let shown = [
        basic("_json_key", &file),
        basic("_json_key_base64", &STANDARD.encode(&file)),
    ];
    let path = "/v2/a/manifests/latest";
    for shown in &shown {
        assert_eq!(status(&server, "GET", path, shown).await, 401, "no key on file");
    }
    server.create_key(name, "k1", RSA_PUBLIC, Some(expires)).await;
    for shown in &shown {
        assert_eq!(status(&server, "GET", path, shown).await, 200);
        let token = server.token(shown, "repository:a:pull").await.bearer();
        assert_eq!(status(&server, "GET", path, &token).await, 200);
    }
    let forged = basic("_json_key", &key_file(RSA_FORGED));
    assert_eq!(status(&server, "GET", path, &forged).await, 401);
    let other_id = basic("_json_key", &file.replace("k1", "k2"));
    assert_eq!(status(&server, "GET", path, &other_id).await, 401);
    // Believed for a minute, but not beyond the key.
    server.clock.forward(590);
    assert_eq!(status(&server, "GET", path, &shown[0]).await, 200);
    // Nor does anything outlive the key that it was given for.
    let token = server.token(&shown[0], "repository:a:pull").await;
    assert_eq!(token.json()["expires_in"], 10);
    let encoded: String = file.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!("grant_type=password&username=_json_key&password={encoded}&access_type=offline");
    let offline = server.ask("POST", "/v2/token", &[], form.as_bytes()).await;
    assert_eq!(offline.json()["expires_in"], 10);
    assert!(offline.json().get("refresh_token").is_none());
    server.clock.forward(10);
    assert_eq!(status(&server, "GET", path, &shown[0]).await, 401);
    assert_eq!(status(&server, "GET", path, &token.bearer()).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_taken_away_counts_no_more() {
    let server = closed().await;
    server
        .create_account("serviceAccount:ci@p.iam.gserviceaccount.com", &[])
        .await;
    let name = "ci@p.iam.gserviceaccount.com";
    server.create_key(name, "k1", RSA_PUBLIC, None).await;
    let shown = basic("_json_key", &key_file(RSA));
    assert_eq!(status(&server, "GET", "/v2/", &shown).await, 200);
    let metadata = server.directory.metadata();
    let now = registry::Clock::now(&*server.clock);
    let deleted = metadata
        .delete_key(name, "k1", &crate::accounts::nobody(), now)
        .await;
    deleted.unwrap().unwrap();
    server.registry.forget_access();
    assert_eq!(status(&server, "GET", "/v2/", &shown).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_had_by_form_too() {
    let server = closed().await;
    let post = |form: String| {
        let server = &server;
        async move {
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            server.ask("POST", "/v2/token", &headers, form.as_bytes()).await
        }
    };
    let service = server.address;
    let login = |password: &str| {
        format!(
            "grant_type=password&service={service}&client_id=docker&access_type=offline&username=ann&password={}&scope={SCOPE}",
            password.replace(' ', "+")
        )
    };
    let reply = post(login(PASSWORD)).await;
    assert_eq!(
        status(&server, "GET", "/v2/a/manifests/latest", &reply.bearer()).await,
        200
    );
    let refresh = reply.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(post(login("wrong")).await.status.as_u16(), 401);
    server.clock.forward(3600);
    let renew = format!(
        "grant_type=refresh_token&service={service}&client_id=docker&refresh_token={refresh}&scope={SCOPE}"
    );
    let elsewhere = renew.replace(&service.to_string(), "other.example");
    assert_eq!(post(elsewhere).await.status.as_u16(), 401);
    let renewed = post(renew.clone()).await;
    assert_eq!(renewed.json()["expires_in"], 300);
    assert_eq!(renewed.json()["scope"], SCOPE);
    assert_eq!(
        status(&server, "POST", "/v2/a/blobs/uploads/", &renewed.bearer()).await,
        202
    );
    // It is for nothing but this.
    assert_eq!(
        status(&server, "GET", "/v2/", &basic("_token", &refresh)).await,
        401
    );
    for form in [
        "",
        "grant_type=password",
        "grant_type=refresh_token",
        "grant_type=other",
    ] {
        assert_eq!(post(form.to_owned()).await.status.as_u16(), 400, "{form}");
    }
    server
        .change_account("ann", |account| account.groups.clear())
        .await;
    assert_eq!(post(renew).await.status.as_u16(), 401);
    let nobody = post(format!(
        "grant_type=refresh_token&refresh_token=x&service={service}"
    ))
    .await;
    assert_eq!(nobody.status.as_u16(), 401);
    let put = server.ask("PUT", "/v2/token", &[], b"").await;
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, "GET, POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_itself_may_everything_and_nobody_else_can_say_they_are_it() {
    let server = closed().await;
    let own = format!("Bearer {}", server.registry.own_token());
    assert_eq!(status(&server, "POST", "/v2/a/blobs/uploads/", &own).await, 202);
    assert_eq!(
        status(&server, "DELETE", "/v2/a/manifests/latest", &own).await,
        202
    );
    let shorter = own.get(..own.len() - 1).unwrap();
    assert_eq!(status(&server, "GET", "/v2/", shorter).await, 401);
    assert_eq!(server.token(&own, SCOPE).await.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_refusals_and_failed_logins_are_accounted_for_and_nothing_secret_is() {
    let server = closed().await;
    let begun = server.audited().len();
    let path = format!("/v2/a/blobs/uploads/?digest={}", oci::Digest::sha256_of(b"x"));
    let shown = [("authorization", &*of("ann"))];
    assert_eq!(server.ask("POST", &path, &shown, b"x").await.status.as_u16(), 201);
    assert_eq!(
        status(&server, "POST", "/v2/a/blobs/uploads/", &of("ann")).await,
        202
    );
    assert_eq!(
        status(&server, "GET", "/v2/a/manifests/latest", &of("ann")).await,
        200
    );
    assert_eq!(
        status(&server, "DELETE", "/v2/a/manifests/latest", &of("ann")).await,
        403
    );
    assert_eq!(server.get("/v2/").await.status.as_u16(), 401);
    assert_eq!(status(&server, "GET", "/v2/", &basic("ann", "hush")).await, 401);
    let lines = server.audited().split_off(begun);
    let package = format!("{DEFAULT}/packages/a");
    let digest = oci::Digest::sha256_of(b"x");
    assert_eq!(
        lines[0],
        format!("audit user:ann blob.put {package} done {digest}")
    );
    let expected = format!(
        "audit user:ann tag.delete {package} denied permission artifactregistry.tags.delete denied on {DEFAULT}"
    );
    assert_eq!(lines[1], expected);
    assert_eq!(
        lines[2],
        "audit allUsers login ann denied user name or password is wrong"
    );
    assert_eq!(lines.len(), 3, "{lines:?}");
}

/// Else guessing, and the work that it makes, would cost nothing to those who do not wait for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_while_a_password_is_verified_has_failed_too() {
    let server = closed().await;
    let (peer, shown) = ("127.0.0.1:9".parse().unwrap(), basic("ann", "wrong"));
    let mut answered = 0;
    for _ in 0..200 {
        let request = hyper::Request::get("/v2/")
            .header("host", server.address.to_string())
            .header("authorization", &shown)
            .body(http_body_util::Full::new(bytes::Bytes::new()))
            .unwrap();
        // Less than a hash takes, more than it takes to begin one.
        let patience = std::time::Duration::from_millis(10);
        match tokio::time::timeout(patience, server.registry.ask(peer, request)).await {
            Ok(Ok(answer)) if answer.status() == 429 => return,
            Ok(_) => answered += 1,
            Err(_) => {}
        }
        if answered == 5 {
            // This machine was too slow to go away in time.
            return;
        }
    }
    panic!("nobody has to wait");
}

/// Else whoever has no account could drive everything out of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_audit_log_is_as_long_as_a_request() {
    let server = closed().await;
    let name = "\u{e9}".repeat(8000);
    assert_eq!(status(&server, "GET", "/v2/", &basic(&name, "x")).await, 401);
    let path = format!("/lightship/v1/{}", "a".repeat(16_000));
    assert_eq!(status(&server, "GET", &path, "Bearer x").await, 401);
    let lines = server.audited();
    assert!(
        lines.iter().any(|line| line.contains("login \u{e9}\u{e9}")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| line.len() < 2500), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_limited_by_principal_and_else_by_address() {
    let mut options = crate::server::options();
    let rate = |requests_max| {
        Some(registry::Rate {
            requests_max,
            interval: std::time::Duration::from_secs(60),
        })
    };
    options.rates = registry::Rates {
        per_address: rate(2),
        per_principal: rate(3),
    };
    let server = Server::with(options).await;
    server.create_account("user:ann", &[]).await;
    server.create_account("user:bob", &[]).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&server, "GET", "/v2/", &of("ann")).await, expected);
    }
    assert_eq!(status(&server, "GET", "/v2/", &of("bob")).await, 200);
    for expected in [401, 401, 429] {
        assert_eq!(server.get("/v2/").await.status.as_u16(), expected);
    }
    let reply = server.get("/v2/").await;
    assert_eq!(reply.refusal(), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(reply.header("retry-after"), "30");
    // Operators are not counted.
    assert_eq!(server.get("/healthz").await.status.as_u16(), 200);
    server.clock.forward(30);
    assert_eq!(server.get("/v2/").await.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_is_accounted_for_by_what_it_does_and_questions_are_not() {
    let server = closed().await;
    let begun = server.audited().len();
    let at = format!("/v1/{DEFAULT}");
    let tested = status(&server, "POST", &format!("{at}:testIamPermissions"), &of("ann")).await;
    assert_ne!(tested, 404);
    status(&server, "POST", "/lightship/v1/iam:check", &of("ann")).await;
    assert_eq!(status(&server, "DELETE", &at, &of("ann")).await, 403);
    let lines = server.audited().split_off(begun);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected = format!("audit user:ann repositories.delete {at} denied ");
    assert!(lines[0].starts_with(&expected), "{lines:?}");
}
