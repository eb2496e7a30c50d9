//! Identity tokens, signed here as issuers sign them.

use std::collections::BTreeMap;

use access::{
    CLOCK_LEEWAY_SECONDS, IdentityError, IssuerKeys, IssuerRules, Member, claimed_issuer, identify,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

struct Issuer {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let pem = include_str!("keys/rsa.pem");
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Issuer {
            rsa: RsaKeyPair::from_pkcs8(&STANDARD.decode(lines).unwrap()).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap(),
        }
    }

    fn keys(&self) -> IssuerKeys {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.p256.public_key().as_ref();
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": encoded(&public.n), "e": encoded(&public.e)},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])},
            {"kty": "oct", "kid": "o", "k": "AAAA"},
        ]});
        IssuerKeys::parse(set.to_string().as_bytes()).unwrap()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let random = SystemRandom::new();
        let signature = if header["alg"] == "ES256" {
            self.p256
                .sign(&random, signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec()
        } else {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa
                .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                .unwrap();
            signature
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn rs256(&self, claims: &Value) -> String {
        self.token(&json!({"alg": "RS256", "kid": "r"}), claims)
    }
}

fn rules() -> IssuerRules {
    IssuerRules {
        issuer: "https://token.example".to_owned(),
        audiences: vec!["registry.example".to_owned()],
        groups_claim: Some("groups".to_owned()),
        attributes: BTreeMap::from([("repo".to_owned(), "repository".to_owned())]),
        email_domains: vec!["example.com".to_owned(), "p.iam.gserviceaccount.com".to_owned()],
        ..IssuerRules::default()
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://token.example", "sub": "repo:a/b:ref:main", "aud": "registry.example",
        "iat": NOW - 10, "exp": NOW + 300, "repository": "a/b", "groups": ["ops", "two words"],
        "email": "ann@example.com", "email_verified": true,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn claims_become_a_principal_and_its_sets() {
    let issuer = Issuer::new();
    for header in [
        json!({"alg": "RS256", "kid": "r"}),
        json!({"alg": "ES256", "kid": "e"}),
    ] {
        let token = issuer.token(&header, &claims());
        assert_eq!(claimed_issuer(&token).unwrap(), "https://token.example");
        let found = identify(&token, &rules(), &issuer.keys(), NOW).unwrap();
        assert_eq!(found.expires, NOW + 300);
        for member in [
            "principal://token.example/subject/repo:a/b:ref:main",
            "principalSet://token.example/*",
            "principalSet://token.example/group/ops",
            "principalSet://token.example/attribute.repo/a/b",
            "user:ann@example.com",
            "allAuthenticatedUsers",
        ] {
            assert!(found.principal.is(&member.parse::<Member>().unwrap()), "{member}");
        }
        // One that a policy cannot name is left out.
        assert_eq!(found.principal.sets().count(), 4);
    }
}

#[test]
fn an_address_counts_only_where_it_is_verified_and_of_a_domain_that_the_issuer_speaks_for() {
    let issuer = Issuer::new();
    let is = |claims: &Value, member: &str| {
        let found = identify(&issuer.rs256(claims), &rules(), &issuer.keys(), NOW).unwrap();
        found.principal.is(&member.parse::<Member>().unwrap())
    };
    let robot = with("email", json!("ci@p.iam.gserviceaccount.com"));
    assert!(is(&robot, "serviceAccount:ci@p.iam.gserviceaccount.com"));
    assert!(!is(&robot, "user:ci@p.iam.gserviceaccount.com"));
    assert!(!is(&with("email_verified", json!(false)), "user:ann@example.com"));
    assert!(!is(&with("email", json!("ann@other.com")), "user:ann@other.com"));
    assert!(!is(
        &with("email", json!("ann@x.example.com")),
        "user:ann@x.example.com"
    ));
}

#[test]
fn what_the_issuer_did_not_sign_for_us_and_now_is_refused() {
    let issuer = Issuer::new();
    let refused = |token: &str| identify(token, &rules(), &issuer.keys(), NOW).unwrap_err();
    let other = |name: &str, value: Value| refused(&issuer.rs256(&with(name, value)));
    assert_eq!(other("iss", json!("https://evil.example")), IdentityError::Issuer);
    for audience in [json!("other"), json!(["a", "b"]), Value::Null] {
        assert!(matches!(other("aud", audience), IdentityError::Audience { .. }));
    }
    assert_eq!(
        other("exp", json!(NOW - CLOCK_LEEWAY_SECONDS)),
        IdentityError::Expired
    );
    assert_eq!(other("exp", Value::Null), IdentityError::Malformed);
    // Either of them, should both be there.
    for name in ["nbf", "iat"] {
        let mut early = with("nbf", json!(NOW - 10));
        early[name] = json!(NOW + CLOCK_LEEWAY_SECONDS + 1);
        let early = refused(&issuer.rs256(&early));
        assert_eq!(early, IdentityError::NotYet { seconds: 61 }, "{name}");
        assert!(early.to_string().contains("clock"), "{early}");
    }
    assert!(matches!(
        other("sub", json!("a b")),
        IdentityError::Subject { .. }
    ));
    for (name, value) in [
        ("exp", json!(NOW - CLOCK_LEEWAY_SECONDS + 1)),
        ("nbf", json!(NOW + CLOCK_LEEWAY_SECONDS)),
        ("iat", json!(NOW + CLOCK_LEEWAY_SECONDS)),
        ("aud", json!(["x", "registry.example"])),
    ] {
        assert!(identify(&issuer.rs256(&with(name, value)), &rules(), &issuer.keys(), NOW).is_ok());
    }
}

#[test]
fn the_header_decides_nothing() {
    let issuer = Issuer::new();
    let refused = |token: &str| identify(token, &rules(), &issuer.keys(), NOW).unwrap_err();
    let header = |header: Value| refused(&issuer.token(&header, &claims()));
    for algorithm in ["none", "HS256", "RS512"] {
        assert!(matches!(
            header(json!({"alg": algorithm, "kid": "r"})),
            IdentityError::Algorithm { .. }
        ));
    }
    // Signed by one kind of key, under the name of the other.
    assert_eq!(header(json!({"alg": "RS256", "kid": "e"})), IdentityError::Forged);
    assert_eq!(header(json!({"alg": "ES256", "kid": "r"})), IdentityError::Forged);
    assert_eq!(
        header(json!({"alg": "RS256", "kid": "x"})),
        IdentityError::KeyUnknown
    );
    assert_eq!(header(json!({"alg": "RS256"})), IdentityError::KeyUnknown);
    assert_eq!(
        header(json!({"alg": "RS256", "kid": "r", "crit": ["b64"]})),
        IdentityError::Malformed
    );
    let token = issuer.rs256(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (_, changed) = issuer
        .rs256(&with("sub", json!("admin")))
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (changed, _) = changed.split_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    assert_eq!(
        refused(&format!("{head}.{changed}.{signature}")),
        IdentityError::Forged
    );
    assert_eq!(refused(&format!("{signed}.")), IdentityError::Forged);
    assert_eq!(refused(signed), IdentityError::Malformed);
}
