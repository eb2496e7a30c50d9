//! Carrying over who may do what, from Google's policies to a running registry.

use serde_json::Value;

use crate::program::{Place, Ran};
use crate::server_process::Serving;

const BUCKET: &str = r#"{"bindings": [
    {"role": "roles/storage.legacyBucketOwner", "members": ["projectEditor:shop"]},
    {"role": "roles/storage.objectViewer", "members": ["allUsers", "user:ann", "domain:shop.example"]}], "etag": "CAE="}"#;

/// As `gcloud` writes it unless told otherwise.
const PROJECT: &str = "bindings:
- members:
  - serviceAccount:build@shop.example
  role: roles/editor
etag: BwY=
version: 1
";

const REPOSITORY: &str = "projects/shop/locations/us/repositories/gcr.io";

fn with_policies() -> Place {
    let place = Place::empty();
    place.write("artifacts.shop.appspot.com.json", BUCKET);
    place.write("shop.yaml", PROJECT);
    place
}

const FROM_FILES: [&str; 6] = [
    "migrate",
    "iam",
    "--policy",
    "artifacts.shop.appspot.com.json",
    "--project-policy",
    "shop.yaml",
];

fn document(ran: &Ran) -> Value {
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], "lightship/migrate-iam/v1");
    document["repositories"][0].clone()
}

