//! A registry whose certificate is of an authority of its owner: who is trusted, and what is told when nobody is.

use std::fs;

use crate::program::{Place, Ran};
use crate::server_process::Serving;

const AUTHORITY: &str = include_str!("certificates/authority.pem");
const CERTIFICATE: &str = include_str!("certificates/localhost.pem");
const EXPIRED: &str = include_str!("certificates/expired.pem");
const KEY: &str = include_str!("certificates/localhost.key.pem");
/// Of somebody else.
const OTHER_AUTHORITY: &str = include_str!("../../../registry/tests/it/certificates/ca.pem");

/// A server with a certificate, on a port of 127.0.0.1.
fn serving(place: &Place, certificate: &str) -> Serving {
    place.write("crt", certificate);
    place.write("key", KEY);
    place.write("ca.pem", AUTHORITY);
    place.write("server.toml", "[tls]\ncertificate = \"crt\"\nkey = \"key\"\n");
    Serving::start(place, &[])
}

/// Runs `lightship repo list` there; nothing on this machine vouches for anybody unless `variables` say so.
fn listed(place: &Place, serving: &Serving, options: &[&str], variables: &[(&str, &str)]) -> Ran {
    let arguments = [&["repo", "list", "--registry", &serving.address][..], options].concat();
    let mut command = place.command(&arguments);
    command.env("SSL_CERT_FILE", place.path("other.pem"));
    place.write("other.pem", OTHER_AUTHORITY);
    command.envs(variables.iter().copied());
    let mut ran = place.ran(command.output().unwrap());
    ran.stderr = ran.stderr.replace(&serving.address, "[registry]");
    ran
}

#[test]
fn an_authority_is_trusted_that_is_named_in_any_of_the_known_ways() {
    let place = Place::empty();
    let serving = serving(&place, CERTIFICATE);
    let (address, url) = (serving.address.as_str(), format!("https://{}", serving.address));
    let done = |options: &[&str], variables: &[(&str, &str)]| {
        let ran = listed(&place, &serving, options, variables);
        assert_eq!(ran.status, Some(0), "{options:?} {variables:?}: {}", ran.stderr);
    };
    done(&["--tls", address, "--ca-file", "ca.pem"], &[]);
    done(&["--tls", address], &[("SSL_CERT_FILE", "ca.pem")]);
    done(
        &["--tls", address, "--ca-file", "other.pem", "--ca-file", "ca.pem"],
        &[],
    );
    let ran = place.run(&["repo", "list", "--registry", &url, "--ca-file", "ca.pem"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    // A directory of the host says that it has TLS, too.
    let home = place.path("home").display().to_string();
    let directory = place.path("home/.config/containers/certs.d").join(address);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("ours.crt"), AUTHORITY).unwrap();
    done(&[], &[("HOME", &home)]);
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn an_image_is_pushed_and_pulled_through_tls() {
    let place = Place::with_images();
    let serving = serving(&place, CERTIFICATE);
    let image = format!("{}/team/tiny:v1", serving.address);
    let tls = ["--tls", &serving.address, "--ca-file", "ca.pem"];
    for arguments in [
        &["copy", "oci:images:tiny-latest", &image][..],
        &["copy", &image, "oci:back:v1"],
        &["repo", "images", &image],
        &["build", "tiny.yaml", "--offline", "-o", &image],
    ] {
        let ran = place.run(&[arguments, &tls].concat());
        assert_eq!(ran.status, Some(0), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn who_is_not_trusted_is_told_with_what_helps() {
    let place = Place::empty();
    let serving = serving(&place, CERTIFICATE);
    let ran = listed(&place, &serving, &["--tls", &serving.address], &[]);
    assert_eq!(ran.status, Some(3));
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot list the repositories on [registry]
      caused by: no answer to GET https://[registry]/lightship/v1/repositories (1 attempt)
      caused by: invalid peer certificate: UnknownIssuer

    hint: if its certificate is of an authority of your own, name that with --ca-file FILE, put it into ~/.config/containers/certs.d/HOST:PORT/ca.crt (or docker's /etc/docker/certs.d), or name a whole bundle in SSL_CERT_FILE
    ");
    let ran = listed(&place, &serving, &[], &[]);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot list the repositories on [registry]
      caused by: the registry answers 400

    hint: loopback names are spoken to without TLS, and others with --plain-http; if it takes only TLS, say --tls HOST
    ");
    let by_name = format!("b.{}", serving.address);
    let ran = listed(
        &place,
        &serving,
        &["--plain-http", &by_name, "--tls", &by_name],
        &[],
    );
    insta::assert_snapshot!(ran.stderr.replace(&by_name, "[host]"), @r"
    error: b.[registry] is to be spoken to both with TLS and without
    ");
    let ran = listed(&place, &serving, &["--ca-file", "key"], &[]);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot use the certificates in key
      caused by: no certificate: none begins with -----BEGIN CERTIFICATE-----

    hint: --ca-file takes the certificate of the authority in PEM, which is no secret
    ");
    let ran = listed(&place, &serving, &["--ca-file", "nothing"], &[]);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot use the certificates in nothing
      caused by: No such file or directory (os error 2)

    hint: --ca-file takes the certificate of the authority in PEM, which is no secret
    ");
}

#[test]
fn a_certificate_that_is_not_good_now_is_told_with_what_the_clock_says() {
    let place = Place::empty();
    let serving = serving(&place, EXPIRED);
    let ran = listed(
        &place,
        &serving,
        &["--tls", &serving.address, "--ca-file", "ca.pem"],
        &[],
    );
    assert_eq!(ran.status, Some(3));
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: this machine's clock says 20"),
        "{}",
        ran.stderr
    );
}

#[test]
fn tls_is_not_spoken_to_a_server_without_it() {
    let place = Place::empty();
    place.write("server.toml", "");
    let serving = Serving::start(&place, &[]);
    let ran = listed(&place, &serving, &["--tls", &serving.address], &[]);
    assert_eq!(ran.status, Some(3));
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot list the repositories on [registry]
      caused by: no answer to GET https://[registry]/lightship/v1/repositories (1 attempt)
      caused by: received corrupt message of type InvalidContentType

    hint: it does not speak TLS; if that is meant to be so, say --plain-http HOST
    ");
}
