mod sarif;

use super::*;
use crate::finding::{Resolution, Resolves, Target};
use crate::fix::{Mapping, propose};
use crate::rules::RULES;
use crate::tree::Note;
use crate::{Auditor, Settings};

/// A report with everything that one may have: a fix, a suggestion, what a registry said, a note, odd names.
fn everything() -> TreeReport {
    let auditor = Auditor::new(Settings::default());
    let mut report = TreeReport::default();
    for (path, text) in [
        (
            "a b/docker|file/Dockerfile",
            "FROM gcr.io/distroless/static\nFROM gcr.io/p/i:1 # é\n",
        ),
        (
            "ci.yml",
            "steps:\n- uses: docker/login-action@v3\n  with: {registry: eu.gcr.io, username: _json_key}\n",
        ),
        (
            "secret.yaml",
            "data: {.dockerconfigjson: eyJnY3IuaW8iOnsiYXV0aCI6IiJ9fQ==}\n",
        ),
    ] {
        report.add_file(path, text.len() as u64, auditor.file(path, text.as_bytes()));
    }
    let mut mapping = Mapping::known();
    mapping.add("gcr.io/p=us-docker.pkg.dev/p/images").unwrap();
    propose(&mut report.findings, &mapping);
    report.findings[1].resolves = Some(Resolves {
        anonymously: Resolution::Refused,
        as_user: Resolution::Yes,
        reason: None,
    });
    report.notes.push(Note {
        path: "large".to_owned(),
        reason: "not read".to_owned(),
        is_failure: true,
    });
    report.notes_in_all = 3;
    report
}

