//! Data on standard output, talk on standard error, and what happens when nobody reads.

use std::fs::OpenOptions;
use std::io;
use std::process::Stdio;

use crate::program::Place;
use crate::server_process::Serving;

#[test]
fn the_help_lists_every_command_and_every_exit_status() {
    let ran = Place::empty().run(&["-h"]);
    assert_eq!(ran.status, Some(0));
    insta::assert_snapshot!(ran.stdout, @r"
    Builds distroless container base images from Debian packages, looks inside
    images, and serves them

    Usage: lightship [OPTIONS] <COMMAND>

    Commands:
      up           Build the default images, serve and publish them
      catalogue    List the images that can be built by name
      lock         Resolve images to exact packages and write lightship.lock
      build        Build images from Debian packages
      inspect      Show what an image is: platforms, configuration, layers,
                   packages, what refers to it
      ls           List the files of an image, without unpacking it
      cat          Print a file of an image, without unpacking it
      diff         Compare two images: packages, files, configuration and sizes;
                   exit 1 when they differ
      test         Run container-structure-test files (schema 1.0.0 and 2.0.0)
                   against an image; exit 1 when a test fails
      copy         Copy an image from one place to another, byte for byte
      migrate      Move a registry, or part of one, to another place
      audit        Find what in source trees still depends on an old registry, and
                   change it
      serve        Serve a registry from a data directory
      account      Make and look after accounts: who may log in to a registry
      repo         Look after the repositories of a running registry
      iam          Say who may do what on a running registry
      key          Make and look after the keys of accounts on a running registry
      gc           Free what nobody needs: blobs, dead uploads, and untagged
                   manifests where that is asked for
      scrub        Hash every blob again and look whether everything that is
                   referred to is there; exit status 1 when not
      backup       Back up a running registry, or a data directory that no server
                   uses
      restore      Make a data directory of a backup, and check every byte on the
                   way
      login        Keep a user name and password for a registry, where docker keeps
                   them
      logout       Forget the user name and password for a registry
      cache        Show or clean the cache of packages, indexes, layers and images
      completions  Print the completions of a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Talk:
          --progress <PROGRESS>  How progress is shown on standard error [default:
                                 auto] [possible values: auto, plain, none]
      -v, --verbose...           Say more; twice for still more
      -q, --quiet                Say only what went wrong

    Exit status:
      0    done
      1    the thing asked about is not so (a test failed, images differ, a lock is
      out of date)
      2    wrong usage or a bad input file
      3    something outside failed (network, mirror, registry, disk)
      255  a bug in lightship
    ");
}

#[test]
fn talk_is_not_on_standard_output() {
    let place = Place::with_specification();
    let loud = place.run(&["build", "tiny.yaml", "--offline", "-v"]);
    assert_eq!(loud.status, Some(0), "{}", loud.stderr);
    assert!(
        loud.stderr.contains("nothing was written; name a target"),
        "{}",
        loud.stderr
    );
    let quiet = place.run(&["build", "tiny.yaml", "--offline", "-q"]);
    assert_eq!(quiet.stderr, "");
    assert_eq!(quiet.stdout, loud.stdout);
    assert!(
        loud.stdout.starts_with("tiny (latest)\n  sha256:"),
        "{}",
        loud.stdout
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::with_images();
    for arguments in [
        &["ls", "oci:images:tiny-latest"][..],
        &["catalogue", "--format", "json"],
        &["build", "--help"],
        &["--version"],
        &["completions", "bash"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = place
            .command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output();
        let ran = place.ran(output.unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_something_outside() {
    let place = Place::empty();
    for arguments in [&["catalogue"][..], &["--help"], &["completions", "zsh"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place
            .command(arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .output();
        let ran = place.ran(output.unwrap());
        assert_eq!(ran.status, Some(3), "{arguments:?}");
        assert!(
            ran.stderr.starts_with("error: cannot write to standard output\n"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn nothing_is_coloured_without_a_terminal_or_with_no_color() {
    let place = Place::empty();
    for no_color in [None, Some("1")] {
        let mut command = place.command(&["build", "nosuch"]);
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        let ran = place.ran(command.output().unwrap());
        assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    }
}

#[test]
fn a_build_is_the_same_in_any_surroundings() {
    let place = Place::with_specification();
    let plain = place.run(&["build", "tiny.yaml", "--offline", "--format", "text"]);
    let mut command = place.command(&[
        "build",
        "tiny.yaml",
        "--offline",
        "--cache",
        "elsewhere",
        "-j",
        "1",
    ]);
    command.env("TZ", "Asia/Tokyo").env("LC_ALL", "tr_TR.UTF-8");
    assert_eq!(place.ran(command.output().unwrap()).stdout, plain.stdout);
}

#[test]
fn a_docker_archive_names_the_image_by_its_name_and_variant() {
    let place = Place::with_specification();
    let ran = place.run(&["build", "tiny.yaml", "--offline", "-o", "docker-archive:out.tar"]);
    assert!(
        ran.stdout
            .ends_with("  -> docker-archive:out.tar (tiny:latest)\n"),
        "{}",
        ran.stdout
    );
    let named = place.run(&["inspect", "docker-archive:out.tar:tiny:latest"]);
    assert_eq!(named.status, Some(0), "{}", named.stderr);
}

#[test]
fn what_a_registry_warns_of_is_told_once_at_the_end() {
    let place = Place::with_images();
    place.write("server.toml", "[repositories]\nimmutable_tags = \"all\"\n");
    let serving = Serving::start(&place, &[]);
    for (tag, options) in [("v1", &[][..]), ("v2", &["--quiet"])] {
        let image = format!("{}/team/tiny:{tag}", serving.address);
        let ran = place.run(&[&["copy", "oci:images:tiny-latest", &image], options].concat());
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let warned = format!("warning: {} says: ", serving.address);
        assert_eq!(ran.stderr.matches(&warned).count(), 1, "{}", ran.stderr);
        assert!(
            ran.stderr.trim_end().lines().last().unwrap().starts_with(&warned),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(serving.end(), Some(0));
}
