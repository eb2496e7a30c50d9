//! Administering a data directory, and what is told when there is no registry.

use serde_json::Value;

use crate::program::{Place, Ran};

fn with_input(place: &Place, arguments: &[&str], input: &str) -> Ran {
    place.run_with(&mut place.command(arguments), input)
}

fn with_data() -> Place {
    let place = Place::empty();
    let made = with_input(
        &place,
        &[
            "account",
            "create",
            "ann",
            "--admin",
            "--data",
            "data",
            "--password-stdin",
        ],
        "correct horse\n",
    );
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    place
}

#[test]
fn a_data_directory_is_collected_scrubbed_copied_and_made_again() {
    let place = with_data();
    let document = |arguments: &[&str]| -> Value {
        let ran = place.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(document["schema"], format!("lightship/{}/v1", arguments[0]));
        document
    };
    let dry = document(&["gc", "--dry-run", "--data", "data"]);
    assert_eq!(
        (&dry["dry_run"], &dry["cleanup"]["dry_run"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        document(&["gc", "--untagged-after", "30d", "--data", "data"])["bytes_freed"],
        0
    );
    assert_eq!(
        document(&["scrub", "--data", "data"])["findings"],
        serde_json::json!([])
    );
    assert_eq!(document(&["backup", "copy", "--data", "data"])["objects"], 0);
    assert_eq!(
        document(&["restore", "copy", "--data", "again"])["directory"],
        "again"
    );
    document(&["scrub", "--data", "again"]);
    for (arguments, words) in [
        (
            ["backup", "copy", "--data", "data"],
            "hint: name a directory that is empty",
        ),
        (
            ["backup", "other", "--data", "nothing"],
            "there is no data directory",
        ),
        (
            ["restore", "data", "--data", "third"],
            "hint: name a directory that `lightship backup` has made",
        ),
        (
            ["backup", "data/copy", "--data", "data"],
            "is in the data directory",
        ),
    ] {
        let ran = place.run(&arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn what_is_asked_for_wrongly_is_said_before_any_registry_is_asked() {
    let place = Place::empty();
    place.write("empty.json", "");
    for (arguments, words) in [
        (&["repo", "show", "r"][..], "is no repository"),
        (&["repo", "delete", "p/us/r"], "say --yes"),
        (&["repo", "update", "p/us/r"], "nothing is to be changed"),
        (&["repo", "tags", "oci:dir"], "is no image on a registry"),
        (&["iam", "grant", "ann", "reader", "registry"], "is no member"),
        (&["iam", "grant", "user:ann", "king", "registry"], "is no role"),
        (&["gc", "--untagged-after", "soon"], "is no time"),
        (
            &["backup"],
            "hint: back up a running registry with --registry HOST",
        ),
        (
            &["iam", "check", "user:ann", "fly", "registry"],
            "say pull, push, delete",
        ),
        (
            &["iam", "set", "registry", "empty.json"],
            "write an object with `bindings`",
        ),
        (&["repo", "quota", ""], "a value is required"),
        (&["inspect", "registry.example/UPPER"], "NAME in small letters"),
        (&["serve", "--listen", "localhost:5000"], "as 127.0.0.1:5000"),
        (
            &["account", "create", &"a".repeat(5000), "--data", "data"],
            "aaa…\" cannot be the name",
        ),
        (
            &["account", "create", "a:b", "--data", "data"],
            "cannot be the name of an account",
        ),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    let ran = place.run(&["repo", "list", "--registry", "127.0.0.1:1"]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("--registry HOST"), "{}", ran.stderr);
}

#[test]
fn a_mistyped_data_directory_is_not_made() {
    let place = Place::empty();
    for arguments in [&["gc", "--data", "tyop"][..], &["scrub", "--data", "tyop"]] {
        let ran = place.run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("there is no data directory tyop"),
            "{}",
            ran.stderr
        );
        assert!(!place.path("tyop").exists(), "{arguments:?}");
    }
}

#[test]
fn accounts_that_nobody_administers_are_warned_of() {
    let place = Place::empty();
    let create = |name: &str, option: &[&str]| {
        let all = [
            &["account", "create", name, "--data", "data", "--password-stdin"],
            option,
        ]
        .concat();
        let ran = with_input(&place, &all, "correct horse\n");
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        ran
    };
    assert!(create("ann", &[]).stderr.contains("nobody administers it"));
    assert!(!create("bob", &["--admin"]).stderr.contains("warning"));
    let ran = create("eve", &["--format", "json"]);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], "lightship/account/v1");
    assert_eq!(document["account"]["member"], "user:eve");
}
