//! `lightship audit` as people and pipelines meet it.

use std::process::{Command, Stdio};

use crate::program::Place;

/// A tree with something of each severity.
fn tree() -> Place {
    let place = Place::empty();
    std::fs::create_dir_all(place.path("k8s")).unwrap();
    place.write(
        "Dockerfile",
        "FROM gcr.io/acme-prod/base:1.2\nCOPY --from=gcr.io/distroless/static / /\n",
    );
    place.write(
        "k8s/app.yaml",
        "spec:\n  containers:\n    - image: k8s.gcr.io/pause:3.9 # gcr.io/old/comment\r\n",
    );
    place.write("README.md", "Pull `gcr.io/acme-prod/base`.\n");
    place
}

#[test]
fn a_tree_is_shown_with_its_lines() {
    let place = tree();
    let ran = place.run(&["audit", "."]);
    assert_eq!(ran.status, Some(1));
    insta::assert_snapshot!(ran.stdout, @r"
    Dockerfile
      1:6  error[image-own]  gcr.io was shut down: this image has to be named where your repository is now
          FROM gcr.io/acme-prod/base:1.2
               ^^^^^^^^^^^^^^^^^^^^^^^^^
      2:13  note[image-google]  Google's own image: it stays where it is
          COPY --from=gcr.io/distroless/static / /
                      ^^^^^^^^^^^^^^^^^^^^^^^^

    k8s/app.yaml
      3:14  warning[image-kubernetes]  k8s.gcr.io is frozen: use registry.k8s.io
          - image: k8s.gcr.io/pause:3.9 # gcr.io/old/comment
                   ^^^^^^^^^^^^^^^^^^^^
          → registry.k8s.io/pause:3.9

    1 error, 1 warning, 1 note in 3 files
    ");
    let quiet = place.run(&["audit", "README.md"]);
    assert_eq!(
        (quiet.status, quiet.stdout.as_str()),
        (Some(0), "nothing in 1 file\n")
    );
    let mentions = place.run(&["audit", "README.md", "--severity", "info"]);
    assert_eq!(mentions.status, Some(0));
    assert!(mentions.stdout.contains("info[image-own]"), "{}", mentions.stdout);
}

#[test]
fn what_stays_as_it_is_is_no_reason_to_fail() {
    let place = Place::empty();
    place.write("Dockerfile", "FROM gcr.io/distroless/static\n");
    let ran = place.run(&["audit", "."]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.stdout.contains("note[image-google]"), "{}", ran.stdout);
}

#[test]
fn a_mapping_is_shown_then_made_and_nothing_is_left() {
    let place = tree();
    place.write(
        "map.txt",
        "gcr.io/acme-prod=eu-docker.pkg.dev/acme/images # all of it\n",
    );
    let words = ["audit", ".", "--map", "map.txt", "--exclude", "map.txt"];
    let shown = place.run(&[words.as_slice(), &["--diff"]].concat());
    assert_eq!(shown.status, Some(1));
    insta::assert_snapshot!(shown.stdout.replace('\r', ""), @r"
    --- a/Dockerfile
    +++ b/Dockerfile
    @@ -1,2 +1,2 @@
    -FROM gcr.io/acme-prod/base:1.2
    +FROM eu-docker.pkg.dev/acme/images/base:1.2
     COPY --from=gcr.io/distroless/static / /
    --- a/k8s/app.yaml
    +++ b/k8s/app.yaml
    @@ -1,3 +1,3 @@
     spec:
       containers:
    -    - image: k8s.gcr.io/pause:3.9 # gcr.io/old/comment
    +    - image: registry.k8s.io/pause:3.9 # gcr.io/old/comment
    ");
    let fixed = place.run(&[words.as_slice(), &["--fix"]].concat());
    assert_eq!(fixed.status, Some(0), "{}{}", fixed.stdout, fixed.stderr);
    assert_eq!(fixed.stderr, "2 rewritten in 2 files\n");
    // The comment stays, and so does the line's end.
    assert_eq!(
        place.read("k8s/app.yaml"),
        "spec:\n  containers:\n    - image: registry.k8s.io/pause:3.9 # gcr.io/old/comment\r\n"
    );
    let again = place.run(&[words.as_slice(), &["--fix"]].concat());
    assert_eq!(
        (again.status, again.stderr.as_str()),
        (Some(0), "0 rewritten in 0 files\n")
    );
}

#[test]
fn what_a_baseline_has_is_passed_over() {
    let place = tree();
    let known = place.run(&["audit", ".", "--format", "json"]);
    place.write("known.json", &known.stdout);
    let words = [
        "audit",
        ".",
        "--baseline",
        "known.json",
        "--exclude",
        "known.json",
    ];
    assert_eq!(place.run(&words).status, Some(0));
    place.write(
        "Dockerfile",
        "# one line more\nFROM gcr.io/acme-prod/base:1.2\nFROM gcr.io/acme-prod/new\n",
    );
    let ran = place.run(&words);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.contains("1 error in"), "{}", ran.stdout);
    place.write("known.json", "{}");
    assert_eq!(place.run(&words).status, Some(2));
}

#[test]
fn settings_of_a_repository_are_heeded() {
    let place = tree();
    place.write(
        ".lightship-audit.toml",
        "own-projects = [\"mine\"]\nexclude = [\"k8s/\"]\n[rules]\nimage-google = \"off\"\n",
    );
    let ran = place.run(&["audit", "."]);
    assert!(
        ran.stdout.contains("image-third-party") && ran.stdout.contains("1 error in"),
        "{}",
        ran.stdout
    );
    place.write(".lightship-audit.toml", "[rules]\nimage-googel = \"off\"\n");
    let ran = place.run(&["audit", "."]);
    assert_eq!(ran.status, Some(2));
    assert_eq!(
        ran.stderr,
        "error: there is no rule \"image-googel\"\n\nhint: did you mean image-google?\n"
    );
}

#[test]
fn standard_input_is_one_file() {
    let place = Place::empty();
    let words = ["audit", "-", "--stdin-name", "Dockerfile", "--format", "json"];
    let ran = place.run_with(&mut place.command(&words), "FROM gcr.io/p/i\n");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.contains("\"path\": \"Dockerfile\""), "{}", ran.stdout);
    assert_eq!(place.run(&["audit", "-", "."]).status, Some(2));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "git is found by the PATH of whoever runs the tests"
)]
fn revisions_are_read_without_a_checkout() {
    let place = tree();
    let git = |words: &[&str]| {
        let named = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let done = Command::new("git")
            .current_dir(place.path(""))
            .args(named)
            .args(words)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "all"]);
    place.write("Dockerfile", "FROM scratch\n");
    let mut command = place.command(&["audit", ".", "--revision", "HEAD"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ran = place.run_with(&mut command, "");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("gcr.io/acme-prod/base"), "{}", ran.stdout);
    let mut command = place.command(&["audit", ".", "--revision", "nothing"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    assert_eq!(place.run_with(&mut command, "").status, Some(2));
}

#[test]
fn what_cannot_be_done_is_told_before_any_work() {
    let place = tree();
    for (words, status, told) in [
        (["audit", "nowhere"].as_slice(), 2, "cannot read nowhere"),
        (
            &["audit", ".", "--map", "gcr.io"],
            2,
            "cannot read the mapping gcr.io",
        ),
        (
            &["audit", ".", "--map", "gcr.io=x"],
            2,
            "is no prefix of image references",
        ),
        (
            &["audit", ".", "--host", "local"],
            2,
            "\"local\" is no host of a registry",
        ),
        (&["audit", "explain", "nothing-like-it"], 2, "there is no rule"),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.status, Some(status), "{words:?}");
        assert!(ran.stderr.contains(told), "{words:?}: {}", ran.stderr);
    }
    let explained = place.run(&["audit", "explain"]);
    assert_eq!(explained.stdout.lines().count(), audit_rules());
}

/// As many as there are pages.
fn audit_rules() -> usize {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../audit/src/rules/pages");
    std::fs::read_dir(pages).unwrap().count()
}

#[test]
fn a_difference_is_shown_or_made_and_needs_a_mapping() {
    let place = tree();
    let map = ["--map", "gcr.io/acme-prod=eu-docker.pkg.dev/acme/images"];
    let before = place.read("Dockerfile");
    let both = place.run(&[&["audit", ".", "--fix", "--diff"], map.as_slice()].concat());
    assert_eq!(both.status, Some(2), "{}", both.stderr);
    assert_eq!(place.run(&["audit", ".", "--fix"]).status, Some(2));
    assert_eq!(place.run(&["audit", ".", "--diff"]).status, Some(2));
    assert_eq!(place.read("Dockerfile"), before);
}

#[test]
fn what_stays_says_why() {
    let place = Place::empty();
    place.write(
        "a.sh",
        "docker push gcr.io/other/x\nR=gcr.io\ndocker push $R/acme/y\n",
    );
    let map = ["--map", "gcr.io/acme=x.example/images"];
    for words in [vec![], vec!["--fix"]] {
        let ran = place.run(&[&["audit", "."], map.as_slice(), &words].concat());
        assert_eq!(ran.status, Some(1), "{}", ran.stderr);
        for told in [
            "not rewritten: no mapping fits gcr.io/other/x",
            "not rewritten: gcr.io/acme/y is put together from it and becomes x.example/images/y",
        ] {
            assert!(ran.stdout.contains(told), "{}", ran.stdout);
        }
    }
    let unmapped = place.run(&["audit", "."]);
    assert!(!unmapped.stdout.contains("not rewritten"), "{}", unmapped.stdout);
}

#[test]
fn own_files_and_what_was_named_for_something_else_are_not_audited() {
    let place = tree();
    place.write("moves.map", "gcr.io/acme-prod=eu-docker.pkg.dev/acme/images\n");
    place.write(".lightship-audit.toml", "hosts = [\"old.example\"]\n");
    let map = ["--map", "moves.map"];
    let ran = place.run(&[&["audit", ".", "--format", "json"], map.as_slice()].concat());
    place.write("report.json", &ran.stdout);
    let again = place.run(&[&["audit", ".", "--format", "json"], map.as_slice()].concat());
    let count = |text: &str| text.matches("\"rule\"").count();
    assert_eq!(count(&again.stdout), count(&ran.stdout), "{}", again.stdout);
    assert!(!again.stdout.contains("moves.map"), "{}", again.stdout);
    let fixed = place.run(&[&["audit", ".", "--fix"], map.as_slice()].concat());
    assert_eq!(fixed.status, Some(0), "{}{}", fixed.stdout, fixed.stderr);
    assert_eq!(place.read("report.json"), ran.stdout);
    assert!(place.read("moves.map").starts_with("gcr.io/acme-prod="));
}

#[test]
fn hosts_that_are_mapped_are_looked_for() {
    let place = Place::empty();
    place.write("Dockerfile", "FROM registry.old.example/team/app:1\n");
    let map = ["--map", "registry.old.example=new.example"];
    let ran = place.run(&[&["audit", "."], map.as_slice()].concat());
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("→ new.example/team/app:1"), "{}", ran.stdout);
}

