use super::*;
use crate::settings::Settings;

fn look(root: &Path, options: &TreeOptions) -> (Vec<String>, TreeReport) {
    let auditor = Auditor::new(Settings::default());
    let report = Tree::new(&auditor, options).look(&[root.to_owned()]).unwrap();
    let shown = report.findings.iter().map(|finding| {
        let below = finding.path.strip_prefix(&shown(root)).unwrap_or(&finding.path);
        format!("{}:{}", below.trim_start_matches('/'), finding.start.line)
    });
    (shown.collect(), report)
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

const HIT: &[u8] = b"gcr.io/p/i\n";

#[test]
fn hidden_files_are_read_and_ignored_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for path in [
        "b",
        ".github/a",
        ".git/a",
        "target/a",
        "left/a",
        "deep/er/a",
        "out/a",
    ] {
        write(root, path, HIT);
    }
    write(root, ".gitignore", b"target/\n");
    write(root, ".lightshipignore", b"left\n");
    let options = TreeOptions {
        left_out: vec!["out/".to_owned()],
        ..TreeOptions::default()
    };
    let (found, report) = look(root, &options);
    assert_eq!(found, [".github/a:1", "b:1", "deep/er/a:1"]);
    assert_eq!(report.files_scanned, 5);
    let all = TreeOptions {
        heeds_gitignore: false,
        ..options
    };
    assert!(look(root, &all).0.contains(&"target/a:1".to_owned()));
}

#[test]
fn links_are_not_followed_and_loops_do_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a/b", HIT);
    std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
    std::os::unix::fs::symlink("b", root.join("a/link")).unwrap();
    let (found, report) = look(root, &TreeOptions::default());
    assert_eq!(found, ["a/b:1"]);
    assert_eq!(report.notes, []);
    assert_eq!(look(&root.join("a/link"), &TreeOptions::default()).0.len(), 1);
}

#[test]
fn what_is_no_text_or_too_large_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "binary", b"\x7fELF\0gcr.io/p/i");
    let mut large = vec![b'x'; FILE_BYTES_MAX];
    write(root, "plain", &large);
    large.extend_from_slice(&vec![b'y'; WINDOW_BYTES - 3]);
    large.extend_from_slice(HIT);
    write(root, "large", &large);
    let (found, report) = look(root, &TreeOptions::default());
    assert_eq!(found, Vec::<String>::new());
    let noted: Vec<&str> = report.notes.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(
        noted,
        ["not read, since it has more than 8 MiB, though it may have findings"]
    );
    assert_eq!(report.files_scanned, 3);
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let of = |bytes: usize| [vec![b'\n'; bytes - HIT.len()], HIT.to_vec()].concat();
    write(root, "at", &of(FILE_BYTES_MAX));
    write(root, "above", &of(FILE_BYTES_MAX + 1));
    let (found, report) = look(root, &TreeOptions::default());
    assert_eq!(found, [format!("at:{}", FILE_BYTES_MAX - HIT.len() + 1)]);
    assert_eq!(report.notes.len(), 1);
    assert!(report.notes[0].path.ends_with("/above"));
}

#[test]
fn notes_are_kept_up_to_their_limit_and_counted_beyond() {
    let mut report = TreeReport::default();
    let mut add = |count: usize| {
        for _ in 0..count {
            let skipped = FileReport {
                skipped: Some("it is no text"),
                ..FileReport::default()
            };
            report.add_file("a", 1, skipped);
        }
        (report.notes.len(), report.notes_in_all)
    };
    assert_eq!(add(NOTES_MAX), (NOTES_MAX, NOTES_MAX));
    assert_eq!(add(1), (NOTES_MAX, NOTES_MAX + 1));
}

#[test]
fn names_that_are_no_utf8_lead_to_their_files() {
    use std::os::unix::ffi::OsStrExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let name = std::ffi::OsStr::from_bytes(b"bad\xff8.yaml");
    std::fs::write(root.join(name), HIT).unwrap();
    write(root, "back\\slash", HIT);
    let (found, report) = look(root, &TreeOptions::default());
    assert_eq!(found, ["back\\slash:1", "bad\\xFF8.yaml:1"]);
    let files: Vec<&Path> = report.findings.iter().map(|one| report.file(&one.path)).collect();
    assert_eq!(files, [root.join("back\\slash"), root.join(name)]);
    let sarif = serde_json::to_string(&crate::report::sarif(&report, "1.0.0")).unwrap();
    assert!(sarif.contains("bad%FF8.yaml"), "{sarif}");
    let json = serde_json::to_string(&crate::report::json(&report)).unwrap();
    assert!(json.contains("bad%FF8.yaml"), "{json}");
}

#[test]
fn what_cannot_be_read_is_counted_and_told() {
    let auditor = Auditor::new(Settings::default());
    let looked = Tree::new(&auditor, &TreeOptions::default()).look(&[PathBuf::from("/proc/self/mem")]);
    let report = looked.unwrap();
    assert_eq!((report.unread, report.unread_roots.len()), (1, 1));
    let sarif = crate::report::sarif(&report, "1.0.0");
    let run = &sarif["runs"][0]["invocations"][0];
    assert_eq!(run["executionSuccessful"], false);
    assert_eq!(run["toolExecutionNotifications"][0]["level"], "error");
    let text = crate::report::text(&report, crate::report::TextStyle::default());
    assert_eq!(text, "nothing in 0 files; 1 could not be read\n");
}

#[test]
fn what_the_user_named_for_something_else_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "moves.map", HIT);
    write(root, "a/moves.map", HIT);
    let options = TreeOptions {
        passed_over: vec![root.join("a/../moves.map")],
        ..TreeOptions::default()
    };
    assert_eq!(look(root, &options).0, ["a/moves.map:1"]);
}

#[test]
fn what_is_not_there_is_an_error() {
    let auditor = Auditor::new(Settings::default());
    let looked = Tree::new(&auditor, &TreeOptions::default()).look(&[PathBuf::from("/nowhere/at/all")]);
    assert_eq!(looked.unwrap_err().to_string(), "cannot read /nowhere/at/all");
}
