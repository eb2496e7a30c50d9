//! `lightship serve` with a configuration: what is refused, what is checked, what changes on SIGHUP.

use std::fs;
use std::net::TcpListener;

use crate::program::Place;
use crate::server_process::{SERVE, Serving};

const CERTIFICATE: &str = include_str!("../../../registry/tests/it/certificates/a.pem");
const KEY: &str = include_str!("../../../registry/tests/it/certificates/a.key.pem");
const OTHER_CERTIFICATE: &str = include_str!("../../../registry/tests/it/certificates/b.pem");
const OTHER_KEY: &str = include_str!("../../../registry/tests/it/certificates/b.key.pem");

#[test]
fn a_typo_in_the_configuration_is_shown_where_it_is() {
    let place = Place::empty();
    place.write(
        "server.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[limits]\nidle_second = 5\n",
    );
    let ran = place.run(&["serve", "--config", "server.toml"]);
    assert_eq!(ran.status, Some(2));
    insta::assert_snapshot!(ran.stderr, @r"
    error: the configuration server.toml has a fault
      caused by: unknown field `idle_second`, expected one of `connections_max`, `header_bytes_max`, `header_seconds`, `handshake_seconds`, `idle_seconds`, `blob_bytes_max`, `page_entries_max`, `manifest_cache_bytes_max`
         --> server.toml:5:1
          |
        5 | idle_second = 5
          |

    hint: did you mean `idle_seconds`?
    ");
}

#[test]
fn a_check_finds_every_fault_and_starts_nothing() {
    let place = Place::empty();
    place.write("a.pem", CERTIFICATE);
    place.write("b.key", OTHER_KEY);
    place.write("file", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    place.write(
        "server.toml",
        &format!("[server]\nlisten = \"{address}\"\ndata = \"file\"\nbackup_directory = \"nowhere\"\n[tls]\ncertificate = \"a.pem\"\nkey = \"b.key\"\n"),
    );
    let ran = place.run(&["serve", "--config", "server.toml", "--check"]);
    assert_eq!(ran.status, Some(2), "{}", ran.stderr);
    for part in [
        "do not make a pair",
        "is not a directory",
        "cannot use the directory for backups nowhere",
        "something else listens there",
    ] {
        assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
    }
    let ran = place.run(&[
        "serve",
        "--listen",
        &address.to_string(),
        "--data",
        "data",
        "--check",
    ]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    drop(taken);

    place.write("a.key", KEY);
    place.write("server.toml", "[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n");
    let arguments = [&SERVE[..], &["--check"]].concat();
    let ran = place.run(&arguments);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("nothing is wrong: https://127.0.0.1:0"),
        "{}",
        ran.stderr
    );
    assert!(!place.path("data").exists());
}

#[test]
fn backups_within_the_data_are_refused_before_anything_starts() {
    let place = Place::empty();
    for inside in ["data", "data/backups", "data/../data/./deep/er"] {
        place.write(
            "server.toml",
            &format!("[server]\nbackup_directory = \"{inside}\"\n"),
        );
        for check in [&["--check"][..], &[]] {
            let ran = place.run(&[&SERVE[..], check].concat());
            assert_eq!(ran.status, Some(2), "{inside}: {}", ran.stderr);
            assert!(ran.stderr.contains("is in the data directory"), "{}", ran.stderr);
            assert!(!place.path("data").exists());
        }
    }
}

#[test]
fn sighup_takes_what_can_be_taken_and_nothing_of_a_file_with_a_fault() {
    let place = Place::empty();
    place.write("server.toml", "");
    let serving = Serving::start(&place, &[]);
    let push = "POST /v2/a/blobs/uploads/";
    assert!(serving.ask(push).starts_with("HTTP/1.1 202"));

    place.write("server.toml", "[repositories]\ncreate_on_push = \"no\"\n");
    serving.signal("HUP");
    let said = serving.says("not reloaded");
    assert!(said.contains("server.toml:2:18"), "{said}");
    assert!(serving.ask(push).starts_with("HTTP/1.1 202"));

    place.write(
        "server.toml",
        "[server]\nexternal_url = \"https://a\"\n[routes]\ndefault_repository = \"projects/p/locations/l/repositories/r\"\n\
         [repositories]\ncreate_on_push = false\n[log]\nlevel = \"requests\"\n",
    );
    serving.signal("HUP");
    let said = serving.says("configuration read again");
    assert_eq!(
        said,
        "configuration read again; changed: routes, repositories of pushes, server.external_url, log.level"
    );
    assert!(serving.ask(push).starts_with("HTTP/1.1 404"));
    let said = serving.says("POST");
    assert!(
        said.contains(" allUsers POST /v2/a/blobs/uploads/ 404 "),
        "{said}"
    );
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn certificates_are_taken_when_their_files_change_and_bad_ones_are_not() {
    let place = Place::empty();
    place.write("crt", CERTIFICATE);
    place.write("key", KEY);
    place.write(
        "server.toml",
        "[tls]\ncertificate = \"crt\"\nkey = \"key\"\ncheck_seconds = 1\n",
    );
    let serving = Serving::start(&place, &[]);
    assert!(serving.ask("GET /v2/").contains("only HTTPS"));
    place.write("key", OTHER_KEY);
    let said = serving.says("not reloaded");
    assert!(said.contains("do not make a pair"), "{said}");
    place.write("crt", OTHER_CERTIFICATE);
    serving.says("certificates read again; changed");
    fs::remove_file(place.path("crt")).unwrap();
    serving.signal("HUP");
    serving.says("not reloaded");
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn a_log_in_json_is_one_object_per_line_without_queries() {
    let place = Place::empty();
    place.write("server.toml", "[log]\nformat = \"json\"\nlevel = \"requests\"\n");
    let serving = Serving::start(&place, &[]);
    serving.ask("GET /v2/a/tags/list?secret=1");
    let line = serving.says("/v2/a/tags/list");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (key, expected) in [
        ("level", "request"),
        ("principal", "allUsers"),
        ("method", "GET"),
        ("path", "/v2/a/tags/list"),
        ("operation", "tags"),
    ] {
        assert_eq!(value[key], expected, "{line}");
    }
    assert_eq!(value["status"], 404);
    assert!(value["bytes"].as_u64().unwrap() > 0 && value["ms"].as_f64().unwrap() > 0.0);
    assert!(!line.contains("secret"), "{line}");
}

#[test]
fn a_registry_whose_issuers_went_is_closed_until_its_operator_opens_it() {
    let place = Place::empty();
    let issuer = "[[access.issuers]]\nurl = \"https://issuer.example\"\naudiences = [\"r\"]\n";
    let status = |serving: &Serving| serving.ask("GET /v2/a/tags/list")[9..12].to_owned();
    fs::write(place.path("server.toml"), issuer).unwrap();
    let serving = Serving::start(&place, &[]);
    assert_eq!(status(&serving), "401");
    fs::write(place.path("server.toml"), "").unwrap();
    serving.signal("HUP");
    serving.says("access.issuers and tokens");
    assert_eq!(status(&serving), "401");
    assert_eq!(serving.end(), Some(0));

    let serving = Serving::start(&place, &[]);
    assert_eq!(status(&serving), "401");
    let warned = |serving: &Serving| {
        serving
            .began
            .iter()
            .any(|line| line.contains("account reopen --data DIR"))
    };
    assert!(warned(&serving), "{:?}", serving.began);
    let reopen = ["account", "reopen", "--data", "data", "--yes"];
    let in_use = place.run(&reopen);
    assert_eq!(in_use.status, Some(3), "{}", in_use.stderr);
    assert_eq!(serving.end(), Some(0));

    let unsure = place.run(&reopen[..4]);
    assert_eq!(unsure.status, Some(2), "{}", unsure.stderr);
    let opened = place.run(&reopen);
    assert_eq!(opened.status, Some(0), "{}", opened.stderr);
    let serving = Serving::start(&place, &[]);
    assert_eq!(
        status(&serving),
        "404",
        "nothing is there, and everybody hears so"
    );
    assert!(!warned(&serving));
}
