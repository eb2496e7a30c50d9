//! Tokens of other issuers: identity tokens under their keys, opaque ones by asking.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use access::{IssuerRules, Role};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use registry::{AccessOptions, Introspection, Issuer};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use store::Accounts as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use transport::{RetryPolicy, Secret, Transport, TransportOptions};

use crate::accounts::{DEFAULT, basic};
use crate::server::{Server, options};

/// When the test's clock begins.
const NOW: i64 = 1_800_000_000;

/// The status of what is not answered at all.
const NEVER: u16 = 0;

/// An issuer on this machine: what it answers by path, and what it was asked.
#[derive(Clone)]
struct Elsewhere {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    key: Arc<RsaKeyPair>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, (u16, String)>,
    asked: Vec<String>,
}

impl Elsewhere {
    async fn start() -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pem = include_str!("../../../access/tests/it/keys/rsa.pem");
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let elsewhere = Elsewhere {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            key: Arc::new(RsaKeyPair::from_pkcs8(&STANDARD.decode(lines).unwrap()).unwrap()),
        };
        let state = Arc::clone(&elsewhere.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&state)));
            }
        });
        elsewhere
    }

    fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    fn answers(&self, path: &str, status: u16, document: &Value) {
        let mut state = self.state.lock().unwrap();
        state
            .answers
            .insert(path.to_owned(), (status, document.to_string()));
    }

    /// How often something was asked of a path.
    fn asked(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.starts_with(path)).count()
    }

    fn publish_key(&self, id: &str) {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({"kty": "RSA", "kid": id, "n": encoded(&public.n), "e": encoded(&public.e)});
        self.answers("/keys", 200, &json!({"keys": [key]}));
        let configuration = json!({"issuer": self.name(), "jwks_uri": format!("{}/keys", self.name())});
        self.answers("/.well-known/openid-configuration", 200, &configuration);
    }

    fn token(&self, key: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": self.name(), "sub": "robot", "aud": "registry", "exp": NOW + 7200, "repository": "a/b",
        });
        change(&mut claims);
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            encoded(&json!({"alg": "RS256", "kid": key})),
            encoded(&claims)
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn issuer(&self, introspection: Option<Introspection>) -> Issuer {
        Issuer {
            rules: IssuerRules {
                issuer: self.name(),
                audiences: vec!["registry".to_owned()],
                pool: "elsewhere".to_owned(),
                attributes: BTreeMap::from([("repo".to_owned(), "repository".to_owned())]),
                email_domains: vec!["example.com".to_owned()],
                ..IssuerRules::default()
            },
            keys_url: None,
            introspection,
            token_prefix: "opq_".to_owned(),
        }
    }

    /// A registry that believes this issuer.
    async fn believed(&self, introspection: Option<Introspection>) -> Server {
        let mut options = options();
        let mut transport = TransportOptions::new("test");
        transport.retry = RetryPolicy {
            attempts_max: 1,
            ..RetryPolicy::default()
        };
        options.access = AccessOptions {
            issuers: vec![self.issuer(introspection)],
            transport: Some(Transport::new(transport)),
            ..AccessOptions::default()
        };
        let server = Server::with(options).await;
        server
            .bind(
                DEFAULT,
                &[
                    (Role::Writer, "principalSet://elsewhere/attribute.repo/a/b"),
                    (Role::Reader, "user:ann@example.com"),
                ],
            )
            .await;
        server
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let (status, document) = {
            let mut state = state.lock().unwrap();
            state
                .asked
                .push(format!("{path} {}\n{head}", String::from_utf8_lossy(&body)));
            state.answers.get(&path).cloned().unwrap_or((404, String::new()))
        };
        if status == NEVER {
            std::future::pending::<()>().await;
        }
        let reply = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{document}",
            document.len()
        );
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

