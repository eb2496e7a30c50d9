//! What clients are told, and which side answers them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::program::Place;
use crate::server_process::Serving;

const AUTHORITY: &str = include_str!("certificates/authority.pem");
const CERTIFICATE: &str = include_str!("certificates/localhost.pem");
const KEY: &str = include_str!("certificates/localhost.key.pem");

fn ways(place: &Place, arguments: &[&str], status: i32) -> Vec<Value> {
    let ran = place.run(&[&["migrate", "client-config", "--format", "json"], arguments].concat());
    assert_eq!(ran.status, Some(status), "{}{}", ran.stdout, ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], "lightship/migrate-client-config/v1");
    document["ways"].as_array().unwrap().clone()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn the_files_that_are_written_lead_every_client_here() {
    let place = Place::with_images();
    place.write("crt", CERTIFICATE);
    place.write("key", KEY);
    place.write("ca.pem", AUTHORITY);
    place.write("server.toml", "[tls]\ncertificate = \"crt\"\nkey = \"key\"\n");
    let serving = Serving::start(&place, &[]);
    let port = serving.address.rsplit_once(':').unwrap().1;
    let host = format!("localhost:{port}");
    let image = format!("https://{host}");
    let copied = place.run(&["repo", "list", "--registry", &image, "--ca-file", "ca.pem"]);
    assert_eq!(copied.status, Some(0), "{}", copied.stderr);
    let target = format!("{host}/moved/shop/app:v1");
    let copy = [
        "copy",
        "oci:images:tiny-latest",
        &target,
        "--tls",
        &host,
        "--ca-file",
        "ca.pem",
    ];
    assert_eq!(place.run(&copy).status, Some(0));

    // The name leads here as well: to the same server by another address.
    let old = serving.address.as_str();
    let new = format!("{host}/moved");
    let write = [
        "migrate",
        "client-config",
        "--old",
        old,
        "--new",
        &new,
        "--ca",
        "ca.pem",
        "--write",
        "out",
    ];
    let ran = place.run(&write);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(place.read("out/README.txt").contains("subjectAltName"));

    let found = ways(
        &place,
        &["--old", old, "--check", "shop/app:v1", "--root", "out"],
        0,
    );
    let shown: Vec<_> = found
        .iter()
        .map(|way| {
            (
                way["lightship"].as_bool().unwrap(),
                way["prefix"].as_str(),
                !way["image"]["digest"].is_null(),
            )
        })
        .collect();
    // By the name alone the image is looked for under its old name, which is not there.
    assert_eq!(
        shown,
        [
            (true, None, false),
            (true, Some("moved"), true),
            (true, Some("moved"), true)
        ]
    );
    let names = &found[1]["certificate"]["names"];
    assert!(names.as_array().unwrap().contains(&"localhost".into()), "{names}");
    assert!(!found[1]["addresses"].as_array().unwrap().is_empty());

    // Without the authority, nobody is believed.
    let ran = place.run(&[
        "migrate",
        "client-config",
        "--old",
        old,
        "--check",
        "--root",
        "nowhere",
    ]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.contains("nobody answers"), "{}", ran.stdout);
}

#[test]
fn a_registry_that_is_another_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 2048];
            let _ = stream.read(&mut request);
            let answer = "HTTP/1.1 200 OK\r\nServer: other\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\
                          Content-Length: 2\r\nConnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let place = Place::empty();
    let found = ways(
        &place,
        &[
            "--old",
            &address,
            "--plain-http",
            &address,
            "--check",
            "--root",
            "nowhere",
        ],
        1,
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["lightship"], &found[0]["server"]),
        (&false.into(), &"other".into())
    );
}
