//! Sources as they are found on machines. The hosts are made up.

use std::fs;

use transport::HostProxy;

use super::*;

/// A machine with these files below `etc/apt`.
fn machine(files: &[(&str, &str)]) -> AptSources {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join("etc/apt").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    read(root.path())
}

fn texts(urls: &[Url]) -> Vec<String> {
    urls.iter().map(ToString::to_string).collect()
}

const DEB822: &str = "\
# what a container image has
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Trusted: yes

Types: deb
URIs: http://mirror.example/debian-security http://second.example/sec
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
";

#[test]
fn takes_both_archives_from_paragraphs() {
    let sources = machine(&[("sources.list.d/debian.sources", DEB822)]);
    assert_eq!(texts(&sources.debian), ["http://mirror.example/debian"]);
    assert_eq!(
        texts(&sources.debian_security),
        [
            "http://mirror.example/debian-security",
            "http://second.example/sec"
        ]
    );
    assert_eq!(sources.problems, []);
}

#[test]
fn takes_both_archives_from_lines() {
    let lines = "\
#deb http://commented.example/debian trixie main
deb-src http://source.example/debian trixie main
deb http://a.example/debian/ trixie main contrib # the first
deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] https://b.example/pub trixie main
deb http://a.example/debian/ trixie-updates main
deb http://a.example/debian-security stable-security main
deb http://a.example/debian-security buster/updates main
deb file:/srv/debian sid main
deb cdrom:[Debian GNU/Linux 13.0.0]/ trixie main
";
    let sources = machine(&[("sources.list", lines)]);
    assert_eq!(
        texts(&sources.debian),
        [
            "http://a.example/debian/",
            "https://b.example/pub",
            "file:///srv/debian"
        ]
    );
    assert_eq!(
        texts(&sources.debian_security),
        ["http://a.example/debian-security"]
    );
}

#[test]
fn leaves_out_archives_that_are_not_debian() {
    let lines = "\
deb http://vendor.example/linux/debian bookworm stable
deb http://vendor.example/pgdg/debian bookworm-pgdg main
deb http://vendor.example/prod/12 bookworm main
deb [signed-by=/etc/apt/keyrings/vendor.gpg] http://vendor.example/debian bookworm main
deb [signed-by=B8B80B5B623EAB6AD8775C45B7C5D7D63509AAAA] http://vendor.example/debian bookworm main
deb http://ubuntu.example/ubuntu noble main
deb http://flat.example/debian ./
debug http://a.example/debian trixie main
";
    let disabled = DEB822
        .replace("Types: deb\n", "Enabled: no\nTypes: deb\n")
        .replace("Types: deb deb-src", "Types: deb-src");
    let sources = machine(&[("sources.list", lines), ("sources.list.d/x.sources", &disabled)]);
    assert_eq!(sources, AptSources::default());
}

#[test]
fn knows_the_archive_keys_by_fingerprint_and_by_themselves() {
    let armored: String = include_str!("../../keys/debian-archive.asc")
        .lines()
        .map(|line| {
            if line.is_empty() {
                "\n .".to_owned()
            } else {
                format!("\n {line}")
            }
        })
        .collect();
    for key in ["41587F7DB8C774BCCF131416762F67A0B2C39DE4!", armored.as_str()] {
        let text = format!(
            "Types: deb\nURIs: http://a.example/x\nSuites: trixie\nComponents: main\nSigned-By: {key}\n"
        );
        assert_eq!(
            texts(&machine(&[("sources.list.d/a.sources", &text)]).debian),
            ["http://a.example/x"]
        );
    }
    let stranger: String = testkit::public_key(testkit::Signer::Stranger)
        .lines()
        .map(|line| if line.is_empty() { "." } else { line })
        .map(|line| format!("\n {line}"))
        .collect();
    let text = format!(
        "Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\nSigned-By:{stranger}\n"
    );
    assert_eq!(
        machine(&[("sources.list.d/a.sources", &text)]),
        AptSources::default()
    );
}

#[test]
fn reads_lists_of_mirrors_and_snapshots() {
    let text =
        "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n";
    let sources = machine(&[
        ("sources.list.d/debian.sources", text),
        (
            "mirrors/debian.list",
            "# nearest\nhttp://near.example/debian\tpriority:1\nhttp://far.example/debian\n",
        ),
        (
            "sources.list",
            "deb [check-valid-until=no] http://s.example/archive/debian/20250520T000000Z trixie main",
        ),
    ]);
    assert_eq!(
        texts(&sources.debian),
        [
            "http://s.example/archive/debian/20250520T000000Z",
            "http://near.example/debian",
            "http://far.example/debian"
        ]
    );
}

#[test]
fn only_files_that_apt_reads_are_read() {
    let line = "deb http://a.example/debian trixie main";
    let sources = machine(&[
        ("sources.list.d/a.list.disabled", line),
        ("sources.list.d/b.save", line),
        ("sources.list.d/c d.list", line),
    ]);
    assert_eq!(sources, AptSources::default());
    let broken = machine(&[
        ("sources.list.d/broken.sources", "no field\n"),
        ("sources.list.d/good.list", line),
    ]);
    assert_eq!(broken.problems.len(), 1);
    assert_eq!(texts(&broken.debian), ["http://a.example/debian"]);
}

#[test]
fn reads_proxies_nested_and_flat() {
    let nested = "// a comment\nAcquire { http { Proxy \"http://p.example:3128\"; /* two\nlines */ Timeout \"9\"; }; };\n";
    let flat = "Acquire::HTTP::Proxy::near.example \"DIRECT\"; # behind\nAcquire::https::Proxy \"http://t.example\";\n";
    let sources = machine(&[("apt.conf.d/00a", nested), ("apt.conf", flat)]);
    assert_eq!(sources.proxies.http.as_deref(), Some("http://p.example:3128"));
    assert_eq!(sources.proxies.https.as_deref(), Some("http://t.example"));
    let near = |scheme: &str| {
        sources
            .proxies
            .hosts
            .get(&(scheme.to_owned(), "near.example".to_owned()))
            .cloned()
    };
    assert_eq!(near("http"), Some(HostProxy::Direct));
    assert_eq!(near("https"), Some(HostProxy::Direct));
}

#[test]
fn https_takes_over_what_is_said_for_http_and_later_files_count() {
    let sources = machine(&[
        ("apt.conf.d/10", "Acquire::http::Proxy \"http://old.example\";"),
        (
            "apt.conf.d/20.conf",
            "Acquire::http { Proxy \"http://new.example\"; }",
        ),
        (
            "apt.conf.d/30.bak",
            "Acquire::http::Proxy \"http://unread.example\";",
        ),
    ]);
    assert_eq!(sources.proxies.http.as_deref(), Some("http://new.example"));
    assert_eq!(sources.proxies.https, sources.proxies.http);
    let direct = machine(&[("apt.conf", "Acquire::http::Proxy \"DIRECT\";")]);
    // Empty, not absent: the environment must not step in.
    assert_eq!(direct.proxies.http.as_deref(), Some(""));
}

#[test]
fn odd_configuration_is_read_without_a_panic() {
    for text in [
        "{",
        "}",
        "};;;",
        "\"",
        "/*",
        "//",
        "a \"b",
        "a {{{{ b \"c\"; }",
        "ä \"ö\";",
        "#",
        "/",
    ] {
        machine(&[
            ("apt.conf", text),
            ("sources.list", text),
            ("sources.list.d/a.sources", text),
        ]);
    }
}
