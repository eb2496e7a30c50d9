//! For which host and which time a token counts.

use crate::accounts::{basic, of};
use crate::credentials::{SCOPE, closed, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_its_host_however_it_is_shown() {
    let server = closed().await;
    let own = server.address.to_string();
    let token = server.token(&of("ann"), SCOPE).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = async |host: &str, path: &str, shown: &str| {
        let headers = [("authorization", shown), ("host", host)];
        server.ask("GET", path, &headers, b"").await.status.as_u16()
    };
    for shown in [
        format!("Bearer {token}"),
        basic("_token", &token),
        basic("oauth2accesstoken", &token),
    ] {
        assert_eq!(ask(&own, "/v2/a/manifests/latest", &shown).await, 200);
        assert_eq!(ask("other.example", "/v2/a/manifests/latest", &shown).await, 401);
        // Nor is one for another host made of it; where it was asked for may have another name.
        for (host, service, expected) in [
            (&*own, &*own, 200),
            (&*own, "other.example", 401),
            ("outside.example", &*own, 200),
            ("outside.example", "", 401),
        ] {
            let path = format!("/v2/token?service={service}&scope={SCOPE}");
            assert_eq!(ask(host, &path, &shown).await, expected, "{host} {service}");
        }
    }
    for (service, expected) in [(&*own, 200), ("other.example", 401)] {
        let form = format!("grant_type=password&service={service}&username=_token&password={token}");
        let reply = server.ask("POST", "/v2/token", &[], form.as_bytes()).await;
        assert_eq!(reply.status.as_u16(), expected, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_the_future_is_refused_also_if_it_was_taken_before() {
    let server = closed().await;
    let path = "/v2/a/manifests/latest";
    let token = server.token(&of("ann"), SCOPE).await.bearer();
    assert_eq!(status(&server, "GET", path, &token).await, 200);
    server.clock.forward(-access::CLOCK_LEEWAY_SECONDS);
    assert_eq!(status(&server, "GET", path, &token).await, 200);
    server.clock.forward(-1);
    let shown = [("authorization", &*token)];
    let reply = server.ask("GET", path, &shown, b"").await;
    assert_eq!(reply.refusal(), (401, "UNAUTHORIZED".to_owned()));
    assert!(
        reply.text().contains("61 s from now: the clock of this server"),
        "{}",
        reply.text()
    );
}