#[test]
fn markdown_has_all_that_there_is() {
    insta::assert_snapshot!(markdown(&everything()), @r#"
    ### What still depends on the old registry

    3 errors, 1 note in 3 files.

    | | Where | What stands there | What it means |
    |---|---|---|---|
    | ❌ error | `a b/docker\|file/Dockerfile:2` | `gcr.io/p/i:1` | gcr.io was shut down: this image has to be named where your repository is now; resolves: refused anonymously, yes with your credentials → `us-docker.pkg.dev/p/images/i:1` (`image-own`) |
    | ❌ error | `ci.yml:3` | `eu.gcr.io` | this step logs in to eu.gcr.io: log in to LOCATION-docker.pkg.dev as oauth2accesstoken, with workload identity; not rewritten: no mapping fits eu.gcr.io (`login-step`) |
    | ❌ error | `secret.yaml:1` | `(base64 of docker's configuration)` | nodes log in to gcr.io with this: make a secret for LOCATION-docker.pkg.dev, or let them use workload identity; not rewritten: it does not stand here letter by letter (`pull-secret`) |
    | ℹ️ note | `a b/docker\|file/Dockerfile:1` | `gcr.io/distroless/static` | Google's own image: it stays where it is; not rewritten: no mapping fits gcr.io/distroless/static (`image-google`) |

    In place of the step at `ci.yml:3`:

    ```yaml
    # The job needs: permissions: {contents: read, id-token: write}
    - id: auth
      uses: google-github-actions/auth@v2
      with:
        workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER
        service_account: ACCOUNT
        token_format: access_token
    - uses: docker/login-action@v3
      with:
        registry: LOCATION-docker.pkg.dev
        username: oauth2accesstoken
        password: ${{ steps.auth.outputs.access_token }}
    ```
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a document as it is written")]
fn the_document_has_all_that_there_is() {
    let document = serde_json::to_string_pretty(&super::json(&everything())).unwrap();
    insta::assert_snapshot!(document, @r##"
    {
      "schema": "lightship/audit/v1",
      "findings": [
        {
          "rule": "image-google",
          "severity": "note",
          "confidence": "high",
          "class": "google",
          "path": "a b/docker|file/Dockerfile",
          "line": 1,
          "column": 6,
          "end_line": 1,
          "end_column": 30,
          "reference": "gcr.io/distroless/static",
          "match": "gcr.io/distroless/static",
          "message": "Google's own image: it stays where it is",
          "documentation": "https://cloud.google.com/artifact-registry/docs/transition/transition-from-gcr",
          "suggestion": null,
          "composed": [],
          "fix": null,
          "stays": "no mapping fits gcr.io/distroless/static",
          "target": null,
          "resolves": null,
          "fingerprint": "ea54611f539e3b26e952a576d483eed1"
        },
        {
          "rule": "image-own",
          "severity": "error",
          "confidence": "high",
          "class": "own",
          "path": "a b/docker|file/Dockerfile",
          "line": 2,
          "column": 6,
          "end_line": 2,
          "end_column": 18,
          "reference": "gcr.io/p/i:1",
          "match": "gcr.io/p/i:1",
          "message": "gcr.io was shut down: this image has to be named where your repository is now",
          "documentation": "https://cloud.google.com/artifact-registry/docs/transition/transition-from-gcr",
          "suggestion": null,
          "composed": [],
          "fix": {
            "replacement": "us-docker.pkg.dev/p/images/i:1",
            "description": "name where it is now"
          },
          "stays": null,
          "target": {
            "reference": "us-docker.pkg.dev/p/images/i:1",
            "resolves": null
          },
          "resolves": {
            "anonymously": "refused",
            "as_user": "yes"
          },
          "fingerprint": "fd209717313ee2eb250b9824abd87b49"
        },
        {
          "rule": "login-step",
          "severity": "error",
          "confidence": "high",
          "class": null,
          "path": "ci.yml",
          "line": 3,
          "column": 20,
          "end_line": 3,
          "end_column": 29,
          "reference": "eu.gcr.io",
          "match": "eu.gcr.io",
          "message": "this step logs in to eu.gcr.io: log in to LOCATION-docker.pkg.dev as oauth2accesstoken, with workload identity",
          "documentation": "https://cloud.google.com/artifact-registry/docs/docker/authentication",
          "suggestion": "# The job needs: permissions: {contents: read, id-token: write}\n- id: auth\n  uses: google-github-actions/auth@v2\n  with:\n    workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER\n    service_account: ACCOUNT\n    token_format: access_token\n- uses: docker/login-action@v3\n  with:\n    registry: LOCATION-docker.pkg.dev\n    username: oauth2accesstoken\n    password: ${{ steps.auth.outputs.access_token }}\n",
          "composed": [],
          "fix": null,
          "stays": "no mapping fits eu.gcr.io",
          "target": null,
          "resolves": null,
          "fingerprint": "2d7ad1ac64ae5c03b1a6718d9ffd7194"
        },
        {
          "rule": "pull-secret",
          "severity": "error",
          "confidence": "high",
          "class": null,
          "path": "secret.yaml",
          "line": 1,
          "column": 27,
          "end_line": 1,
          "end_column": 59,
          "reference": "gcr.io",
          "match": "(base64 of docker's configuration)",
          "message": "nodes log in to gcr.io with this: make a secret for LOCATION-docker.pkg.dev, or let them use workload identity",
          "documentation": "https://cloud.google.com/artifact-registry/docs/docker/authentication",
          "suggestion": null,
          "composed": [],
          "fix": null,
          "stays": "it does not stand here letter by letter",
          "target": null,
          "resolves": null,
          "fingerprint": "76715d97275658b1b7b6391d17017dd9"
        }
      ],
      "files_scanned": 3,
      "bytes_scanned": 202,
      "ignored": 0,
      "unread": 0,
      "notes": [
        {
          "path": "large",
          "reason": "not read",
          "is_failure": true
        }
      ],
      "notes_in_all": 3
    }
    "##);
}

#[test]
fn a_table_that_is_cut_off_has_what_matters_most() {
    let auditor = Auditor::new(Settings::default());
    let mut report = TreeReport::default();
    let notes = "FROM gcr.io/distroless/static\n".repeat(205);
    for (path, text) in [
        ("a/Dockerfile", notes.as_str()),
        ("b/Dockerfile", "FROM gcr.io/p/i\n"),
    ] {
        report.add_file(path, text.len() as u64, auditor.file(path, text.as_bytes()));
    }
    let table = markdown(&report);
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.contains("Dockerfile:"))
        .collect();
    assert_eq!(rows.len(), 200);
    assert!(rows[0].contains("`b/Dockerfile:1`"), "{}", rows[0]);
    assert!(rows[1].contains("`a/Dockerfile:1`") && rows[199].contains("`a/Dockerfile:199`"));
    assert!(table.ends_with("… and 6 more.\n"));
}

#[test]
fn every_rule_is_described() {
    let document = sarif(&TreeReport::default(), "1.2.3");
    let rules = document.pointer("/runs/0/tool/driver/rules").unwrap();
    assert_eq!(rules.as_array().unwrap().len(), RULES.len());
}

#[test]
fn every_report_says_whether_references_resolve_and_what_becomes_of_them() {
    let mut report = TreeReport::default();
    let auditor = Auditor::new(Settings::default());
    report.add_file("a.sh", 1, auditor.file("a.sh", b"docker push gcr.io/acme/x\n"));
    let resolves = Resolves {
        anonymously: Resolution::Refused,
        as_user: Resolution::Unreachable,
        reason: Some("no route".to_owned()),
    };
    report.findings[0].resolves = Some(resolves.clone());
    report.findings[0].stays = Some("it is late".to_owned());
    report.findings[0].target = Some(Target {
        reference: "x.example/acme/x".to_owned(),
        resolves: Some(resolves),
    });
    let json = serde_json::to_string(&json(&report)).unwrap();
    let sarif = sarif(&report, "1.0.0").to_string();
    for told in [
        json,
        sarif,
        text(&report, TextStyle::default()),
        markdown(&report),
    ] {
        for part in ["refused", "no route", "x.example/acme/x", "it is late"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn signs_that_a_terminal_obeys_are_not_shown() {
    let mut report = TreeReport::default();
    let auditor = Auditor::new(Settings::default());
    let line = "docker push gcr.io/acme/x # \u{1b}[31m \u{202e}\n".as_bytes();
    report.add_file("a\u{1b}.sh", 1, auditor.file("a\u{1b}.sh", line));
    let told = text(&report, TextStyle::default());
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
}