#[test]
fn secrets_beside_findings_are_in_no_report() {
    let place = Place::empty();
    place.write(
        "a.sh",
        "docker login -u _json_key -p \"hunter2secret\" gcr.io\ndocker login -p '{\"private_key\": \"hunter2\"}' gcr.io\n",
    );
    place.write(
        "config.json",
        "{\"auths\":{\"gcr.io\":{\"auth\":\"aHVudGVyMg==\",\"password\":\"hunter2\"}}}\n",
    );
    for format in ["text", "json", "sarif", "markdown"] {
        let ran = place.run(&["audit", ".", "--format", format]);
        assert!(ran.stdout.contains("docker-login"), "{}", ran.stdout);
        for secret in ["hunter2", "aHVudGVyMg"] {
            assert!(!ran.stdout.contains(secret), "{format}: {}", ran.stdout);
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let place = tree();
    for (words, told) in [
        (["audit", "-", "--staged"].as_slice(), "nothing staged"),
        (
            &["audit", ".", "--stdin-name", "a"],
            "--stdin-name names standard input",
        ),
        (&["audit", ".", "--own-project", "a,b"], "\"a,b\" is no project"),
        (&["audit", ".", "--own-project", ""], "\"\" is no project"),
        (
            &["audit", ".", "--map", "gcr.io/acme=x.example/Acme"],
            "cannot begin image references",
        ),
    ] {
        let ran = place.run(words);
        assert_eq!(ran.status, Some(2), "{words:?}");
        assert!(ran.stderr.contains(told), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn what_was_named_and_cannot_be_read_is_a_failure_outside() {
    let place = tree();
    // Even root reads nothing there.
    let ran = place.run(&["audit", "Dockerfile", "/proc/self/mem"]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 could not be read"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("cannot audit /proc/self/mem"),
        "{}",
        ran.stderr
    );
    place.write(
        "large.yaml",
        &format!("a: gcr.io/p/i\n{}", "# x\n".repeat(3 << 20)),
    );
    assert_eq!(place.run(&["audit", "large.yaml"]).status, Some(3));
    let within = place.run(&["audit", ".", "--format", "sarif"]);
    assert_eq!(within.status, Some(1), "{}", within.stderr);
    assert!(within.stdout.contains("\"executionSuccessful\": false"));
    assert!(
        within.stderr.contains("large.yaml: not read"),
        "{}",
        within.stderr
    );
}

#[test]
fn a_baseline_fits_from_every_folder_and_tells_when_it_does_not() {
    let place = tree();
    let shop = place.run(&["audit", "k8s", "--format", "json"]);
    place.write("known.json", &shop.stdout);
    for path in ["k8s/", "./k8s", "k8s/../k8s"] {
        let ran = place.run(&["audit", path, "--baseline", "known.json"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{path}");
    }
    let mut command = place.command(&["audit", ".", "--baseline", "../known.json"]);
    command.current_dir(place.path("k8s"));
    assert_eq!(place.run_with(&mut command, "").status, Some(0));
    let other = place.run(&["audit", "Dockerfile", "--baseline", "known.json"]);
    assert_eq!(other.status, Some(1));
    assert!(
        other.stderr.contains("nothing that was found is in the baseline"),
        "{}",
        other.stderr
    );
}

#[test]
fn settings_above_count_up_to_the_top_of_the_repository() {
    let place = tree();
    place.write(".lightship-audit.toml", "exclude = [\"/k8s/app.yaml\"]\n");
    let below = |place: &Place| place.run(&["audit", "k8s"]).status;
    assert_eq!(below(&place), Some(1));
    std::fs::create_dir(place.path(".git")).unwrap();
    assert_eq!(below(&place), Some(0));
}

#[test]
fn a_host_that_is_silent_is_given_up() {
    let place = Place::empty();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let known = format!("ARG V=2\nARG U\nFROM {host}/a/d:${{V}}\nFROM {host}/a/e:${{U}}\n");
    place.write(
        "Dockerfile",
        &format!("FROM {host}/a/b:1\nFROM {host}/a/c:1\n{known}"),
    );
    let begun = std::time::Instant::now();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap().to_string();
    let map = format!("{host}={other}");
    let ran = place.run(&["audit", ".", "--map", &map, "--verify"]);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert!(
        ran.stdout.contains("unreachable anonymously") && ran.stdout.contains("no answer in 10 seconds"),
        "{}",
        ran.stdout
    );
    // What comes of it is asked for, too; nobody listens there any more.
    let target = format!("{other}/a/b:1 resolves: unreachable anonymously");
    assert!(ran.stdout.contains(&target), "{}", ran.stdout);
    // A variable with one value is read as that.
    let target = format!("{other}/a/d:2 resolves: unreachable anonymously");
    assert!(ran.stdout.contains(&target), "{}", ran.stdout);
    assert!(ran.stderr.contains("asking for 6 references: "), "{}", ran.stderr);
}

#[test]
fn an_interrupted_rewriting_leaves_whole_files_and_says_how_many() {
    let place = Place::empty();
    let text: String = (0..300)
        .map(|number| format!("- image: gcr.io/acme/app{number}:v1\n"))
        .collect();
    let names: Vec<String> = (0..400).map(|number| format!("f{number:03}.yaml")).collect();
    for name in &names {
        place.write(name, &text);
    }
    let mut command = place.command(&["audit", ".", "--map", "gcr.io=x.example", "--fix"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = std::time::Instant::now();
    while place.read("f000.yaml") == text && begun.elapsed().as_secs() < 120 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let mended = text.replace("gcr.io", "x.example");
    let done = names.iter().filter(|name| place.read(name) == mended).count();
    let left = names.iter().filter(|name| place.read(name) == text).count();
    assert_eq!(
        (done + left, std::fs::read_dir(place.path("")).unwrap().count()),
        (400, 400)
    );
    let told = String::from_utf8(output.stderr).unwrap();
    let plural = if done == 1 { " was" } else { "s were" };
    assert!(
        left > 0 && told.contains(&format!("interrupted: {done} file{plural} rewritten")),
        "{told}"
    );
}