async fn begins_upload(server: &Server, authorization: &str) -> u16 {
    let shown = [("authorization", authorization)];
    let reply = server.ask("POST", "/v2/a/blobs/uploads/", &shown, b"").await;
    reply.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_is_a_principal_of_its_issuer() {
    let elsewhere = Elsewhere::start().await;
    elsewhere.publish_key("k1");
    let server = elsewhere.believed(None).await;
    assert_eq!(server.get("/v2/").await.status.as_u16(), 401);
    let token = elsewhere.token("k1", |_| ());
    for shown in [
        format!("Bearer {token}"),
        basic("oauth2accesstoken", &token),
        basic("_token", &token),
    ] {
        assert_eq!(begins_upload(&server, &shown).await, 202);
    }
    let ours = server.token(&basic("_token", &token), "repository:a:push").await;
    assert_eq!(ours.json()["scope"], "repository:a:push");
    assert_eq!(begins_upload(&server, &ours.bearer()).await, 202);
    assert_eq!(elsewhere.asked("/keys"), 1);
    let refused = |change: fn(&mut Value)| {
        let (server, token) = (&server, elsewhere.token("k1", change));
        async move { begins_upload(server, &format!("Bearer {token}")).await }
    };
    assert_eq!(refused(|claims| claims["aud"] = "other".into()).await, 401);
    assert_eq!(refused(|claims| claims["exp"] = (NOW - 60).into()).await, 401);
    assert_eq!(refused(|claims| claims["iss"] = "http://other".into()).await, 401);
    assert_eq!(refused(|claims| claims["repository"] = "a/c".into()).await, 403);
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        begins_upload(&server, &format!("Bearer {signed}.AAAA")).await,
        401
    );
    // Remembered, but not beyond its end.
    server.clock.forward(7200 + 60);
    assert_eq!(begins_upload(&server, &format!("Bearer {token}")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_again_when_one_is_new_and_used_for_a_day_when_they_cannot() {
    let elsewhere = Elsewhere::start().await;
    elsewhere.publish_key("k1");
    let server = elsewhere.believed(None).await;
    let bearer = |key: &str, end: i64| {
        format!(
            "Bearer {}",
            elsewhere.token(key, |claims| claims["exp"] = end.into())
        )
    };
    assert_eq!(begins_upload(&server, &bearer("k1", NOW + 100_000)).await, 202);
    elsewhere.publish_key("k2");
    // Not at once: anybody could have them fetched as often as they like.
    assert_eq!(begins_upload(&server, &bearer("k2", NOW + 100_000)).await, 401);
    server.clock.forward(30);
    assert_eq!(begins_upload(&server, &bearer("k2", NOW + 100_000)).await, 202);
    assert_eq!(elsewhere.asked("/keys"), 2);
    elsewhere.answers("/keys", 500, &Value::Null);
    server.clock.forward(4000);
    assert_eq!(begins_upload(&server, &bearer("k2", NOW + 100_001)).await, 202);
    assert_eq!(elsewhere.asked("/keys"), 3);
    server.clock.forward(24 * 3600);
    assert_eq!(begins_upload(&server, &bearer("k2", NOW + 200_000)).await, 503);
}

/// Else anybody could keep everybody waiting, with a token that names a key that nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_known_are_used_while_an_issuer_lets_us_wait_for_others() {
    let elsewhere = Elsewhere::start().await;
    elsewhere.publish_key("k1");
    let server = elsewhere.believed(None).await;
    let bearer = |key: &str, end: i64| {
        let token = elsewhere.token(key, |claims| claims["exp"] = end.into());
        format!("Bearer {token}")
    };
    assert_eq!(begins_upload(&server, &bearer("k1", NOW + 5000)).await, 202);
    elsewhere.answers("/keys", NEVER, &Value::Null);
    server.clock.forward(30);
    let (unknown, known) = (bearer("k9", NOW + 5000), bearer("k1", NOW + 6000));
    let others = async {
        while elsewhere.asked("/keys") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        begins_upload(&server, &known).await
    };
    let patience = std::time::Duration::from_secs(20);
    tokio::select! {
        status = begins_upload(&server, &unknown) => panic!("answered {status} without the keys"),
        status = tokio::time::timeout(patience, others) => assert_eq!(status, Ok(202)),
    }
}

fn introspection(elsewhere: &Elsewhere) -> Introspection {
    Introspection::Introspection {
        url: format!("{}/introspect", elsewhere.name()).parse().unwrap(),
        client_id: "registry".to_owned(),
        client_secret: Secret::new("s"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_is_what_its_issuer_says() {
    let elsewhere = Elsewhere::start().await;
    let server = elsewhere.believed(Some(introspection(&elsewhere))).await;
    let says =
        json!({"active": true, "sub": "robot", "aud": "registry", "exp": NOW + 100, "repository": "a/b"});
    elsewhere.answers("/introspect", 200, &says);
    let shown = basic("oauth2accesstoken", "opq_a+b");
    assert_eq!(begins_upload(&server, &shown).await, 202);
    assert_eq!(begins_upload(&server, &shown).await, 202);
    assert_eq!(elsewhere.asked("/introspect token=opq_a%2Bb"), 1);
    {
        let state = elsewhere.state.lock().unwrap();
        let head = state.asked[0].to_ascii_lowercase();
        let expected = format!("authorization: basic {}", STANDARD.encode("registry:s"));
        assert!(head.contains(&expected.to_ascii_lowercase()), "{head}");
    }
    // Kept until it expires, and no longer.
    server.clock.forward(100);
    elsewhere.answers("/introspect", 200, &json!({"active": false}));
    assert_eq!(begins_upload(&server, &shown).await, 401);
    assert_eq!(elsewhere.asked("/introspect"), 2);
    assert_eq!(begins_upload(&server, &shown).await, 401);
    assert_eq!(elsewhere.asked("/introspect"), 2);
    let mut other = says.clone();
    for (name, value) in [
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("iss", json!("http://x")),
    ] {
        other[name] = value;
        elsewhere.answers("/introspect", 200, &other);
        assert_eq!(
            begins_upload(&server, &basic("_token", "opq_b")).await,
            401,
            "{name}"
        );
        other = says.clone();
    }
    // Where the issuer cannot say it, nobody is let in.
    elsewhere.answers("/introspect", 500, &says);
    assert_eq!(begins_upload(&server, &basic("_token", "opq_c")).await, 503);
    // One that is not its is not sent to it.
    let asked = elsewhere.asked("/introspect");
    let reply = server
        .ask(
            "GET",
            "/v2/",
            &[("authorization", &*basic("_token", "ya29.x"))],
            b"",
        )
        .await;
    assert_eq!(reply.status.as_u16(), 401);
    assert!(
        reply.text().contains("only its issuer can read"),
        "{}",
        reply.text()
    );
    assert_eq!(elsewhere.asked("/introspect"), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokeninfo_says_it_too_and_names_accounts_where_it_may() {
    let elsewhere = Elsewhere::start().await;
    let url = format!("{}/tokeninfo", elsewhere.name()).parse().unwrap();
    let server = elsewhere.believed(Some(Introspection::TokenInfo { url })).await;
    server.push_as_registry("a", "latest").await;
    let says = json!({
        "aud": "registry", "sub": "1", "exp": (NOW + 100).to_string(),
        "email": "ann@example.com", "email_verified": "true",
    });
    elsewhere.answers("/tokeninfo", 200, &says);
    let shown = [("authorization", &*basic("_dcgcloud_token", "opq_a"))];
    let path = "/v2/a/manifests/latest";
    assert_eq!(server.ask("GET", path, &shown, b"").await.status.as_u16(), 200);
    assert_eq!(elsewhere.asked("/tokeninfo access_token=opq_a"), 1);
    // An account of that name here that is shut stays shut.
    server.create_account("user:ann@example.com", &[]).await;
    assert_eq!(server.ask("GET", path, &shown, b"").await.status.as_u16(), 200);
    let ours = server.token(shown[0].1, "repository:a:pull").await.bearer();
    let ours = [("authorization", &*ours)];
    assert_eq!(server.ask("GET", path, &ours, b"").await.status.as_u16(), 200);
    server
        .change_account("ann@example.com", |account| account.disabled = true)
        .await;
    assert_eq!(server.ask("GET", path, &shown, b"").await.status.as_u16(), 401);
    assert_eq!(server.ask("GET", path, &ours, b"").await.status.as_u16(), 401);
    elsewhere.answers("/tokeninfo", 400, &json!({"error": "invalid_token"}));
    for number in 0..5 {
        let guess = [("authorization", &*basic("_token", &format!("opq_{number}")))];
        assert_eq!(server.ask("GET", path, &guess, b"").await.status.as_u16(), 401);
    }
    let guess = [("authorization", &*basic("_token", "opq_next"))];
    assert_eq!(server.ask("GET", path, &guess, b"").await.status.as_u16(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_its_issuers_stays_closed() {
    let elsewhere = Elsewhere::start().await;
    let server = elsewhere.believed(None).await;
    let status = async || server.get("/v2/a/tags/list").await.status.as_u16();
    assert_eq!(status().await, 401);
    server.registry.configure(options());
    assert_eq!(status().await, 401, "after a reload");
    assert!(
        server.directory.metadata().is_closed().await.unwrap(),
        "and after a restart"
    );
    assert_eq!(begins_upload(&server, "Bearer x").await, 401);
}
