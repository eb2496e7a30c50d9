//! Requests that come through a proxy, believed or not.

use access::Role;

use crate::accounts::{DEFAULT, basic, of};
use crate::server::{Reply, Server, options};

/// Every client of a test is on this machine, and so are these proxies.
async fn behind_proxies() -> Server {
    let mut options = options();
    let network = "127.0.0.0/8".parse().unwrap();
    options.trusted_proxies = registry::TrustedProxies::new([network]);
    Server::with(options).await
}

async fn closed(server: Server) -> Server {
    server.create_account("user:ann", &[]).await;
    server.bind(DEFAULT, &[(Role::Writer, "user:ann")]).await;
    server
}

async fn guess(server: &Server, from: &str) -> Reply {
    let shown = basic("ann", "guess");
    let headers = [("authorization", &*shown), ("x-forwarded-for", from)];
    server.ask("GET", "/v2/", &headers, b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_behind_a_believed_proxy_keeps_only_the_guesser_waiting() {
    let server = closed(behind_proxies().await).await;
    for _ in 0..5 {
        assert_eq!(guess(&server, "192.0.2.1").await.status.as_u16(), 401);
    }
    assert_eq!(guess(&server, "192.0.2.1").await.status.as_u16(), 429);
    // What the guesser writes before it is not believed.
    let lied = "192.0.2.9, 192.0.2.1";
    assert_eq!(guess(&server, lied).await.status.as_u16(), 429);
    assert_eq!(guess(&server, "192.0.2.2").await.status.as_u16(), 401);
    let clients = server.clients();
    assert_eq!(clients.last().unwrap(), "192.0.2.2");
    assert_eq!(clients.iter().filter(|client| *client == "192.0.2.1").count(), 7);
    // A proxy that nobody named is a client like any other.
    server.registry.configure(options());
    for from in ["192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"] {
        assert_eq!(guess(&server, from).await.status.as_u16(), 401);
    }
    assert_eq!(guess(&server, "192.0.2.8").await.status.as_u16(), 429);
    assert_eq!(server.clients().last().unwrap(), "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_the_address_behind_a_believed_proxy() {
    let server = closed(behind_proxies().await).await;
    let mut options = (*server.registry.options()).clone();
    options.rates.per_address = Some(registry::Rate {
        requests_max: 1,
        interval: std::time::Duration::from_secs(60),
    });
    server.registry.configure(options);
    for (from, expected) in [("192.0.2.1", 401), ("192.0.2.1", 429), ("192.0.2.2", 401)] {
        let headers = [("x-forwarded-for", from)];
        let reply = server.ask("GET", "/v2/", &headers, b"").await;
        assert_eq!(reply.status.as_u16(), expected, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_realm_is_what_a_believed_proxy_says_unless_the_operator_says_otherwise() {
    let server = closed(behind_proxies().await).await;
    let said = [
        ("host", "inside:5000"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "registry.example"),
    ];
    let challenge = async |headers: &[(&str, &str)]| {
        let reply = server.ask("GET", "/v2/", headers, b"").await;
        reply.header("www-authenticate").to_owned()
    };
    assert_eq!(
        challenge(&said).await,
        "Bearer realm=\"https://registry.example/v2/token\",service=\"inside:5000\""
    );
    let standard = [
        ("host", "inside:5000"),
        ("forwarded", "for=192.0.2.1;proto=https"),
    ];
    assert_eq!(
        challenge(&standard).await,
        "Bearer realm=\"https://inside:5000/v2/token\",service=\"inside:5000\""
    );
    let mut options = (*server.registry.options()).clone();
    options.access.external_url = Some("https://outside.example".to_owned());
    server.registry.configure(options);
    assert!(
        challenge(&said)
            .await
            .contains("realm=\"https://outside.example/")
    );
    server.registry.configure(crate::server::options());
    assert!(challenge(&said).await.contains("realm=\"http://inside:5000/"));
    // And what was asked under that name is shown under it.
    let path = "/v2/token?service=inside:5000&scope=repository:a:pull";
    let shown = [("authorization", &*of("ann")), ("host", "outside.example")];
    let token = server.ask("GET", path, &shown, b"").await.bearer();
    let shown = [("authorization", &*token), ("host", "inside:5000")];
    assert_eq!(server.ask("GET", "/v2/", &shown, b"").await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_makes_anybody_be_on_this_machine() {
    let server = behind_proxies().await;
    let push = async |header: (&str, &str)| {
        let path = "/v2/a/blobs/uploads/";
        let reply = server.ask("POST", path, &[header], b"").await;
        reply.status.as_u16()
    };
    assert_eq!(push(("x-nothing", "x")).await, 202);
    for header in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "::1"),
        ("x-forwarded-for", ""),
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-host", "localhost"),
    ] {
        assert_eq!(push(header).await, 403, "{header:?}");
    }
}