/// `MEMBER ROLE` of each in a list.
fn pairs(list: &Value) -> Vec<String> {
    let text = |entry: &Value| {
        let role = entry["role"]
            .as_str()
            .unwrap()
            .trim_start_matches("roles/artifactregistry.");
        format!("{} {role}", entry["member"].as_str().unwrap())
    };
    list.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn policies_are_shown_with_their_reasons_and_with_what_is_lost() {
    let place = with_policies();
    let ran = place.run(&FROM_FILES);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    for words in [
        "projects/shop/locations/us/repositories/gcr.io, from artifacts.shop.appspot.com, projects/shop",
        "allUsers                          reader  roles/storage.objectViewer on artifacts.shop.appspot.com",
        "serviceAccount:build@shop.example  writer",
        "loses: domain:shop.example cannot pull, list any more",
        "loses: projectEditor:shop cannot delete, set the policy any more",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeezed(&ran.stdout).contains(&squeezed(words)),
            "{words}\n{}",
            ran.stdout
        );
    }
    // What everybody can do is nothing that a writer gains.
    assert!(!ran.stdout.contains("gains"), "{}", ran.stdout);
    let ran = place.run(&["migrate", "iam", "--policy", "artifacts.shop.appspot.com.json"]);
    assert_eq!(ran.status, Some(2));
    for words in ["projectEditor:shop", "--drop-convenience-members"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn what_a_member_is_called_forges_no_line_and_moves_no_cursor() {
    let place = Place::empty();
    let bucket = |members: &str| {
        let policy = format!(
            r#"{{"bindings": [{{"role": "roles/storage.objectViewer", "members": [{members}]}}], "etag": "CAE="}}"#
        );
        place.write("artifacts.shop.appspot.com.json", &policy);
        place.run(&["migrate", "iam", "--policy", "artifacts.shop.appspot.com.json"])
    };
    let forged = r"\nallUsers  reader  roles/storage.objectViewer\u001b[2J";
    let ran = bucket(&format!(
        r#""user:ann", "domain:shop{forged}", "user:eve{forged}""#
    ));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    // What Google calls them in other ways is refused, by name.
    let refused = bucket(&format!(r#""projectEditor:shop{forged}", "projectViewer:other""#));
    assert_eq!(refused.status, Some(2), "{}", refused.stdout);
    for shown in [&ran.stdout, &refused.stderr] {
        assert!(shown.contains(r"shop\nallUsers  reader"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(
            !shown
                .lines()
                .any(|line| line.trim_start().starts_with("allUsers")),
            "{shown}"
        );
    }
}

#[test]
fn files_for_review_are_not_written_through_links() {
    let place = with_policies();
    place.write("precious", "precious");
    let write = || place.run(&[&FROM_FILES[..], &["--write", "review"]].concat());
    std::fs::create_dir_all(place.path("review/shop")).unwrap();
    let file = place.path("review/shop/gcr.io.yaml");
    std::os::unix::fs::symlink(place.path("precious"), &file).unwrap();
    let ran = write();
    assert_eq!(ran.status, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("is a symbolic link"), "{}", ran.stderr);
    assert_eq!(
        std::fs::read_to_string(place.path("precious")).unwrap(),
        "precious"
    );
    // Nor into a directory that is elsewhere.
    std::fs::remove_dir_all(place.path("review/shop")).unwrap();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("review/shop")).unwrap();
    assert_eq!(write().status, Some(2));
    assert_eq!(std::fs::read_dir(place.path("elsewhere")).unwrap().count(), 0);
    std::fs::remove_file(place.path("review/shop")).unwrap();
    // What was written before is written anew.
    for _ in 0..2 {
        let ran = write();
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("allUsers"), "{text}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn reviewed_files_are_applied_to_a_registry_and_add_only_what_is_missing() {
    let place = with_policies();
    let made = [
        "account",
        "create",
        "root",
        "--admin",
        "--data",
        "data",
        "--password-stdin",
    ];
    let made = place.run_with(&mut place.command(&made), "correct horse\n");
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    place.write("server.toml", "");
    let serving = Serving::start(&place, &[]);
    let run = |arguments: &[&str], input: &str| {
        let mut command = place.command(arguments);
        place.run_with(command.env("DOCKER_CONFIG", place.path("docker")), input)
    };
    let at = serving.address.as_str();
    let login = run(
        &["login", at, "-u", "root", "--password-stdin"],
        "correct horse\n",
    );
    assert_eq!(login.status, Some(0), "{}", login.stderr);
    let wrote = run(&[&FROM_FILES[..], &["--write", "review"]].concat(), "");
    assert_eq!(wrote.status, Some(0), "{}", wrote.stderr);

    let apply = [
        "migrate", "iam", "--apply", "review", "--server", at, "--format", "json",
    ];
    let early = run(&apply, "");
    assert_eq!(early.status, Some(2));
    assert!(early.stderr.contains("lightship repo create"), "{}", early.stderr);
    for arguments in [
        ["repo", "create", REPOSITORY, "--registry", at].as_slice(),
        &[
            "iam",
            "grant",
            "user:ann",
            "writer",
            "projects/shop",
            "--registry",
            at,
        ],
        &["iam", "grant", "user:eve", "reader", REPOSITORY, "--registry", at],
    ] {
        let ran = run(arguments, "");
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    }

    let compared = [&FROM_FILES[..], &["--server", at, "--format", "json"]].concat();
    let before = document(&run(&compared, ""));
    let expected = ["serviceAccount:build@shop.example writer", "allUsers reader"];
    assert_eq!(pairs(&before["add"]), expected);
    assert_eq!(pairs(&before["held"]), ["user:ann writer"]);
    assert_eq!(
        pairs(&before["more"]),
        ["user:ann writer", "user:eve reader", "user:root admin"]
    );

    let applied = document(&run(&apply, ""));
    let sorted = |mut pairs: Vec<String>| {
        pairs.sort();
        pairs
    };
    assert_eq!(
        sorted(pairs(&applied["add"])),
        sorted(expected.map(str::to_owned).to_vec())
    );
    let after = document(&run(&compared, ""));
    assert_eq!(pairs(&after["add"]), [""; 0]);
    let check =
        |who: &str, what: &str| run(&["iam", "check", who, what, REPOSITORY, "--registry", at], "").status;
    for (who, what, status) in [
        ("allUsers", "pull", 0),
        ("allUsers", "push", 1),
        ("serviceAccount:build@shop.example", "push", 0),
        ("serviceAccount:build@shop.example", "delete", 1),
        ("user:eve", "pull", 0),
    ] {
        assert_eq!(check(who, what), Some(status), "{who} {what}");
    }
}
