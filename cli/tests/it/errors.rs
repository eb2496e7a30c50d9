//! What the program says when it cannot do what was asked, and its exit statuses.

use std::fs;

use crate::program::Place;

/// Runs the program, expects failure with `status`, nothing on standard output, and gives what it said.
#[track_caller]
fn fails(place: &Place, status: i32, arguments: &[&str]) -> String {
    let ran = place.run(arguments);
    assert_eq!(ran.status, Some(status), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

#[test]
fn an_unknown_image_is_told_with_the_one_that_may_be_meant() {
    let said = fails(&Place::empty(), 2, &["build", "cc-debian31"]);
    insta::assert_snapshot!(said, @r"
    error: cannot use cc-debian31
      caused by: there is no image cc-debian31 in the catalogue

    hint: did you mean cc-debian13?
    ");
}

#[test]
fn a_fault_of_a_specification_is_shown_where_it_is() {
    let place = Place::empty();
    place.write("image.yaml", "lightship: 1\nname: a\npakages: [x]\n");
    insta::assert_snapshot!(fails(&place, 2, &["build", "image.yaml"]), @r"
    error: the specification image.yaml has a fault

    error: unknown key `pakages`
     --> image.yaml:3:1
      |
    3 | pakages: [x]
      | ^^^^^^^
      = help: did you mean `packages`?
    ");
}

#[test]
fn a_build_from_a_lock_that_is_not_there_is_refused() {
    let place = Place::with_specification();
    fs::remove_file(place.path("lightship.lock")).unwrap();
    let said = fails(&place, 2, &["build", "tiny.yaml", "--locked"]);
    insta::assert_snapshot!(said, @r"
    error: cannot build from the lock: there is no lock at lightship.lock

    hint: `lightship lock` makes the lock; without --locked, build does so itself
    ");
}

#[test]
fn a_lock_of_another_release_is_refused_by_the_name_of_that_release() {
    let place = Place::with_images();
    let lock = place.read("lightship.lock");
    for (key, id) in [("encoder", "gzip-9"), ("emulation", "emulation-99")] {
        let mine = lock
            .lines()
            .find(|line| line.starts_with(&format!("\"{key}\"")))
            .unwrap();
        let foreign = lock
            .replace(mine, &format!("\"{key}\": \"{id}\","))
            .replace("\"written_by\": \"0.1.0\"", "\"written_by\": \"7.8.9\"");
        place.write("lightship.lock", &foreign);
        for command in [
            ["build", "tiny.yaml", "--locked"],
            ["lock", "tiny.yaml", "--check"],
        ] {
            let said = fails(&place, 2, &command);
            assert!(said.contains(&format!("{key} \"{id}\"")), "{said}");
            assert!(said.contains("lightship 7.8.9 has it"), "{said}");
            assert!(said.contains("hint: build with that release"), "{said}");
        }
    }
}

#[test]
fn a_damaged_lock_is_refused_and_left_as_it_is() {
    let place = Place::with_specification();
    place.write("lightship.lock", "[]");
    insta::assert_snapshot!(fails(&place, 2, &["build", "tiny.yaml"]), @r"
    error: cannot use lightship.lock
      caused by: the lock cannot be read
      caused by: invalid length 0, expected an object that begins with a version at line 1 column 2

    hint: take it from version control again, or remove it and run `lightship lock`
    ");
    assert_eq!(place.read("lightship.lock"), "[]");
}

#[test]
fn a_target_that_cannot_be_is_refused_before_any_work() {
    let place = Place::with_specification();
    for target in [
        "localhost:5000/tiny@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "oci:out:no tag",
        "oci:",
        "out",
        "dir:out",
    ] {
        fails(&place, 2, &["build", "tiny.yaml", "-o", target]);
    }
    fails(
        &place,
        2,
        &["build", "tiny.yaml", "--variant", "all", "-o", "oci:out:tag"],
    );
    fails(
        &place,
        2,
        &[
            "build",
            "tiny.yaml",
            "--arch",
            "amd64,arm64",
            "-o",
            "docker-archive:out.tar",
        ],
    );
    for made in ["cache", "out", "out.tar"] {
        assert!(!place.path(made).exists(), "{made}");
    }
}

#[test]
fn a_target_below_a_file_is_refused() {
    let said = fails(
        &Place::with_specification(),
        2,
        &["build", "tiny.yaml", "--offline", "-q", "-o", "oci:tiny.yaml/x"],
    );
    insta::assert_snapshot!(said, @r"
    error: cannot write to oci:tiny.yaml/x
      caused by: cannot open tiny.yaml/x
      caused by: Not a directory (os error 20)
    ");
}

#[test]
fn an_archive_that_is_not_in_the_cache_is_something_outside() {
    let said = fails(
        &Place::empty(),
        3,
        &["build", "static-debian13", "--offline", "-q"],
    );
    assert!(said.starts_with("error: cannot resolve the packages\n"), "{said}");
    assert!(said.ends_with("\n\nhint: run once without --offline\n"), "{said}");
}

#[test]
fn junk_for_a_date_is_wrong_usage() {
    let place = Place::with_specification();
    let mut command = place.command(&["build", "tiny.yaml", "--offline"]);
    let ran = place.ran(command.env("SOURCE_DATE_EPOCH", "junk").output().unwrap());
    assert_eq!(ran.status, Some(2));
    insta::assert_snapshot!(ran.stderr, @"error: SOURCE_DATE_EPOCH is `junk`, not a number of seconds since 1970");
}

#[test]
fn a_tag_that_is_not_there_is_told_with_those_that_are() {
    let said = fails(&Place::with_images(), 2, &["inspect", "oci:images:nosuch"]);
    insta::assert_snapshot!(said, @r#"
    error: cannot read oci:images:nosuch
      caused by: no image with tag "nosuch"; there is tiny-latest, tiny-other
    "#);
}

#[test]
fn a_path_that_is_not_in_an_image_is_told() {
    let place = Place::with_images();
    insta::assert_snapshot!(fails(&place, 2, &["cat", "oci:images:tiny-latest", "/nope"]), @r"
    error: there is no /nope in oci:images:tiny-latest
      caused by: /nope does not exist

    hint: `lightship ls oci:images:tiny-latest` lists what is there
    ");
}

#[test]
fn a_directory_that_is_no_cache_is_not_cleaned() {
    let place = Place::empty();
    fs::create_dir_all(place.path("project/packages")).unwrap();
    place.write("project/packages/precious", "");
    insta::assert_snapshot!(fails(&place, 2, &["cache", "clean", "--cache", "project"]), @r"
    error: cannot clean the cache project
      caused by: project is not a cache of lightship: it has no CACHEDIR.TAG

    hint: `lightship cache show` without --cache shows the one that is used by default
    ");
    assert!(place.path("project/packages/precious").exists());
}
