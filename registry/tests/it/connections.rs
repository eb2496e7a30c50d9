//! Connections: TLS, and clients that hold one for nothing.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use registry::{Certificates, PemPair, TlsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::server::{Server, http2, options};

const CA: &[u8] = include_bytes!("certificates/ca.pem");
const A: (&[u8], &[u8]) = (
    include_bytes!("certificates/a.pem"),
    include_bytes!("certificates/a.key.pem"),
);
const B: (&[u8], &[u8]) = (
    include_bytes!("certificates/b.pem"),
    include_bytes!("certificates/b.key.pem"),
);

/// Longer than anything here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(120);

fn pair((certificate, key): (&[u8], &[u8])) -> PemPair {
    PemPair {
        certificate: certificate.to_vec(),
        key: key.to_vec(),
    }
}

async fn server_with(pairs: &[PemPair]) -> (Server, Arc<Certificates>) {
    let certificates = Arc::new(Certificates::new(pairs).unwrap());
    let server = Server::over(options(), Some(certificates.clone())).await;
    (server, certificates)
}

/// A handshake that offers `protocols`, with a host that the certificate has to be of.
async fn secured(server: &Server, host: &str, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(host, stream).await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let (server, _) = server_with(&[pair(A)]).await;
    let request = || {
        Request::get("https://a.example/v2/")
            .header("host", "a.example")
            .body(Empty::<hyper::body::Bytes>::new())
            .unwrap()
    };
    let stream = secured(&server, "a.example", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, _connection) = http2(stream).await;
    let answer = sender.send_request(request()).await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (StatusCode::OK, Version::HTTP_2)
    );

    let stream = secured(&server, "sub.a.example", &["http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{}");
}

#[tokio::test]
async fn each_host_gets_its_own_certificate_and_others_the_first() {
    let (server, _) = server_with(&[pair(A), pair(B)]).await;
    for host in ["a.example", "b.example", "sub.b.example"] {
        assert!(secured(&server, host, &[]).await.is_ok(), "{host}");
    }
    let error = secured(&server, "c.example", &[]).await.unwrap_err();
    assert!(error.to_string().contains("a.example"), "{error}");
}

#[tokio::test]
async fn certificates_are_replaced_for_connections_to_come_and_bad_ones_are_not_taken() {
    let (server, certificates) = server_with(&[pair(A)]).await;
    let mut open = secured(&server, "a.example", &[]).await.unwrap();
    let mixed = pair((A.0, B.1));
    assert!(matches!(
        certificates.replace(&[mixed]),
        Err(TlsError::Pair { pair: 1, .. })
    ));
    let no_key = pair((A.0, A.0));
    assert!(matches!(
        certificates.replace(&[pair(B), no_key]),
        Err(TlsError::Key { pair: 2, .. })
    ));
    let empty = pair((b"", A.1));
    assert!(matches!(
        certificates.replace(&[empty]),
        Err(TlsError::Certificate { .. })
    ));
    assert!(matches!(
        certificates.replace(&[]),
        Err(TlsError::Count { count: 0, .. })
    ));
    assert!(secured(&server, "a.example", &[]).await.is_ok());

    certificates.replace(&[pair(B)]).unwrap();
    assert!(secured(&server, "a.example", &[]).await.is_err());
    assert!(secured(&server, "b.example", &[]).await.is_ok());
    let request = b"GET /healthz HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    open.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    open.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "the open one goes on");
}

/// Sends `bytes`, and expects the server to end the connection, with an error or without one.
async fn is_cut_off(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut told = Vec::new();
    let end = tokio::time::timeout(LONG, stream.read_to_end(&mut told)).await;
    assert!(end.is_ok(), "the server waits for ever");
    told
}

#[tokio::test]
async fn who_speaks_plain_http_to_a_port_with_tls_is_told() {
    let (server, _) = server_with(&[pair(A)]).await;
    let told = is_cut_off(&server, b"GET /v2/ HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    assert!(told.contains("only HTTPS"), "{told}");
}

#[tokio::test]
async fn a_handshake_that_goes_no_further_is_cut_off() {
    let mut options = options();
    options.limits.handshake_time = Duration::from_millis(100);
    let certificates = Arc::new(Certificates::new(&[pair(A)]).unwrap());
    let server = Server::over(options, Some(certificates)).await;
    is_cut_off(&server, &[0x16, 3, 1]).await;
}

#[tokio::test]
async fn half_a_preface_or_half_a_request_is_cut_off() {
    let mut options = options();
    options.limits.header_time = Duration::from_millis(100);
    let server = Server::with(options).await;
    is_cut_off(&server, b"PRI * HTTP/2.0\r\n").await;
    is_cut_off(&server, b"").await;
    is_cut_off(&server, b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx-more").await;
}

/// Connections to come have so long.
fn idle(server: &Server, time: Duration) {
    let mut options = options();
    options.limits.idle = time;
    server.registry.configure(options);
}

/// Waits until the server has closed every connection but the one that asks.
async fn only_one_connection_is_left(server: &Server) {
    let closed = async {
        while !server
            .get("/metrics")
            .await
            .text()
            .contains("lightship_open_connections 1\n")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(LONG, closed).await.is_ok(),
        "the server waits for ever"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let server = Server::start().await;
    // More than the buffers of both ends hold.
    let blob = vec![7; 64 << 20];
    let digest = server.push_blob("a", &blob).await;
    idle(&server, Duration::from_millis(500));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    only_one_connection_is_left(&server).await;
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came).await;
    assert!(came.len() < blob.len(), "{} bytes came", came.len());
}

#[tokio::test]
async fn a_stream_of_http2_that_is_not_read_is_cut_off() {
    let server = Server::start().await;
    let digest = server.push_blob("a", &vec![7; 4 << 20]).await;
    idle(&server, Duration::from_millis(200));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http2(stream).await;
    let request = Request::get(format!("http://localhost/v2/a/blobs/{digest}"))
        .body(Empty::<hyper::body::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // The connection itself goes on: pings are answered.
    let ended = tokio::time::timeout(LONG, connection).await;
    assert!(ended.is_ok(), "the server waits for ever");
    drop(answer);
}

#[tokio::test]
async fn a_connection_of_http2_that_asks_for_nothing_is_told_to_end() {
    let mut options = options();
    options.limits.idle = Duration::from_millis(300);
    // Long enough for the client to begin, however busy the machine is.
    options.limits.header_time = Duration::from_secs(3);
    let server = Server::with(options).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http2(stream).await;
    let request = || {
        Request::get("http://localhost/v2/")
            .body(Empty::<hyper::body::Bytes>::new())
            .unwrap()
    };
    let answer = sender.send_request(request()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer);
    // Pings are answered all the while, and the sender is there.
    let ended = tokio::time::timeout(LONG, connection).await;
    let ended = ended.expect("the server waits for ever").unwrap();
    assert!(ended.is_ok(), "without an error: {ended:?}");
    assert!(sender.send_request(request()).await.is_err());
}
