//! What goes wrong for somebody who is new, and what they are told: what was attempted, on what, why not, what next.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Place, Ran};
use crate::server_process::Serving;

/// Runs the program with something on its standard input, and a place of its own for credentials.
fn run(place: &Place, arguments: &[&str], input: &str) -> Ran {
    let mut command = place.command(arguments);
    place.run_with(command.env("DOCKER_CONFIG", place.path("docker")), input)
}

/// A registry that ann administers.
fn closed(place: &Place) -> Serving {
    let create = [
        "account",
        "create",
        "ann",
        "--admin",
        "--data",
        "data",
        "--password-stdin",
    ];
    let made = run(place, &create, "correct horse\n");
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    place.write("server.toml", "");
    Serving::start(place, &[])
}

/// What is told, without the port, which is another one each time.
fn told(serving: &Serving, ran: &Ran, status: i32) -> String {
    assert_eq!(ran.status, Some(status), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    ran.stderr.replace(&serving.address, "[registry]")
}

#[test]
fn a_wrong_password_is_told() {
    let place = Place::empty();
    let serving = closed(&place);
    let login = ["login", &serving.address, "-u", "ann", "--password-stdin"];
    let ran = run(&place, &login, "wrong\n");
    insta::assert_snapshot!(told(&serving, &ran, 3), @r"
    error: cannot log in to [registry]
      caused by: [registry] refuses the credentials for it (UNAUTHORIZED: user name or password is wrong)

    hint: look at the user name and the password; nothing was kept
    ");
    assert!(!place.path("docker/config.json").exists());
}

#[test]
fn who_has_not_logged_in_is_told_how() {
    let place = Place::with_images();
    let serving = closed(&place);
    let image = format!("{}/team/app:v1", serving.address);
    let ran = run(&place, &["copy", "oci:images:tiny-latest", &image], "");
    insta::assert_snapshot!(told(&serving, &ran, 3), @r"
    error: cannot copy oci:images:tiny-latest to [registry]/team/app:v1
      caused by: image cannot be written
      caused by: cannot look for sha256:56a82e8824a69c3796acce0ad9a548796f01a6c20a0f8bde08c4a66038926b7e in [registry]/team/app: [registry] wants a user name and password

    hint: run `lightship login [registry]`
    ");
    let list = ["repo", "list", "--registry", &serving.address];
    insta::assert_snapshot!(told(&serving, &run(&place, &list, ""), 3), @r"
    error: cannot list the repositories on [registry]
      caused by: [registry] wants a user name and password (UNAUTHENTICATED: authentication required)

    hint: run `lightship login [registry]`
    ");
}

#[test]
fn a_token_that_is_none_any_more_is_told() {
    let place = Place::empty();
    let serving = closed(&place);
    let expired = format!(
        r#"{{"auths":{{"{}":{{"registrytoken":"ls1.expired"}}}}}}"#,
        serving.address
    );
    fs::create_dir(place.path("docker")).unwrap();
    place.write("docker/config.json", &expired);
    let list = ["repo", "list", "--registry", &serving.address];
    insta::assert_snapshot!(told(&serving, &run(&place, &list, ""), 3), @r"
    error: cannot list the repositories on [registry]
      caused by: [registry] refuses the credentials for it (UNAUTHENTICATED: this is an opaque access token, which only its issuer can read: no issuer with an introspection or tokeninfo endpoint is configured here that it could be of)

    hint: run `lightship login [registry]`
    ");
}

fn log_in(place: &Place, serving: &Serving, name: &str) {
    let login = ["login", &serving.address, "-u", name, "--password-stdin"];
    let ran = run(place, &login, "correct horse\n");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
}

/// What is told of a command there.
fn at(place: &Place, serving: &Serving, arguments: &[&str], status: i32) -> String {
    let all = [arguments, &["--registry", &serving.address]].concat();
    told(serving, &run(place, &all, ""), status)
}

#[test]
fn what_somebody_may_not_do_is_told() {
    let place = Place::empty();
    let serving = closed(&place);
    log_in(&place, &serving, "ann");
    let create = [
        "account",
        "create",
        "bob",
        "--password-stdin",
        "--registry",
        &serving.address,
    ];
    assert_eq!(run(&place, &create, "correct horse\n").status, Some(0));
    log_in(&place, &serving, "bob");
    let at = |arguments: &[&str]| at(&place, &serving, arguments, 3);
    insta::assert_snapshot!(at(&["account", "list"]), @r"
    error: cannot list accounts on [registry]
      caused by: the registry answers 403 (PERMISSION_DENIED: permission lightship.accounts.list denied on registry (or it may not exist))

    hint: whoever administers it may give the right: `lightship iam grant PRINCIPAL ROLE RESOURCE`
    ");
    insta::assert_snapshot!(at(&["iam", "grant", "user:bob", "admin", "registry"]), @r"
    error: cannot read the policy of registry on [registry]
      caused by: the registry answers 403 (PERMISSION_DENIED: permission resourcemanager.projects.getIamPolicy denied on registry (or it may not exist))

    hint: whoever administers it may give the right: `lightship iam grant PRINCIPAL ROLE RESOURCE`
    ");
    insta::assert_snapshot!(at(&["repo", "show", "p/us/none"]), @r"
    error: cannot show projects/p/locations/us/repositories/none on [registry]
      caused by: the registry answers 403 (PERMISSION_DENIED: permission artifactregistry.repositories.get denied on projects/p/locations/us/repositories/none (or it may not exist))

    hint: whoever administers it may give the right: `lightship iam grant PRINCIPAL ROLE RESOURCE`
    ");
    insta::assert_snapshot!(at(&["key", "list", "ann"]), @r"
    error: cannot list the keys of ann on [registry]
      caused by: the registry answers 403 (PERMISSION_DENIED: permission lightship.accounts.list denied on registry (or it may not exist))

    hint: whoever administers it may give the right: `lightship iam grant PRINCIPAL ROLE RESOURCE`
    ");
}

#[test]
fn what_is_not_there_is_told_to_who_may_see_it() {
    let place = Place::empty();
    let serving = closed(&place);
    log_in(&place, &serving, "ann");
    let at = |arguments: &[&str], status: i32| at(&place, &serving, arguments, status);
    insta::assert_snapshot!(at(&["repo", "show", "p/us/none"], 2), @r"
    error: cannot show projects/p/locations/us/repositories/none on [registry]
      caused by: the registry answers 404 (NOT_FOUND: projects/p/locations/us/repositories/none does not exist)
    ");
    insta::assert_snapshot!(at(&["account", "show", "eve"], 2), @r"
    error: cannot show account eve on [registry]
      caused by: the registry answers 404 (NOT_FOUND: account eve does not exist)
    ");
    insta::assert_snapshot!(at(&["iam", "show", "projects/none"], 0), @r"
    no bindings on projects/none
    ");
    insta::assert_snapshot!(at(&["gc", "--untagged-after", "x"], 2), @r"
    error: `x` is no time

    hint: write a number with s, m, h or d, as 30d
    ");
}

#[test]
fn a_wrong_host_is_told() {
    let place = Place::with_images();
    // A port that nobody listens on: it was given to us, and is given back.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let told = |arguments: &[&str]| {
        let ran = run(&place, arguments, "correct horse\n");
        assert_eq!(ran.status, Some(3), "{}", ran.stderr);
        ran.stderr.replace(&free, "[nobody]")
    };
    insta::assert_snapshot!(told(&["login", &free, "-u", "ann", "--password-stdin"]), @r"
    error: cannot log in to [nobody]
      caused by: no answer to GET http://[nobody]/v2/ (2 attempts)
      caused by: Connection refused (os error 111)

    hint: look at the name and the port of the registry, and whether it runs
    ");
    insta::assert_snapshot!(told(&["repo", "list", "--registry", &free]), @r"
    error: cannot list the repositories on [nobody]
      caused by: no answer to GET http://[nobody]/lightship/v1/repositories (2 attempts)
      caused by: Connection refused (os error 111)

    hint: name the registry with --registry HOST, or start one with `lightship serve`
    ");
    let image = format!("{free}/a:v1");
    insta::assert_snapshot!(told(&["copy", "oci:images:tiny-latest", &image]), @r"
    error: cannot copy oci:images:tiny-latest to [nobody]/a:v1
      caused by: image cannot be written
      caused by: cannot look for sha256:56a82e8824a69c3796acce0ad9a548796f01a6c20a0f8bde08c4a66038926b7e in [nobody]/a
      caused by: no answer to HEAD http://[nobody]/v2/a/manifests/sha256:56a82e8824a69c3796acce0ad9a548796f01a6c20a0f8bde08c4a66038926b7e (2 attempts)
      caused by: Connection refused (os error 111)

    hint: look at the name and the port of the registry, and whether it runs
    ");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let place = Place::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run(&["serve", "--listen", &address, "--data", "data"]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stderr.replace(&address, "[taken]"), @r"
    error: cannot listen on [taken]
      caused by: Address already in use (os error 98)

    hint: something else listens there; choose another port with --listen ADDR
    ");
}

#[test]
fn a_data_directory_in_use_is_told() {
    let place = Place::empty();
    place.write("server.toml", "");
    let _serving = Serving::start(&place, &[]);
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot use the data directory data
      caused by: the data directory is in use by another process

    hint: another server uses it; stop that one, or name another with --data DIR
    ");
    let ran = place.run(&["gc", "--data", "data"]);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot use the data directory data
      caused by: the data directory is in use by another process

    hint: another server uses it; stop that one, or name another with --data DIR
    ");
}

/// Root writes everywhere, so that it is told by the kind of the file system where tests run as root.
#[test]
fn a_directory_that_cannot_be_written_to_is_told() {
    let place = Place::empty();
    fs::create_dir(place.path("closed")).unwrap();
    fs::set_permissions(place.path("closed"), Permissions::from_mode(0o500)).unwrap();
    let is_root = fs::write(place.path("closed/probe"), "").is_ok();
    // Nobody makes a directory in /sys.
    let data = if is_root { "/sys/lightship" } else { "closed/data" };
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0", "--data", data][..],
        &[
            "account",
            "create",
            "ann",
            "--admin",
            "--data",
            data,
            "--password-stdin",
        ],
    ] {
        let ran = run(&place, arguments, "correct horse\n");
        assert_eq!(ran.status, Some(3), "{arguments:?}: {}", ran.stderr);
        let begins = format!("error: cannot use the data directory {data}\n  caused by: ");
        assert!(ran.stderr.starts_with(&begins), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    }
}

/// Who worked on it as root has left files there that the server's user cannot write to. As for root nothing is that, it is a
/// directory here.
#[test]
fn a_check_tells_of_a_file_in_the_data_directory_that_cannot_be_written_to() {
    for name in ["lock", "metadata.sqlite"] {
        let place = Place::empty();
        fs::create_dir_all(place.path("data").join(name)).unwrap();
        let ran = place.run(&["serve", "--check", "--listen", "127.0.0.1:0", "--data", "data"]);
        assert_eq!(ran.status, Some(3), "{}", ran.stderr);
        let begins = format!("error: cannot write to data/{name} in the data directory\n  caused by: ");
        assert!(ran.stderr.starts_with(&begins), "{}", ran.stderr);
        assert!(ran.stderr.contains("chown -R"), "{}", ran.stderr);
    }
}
