//! Commands in the sandbox, for real: as the user who runs the test and, when that is root, as nobody too.
//!
//! Needs a static busybox (Debian: busybox-static) and a kernel that lets the user make namespaces; says so and
//! does nothing where one is missing. The emulated part needs qemu-user-static and a C compiler for arm64, and is
//! covered by tests/engine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "these are tests, though without the harness that says so"
)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use inspect::sandbox::{EmptySandbox, INIT_COMMAND, OUTPUT_BYTES_MAX, Sandbox, SandboxOptions, init};
use inspect::structure_test::{
    BindMount, CommandError, CommandOutput, CommandRequest, CommandRunner, ImageFacts,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(INIT_COMMAND) => return ExitCode::from(init(&arguments[2..])),
        // Asked by tools that list tests; these are not to be listed.
        Some("--list") => return ExitCode::SUCCESS,
        Some(AS_NOBODY) => run_checks("nobody"),
        Some(HANGING) => {
            Fixture::new(Path::new(&arguments[2])).run("nonroot", &["sleep", &arguments[3]]);
        }
        _ => {
            run_checks("this user");
            if nix::unistd::geteuid().is_root() {
                let mut nobody = Command::new("/proc/self/exe");
                let status = nobody
                    .arg(AS_NOBODY)
                    .uid(65534)
                    .gid(65534)
                    .current_dir("/")
                    .status()
                    .unwrap();
                assert!(status.success(), "the checks failed as nobody");
            }
        }
    }
    ExitCode::SUCCESS
}

fn run_checks(who: &str) {
    let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .map(Path::new)
        .find(|path| is_static(path))
    else {
        println!("not run as {who}: no static busybox on this machine");
        return;
    };
    let checks: [(&str, Check); 15] = [
        ("a_command_prints_and_exits", a_command_prints_and_exits),
        ("the_host_is_out_of_sight", the_host_is_out_of_sight),
        (
            "commands_of_a_session_share_their_changes",
            commands_of_a_session_share_their_changes,
        ),
        (
            "a_command_becomes_the_images_user",
            a_command_becomes_the_images_user,
        ),
        (
            "the_working_directory_is_made_and_entered",
            the_working_directory_is_made_and_entered,
        ),
        (
            "a_command_that_hangs_is_killed_with_its_children",
            a_command_that_hangs_is_killed_with_its_children,
        ),
        (
            "a_command_of_another_user_does_not_outlive_the_callers_group",
            a_command_of_another_user_does_not_outlive_the_callers_group,
        ),
        (
            "what_the_caller_has_open_is_closed",
            what_the_caller_has_open_is_closed,
        ),
        ("output_is_kept_up_to_its_limit", output_is_kept_up_to_its_limit),
        ("signals_become_exit_codes", signals_become_exit_codes),
        ("what_cannot_start_says_why", what_cannot_start_says_why),
        (
            "a_foreign_architecture_without_emulator_cannot_run",
            a_foreign_architecture_without_emulator_cannot_run,
        ),
        ("host_directories_can_be_seen", host_directories_can_be_seen),
        ("new_privileges_cannot_be_had", new_privileges_cannot_be_had),
        ("nothing_is_left_behind", nothing_is_left_behind),
    ];
    for (name, check) in checks {
        let fixture = Fixture::new(busybox);
        if let Err(CommandError::Unavailable { reason }) = fixture.try_sandbox("amd64", "") {
            println!("not run as {who}: {reason}");
            return;
        }
        check(&fixture);
        println!("{who}: {name} ... ok");
    }
}

fn a_command_prints_and_exits(fixture: &Fixture) {
    let output = fixture.run("", &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (text(&output), output.stderr.as_slice(), output.exit_code),
        ("out\n", &b"err\n"[..], 7)
    );
    assert_eq!(
        text(&fixture.run("", &["/bin/sh", "-c", "read x || echo end of input"])),
        "end of input\n"
    );
}

fn the_host_is_out_of_sight(fixture: &Fixture) {
    let output = fixture.run(
        "",
        &[
            "sh",
            "-c",
            "ls /; echo $$; hostname; ip -o link | wc -l; env; ls /proc | grep -c '^[0-9]'",
        ],
    );
    let text = text(&output);
    let expected = "bin\ndev\netc\nhome\nproc\ntmp\n1\nlightship\n1\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("HOME=/root\n") && !text.contains("CARGO"), "{text}");
    let devices = fixture.run(
        "",
        &[
            "sh",
            "-c",
            "ls /dev; head -c 4 /dev/zero | wc -c; echo x > /dev/null",
        ],
    );
    assert_eq!(
        std::str::from_utf8(&devices.stdout).unwrap().replace("tty\n", ""),
        "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n4\n"
    );
    assert_eq!(devices.exit_code, 0);
}

fn commands_of_a_session_share_their_changes(fixture: &Fixture) {
    let mut sandbox = fixture.sandbox("");
    let mut session = sandbox.session().unwrap();
    assert_eq!(
        session
            .run(&request(&["sh", "-c", "echo changed > /etc/new; rm /etc/group"]))
            .unwrap()
            .exit_code,
        0
    );
    let output = session
        .run(&request(&["sh", "-c", "cat /etc/new; ls /etc"]))
        .unwrap();
    assert_eq!(text(&output), "changed\nnew\npasswd\n");
    drop(session);
    let output = sandbox.session().unwrap().run(&request(&["ls", "/etc"])).unwrap();
    assert_eq!(
        text(&output),
        "group\npasswd\n",
        "another session must start afresh"
    );
}

fn a_command_becomes_the_images_user(fixture: &Fixture) {
    for user in ["nonroot", "65532", "65532:65532"] {
        let output = fixture.run(
            user,
            &[
                "sh",
                "-c",
                "id -u; id -g; echo $HOME; touch /tmp/mine && stat -c %u /tmp/mine",
            ],
        );
        assert!(text(&output).starts_with("65532\n65532\n"), "{user}: {output:?}");
        assert!(
            text(&output).ends_with("/home/nonroot\n65532\n"),
            "{user}: {output:?}"
        );
    }
    let error = fixture.try_run("nobody-here", &["id"]).unwrap_err();
    assert!(error.to_string().contains("nobody-here"), "{error}");
}

fn the_working_directory_is_made_and_entered(fixture: &Fixture) {
    let image = ImageFacts {
        workdir: "/srv/app".to_owned(),
        ..fixture.image("amd64", "")
    };
    let mut sandbox = fixture.fill(EmptySandbox::try_out(&image, fixture.options()).unwrap());
    assert_eq!(
        text(&sandbox.session().unwrap().run(&request(&["pwd"])).unwrap()),
        "/srv/app\n"
    );
}

fn a_command_that_hangs_is_killed_with_its_children(fixture: &Fixture) {
    let image = fixture.image("amd64", "");
    let options = SandboxOptions {
        time_limit: Duration::from_millis(600),
        ..fixture.options()
    };
    let mut sandbox = fixture.fill(EmptySandbox::try_out(&image, options).unwrap());
    let started = Instant::now();
    let words = request(&["sh", "-c", "echo begun; (sleep 300; echo child) & sleep 301"]);
    let output = sandbox.session().unwrap().run(&words).unwrap();
    assert_eq!(output.timed_out, Some(Duration::from_millis(600)));
    assert_eq!(text(&output), "begun\n");
    // The pipes are open as long as any process has them: that this ended shows that none is left.
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// As an interrupt at the terminal does, which goes to every process of the group.
fn a_command_of_another_user_does_not_outlive_the_callers_group(fixture: &Fixture) {
    let marker = (700_000 + std::process::id()).to_string();
    let mut caller = Command::new("/proc/self/exe")
        .arg(HANGING)
        .arg(fixture.directory.path().join("image/bin/busybox"))
        .arg(&marker)
        .env("TMPDIR", fixture.directory.path())
        .process_group(0)
        .spawn()
        .unwrap();
    let runs = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        let mut lines = lines.filter(|line| line.starts_with(b"sleep"));
        lines.any(|line| String::from_utf8_lossy(&line).contains(&marker))
    };
    let until = |wanted: bool| {
        let started = Instant::now();
        while runs() != wanted && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        runs() == wanted
    };
    assert!(until(true), "the command never ran");
    let group = nix::unistd::Pid::from_raw(i32::try_from(caller.id()).unwrap());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
    caller.wait().unwrap();
    assert!(until(false), "the command runs on");
}

fn what_the_caller_has_open_is_closed(fixture: &Fixture) {
    let directory = fs::File::open("/").unwrap();
    // A copy, and unlike everything that Rust opens it is inherited.
    let inherited = nix::unistd::dup(&directory).unwrap();
    // No pipeline: process 1 must not open and close its ends while they are listed.
    let output = fixture.run("", &["sh", "-c", "ls -l /proc/1/fd; true"]);
    drop(inherited);
    let open: Vec<_> = text(&output)
        .lines()
        .filter(|line| line.contains("->"))
        .map(str::to_owned)
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
    for line in open {
        assert!(
            line.contains("-> pipe:") || line.contains("-> /dev/null"),
            "{line}"
        );
    }
}

fn output_is_kept_up_to_its_limit(fixture: &Fixture) {
    let at_limit = fixture.run(
        "",
        &["sh", "-c", &format!("head -c {OUTPUT_BYTES_MAX} /dev/zero")],
    );
    assert_eq!(
        (at_limit.stdout.len() as u64, at_limit.cut_at_bytes),
        (OUTPUT_BYTES_MAX, None)
    );
    let over = fixture.run(
        "",
        &["sh", "-c", &format!("head -c {} /dev/zero", OUTPUT_BYTES_MAX + 1)],
    );
    assert_eq!(
        (over.stdout.len() as u64, over.cut_at_bytes),
        (OUTPUT_BYTES_MAX, Some(OUTPUT_BYTES_MAX))
    );
}

fn signals_become_exit_codes(fixture: &Fixture) {
    let output = fixture.run("", &["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"]);
    assert_eq!(output.exit_code, 143);
}

fn what_cannot_start_says_why(fixture: &Fixture) {
    for (words, part) in [
        (&["absent"][..], "is not in the image's PATH"),
        (&["/bin/absent"], "is not in the image"),
        (&["/etc/passwd"], "is not an executable file"),
        (
            &["/bin/no-loader"],
            "its interpreter or loader is not in the image",
        ),
    ] {
        let error = fixture.try_run("", words).unwrap_err();
        assert!(
            matches!(error, CommandError::NotStarted { .. }) && error.to_string().contains(part),
            "{error}"
        );
    }
}

fn a_foreign_architecture_without_emulator_cannot_run(fixture: &Fixture) {
    let options = SandboxOptions {
        emulators: vec![PathBuf::from("/nowhere")],
        ..fixture.options()
    };
    let foreign = if std::env::consts::ARCH == "s390x" {
        "arm64"
    } else {
        "s390x"
    };
    let error = EmptySandbox::try_out(&fixture.image(foreign, ""), options).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot run here: the image is for "),
        "{error}"
    );
}

fn host_directories_can_be_seen(fixture: &Fixture) {
    let shared = tempfile::tempdir().unwrap();
    fs::set_permissions(shared.path(), Permissions::from_mode(0o777)).unwrap();
    fs::write(shared.path().join("given"), b"from the host\n").unwrap();
    let bind_mounts = [("/var/data", false), ("/fixed", true)].map(|(target, read_only)| BindMount {
        host: shared.path().display().to_string(),
        target: target.to_owned(),
        read_only,
    });
    let words = request(&[
        "sh",
        "-c",
        "cat /var/data/given; echo x > /var/data/made; echo x > /fixed/made2 || echo refused",
    ]);
    let request = CommandRequest {
        bind_mounts: bind_mounts.to_vec(),
        ..words
    };
    let output = fixture.sandbox("").session().unwrap().run(&request).unwrap();
    assert_eq!(text(&output), "from the host\nrefused\n");
    assert!(shared.path().join("made").exists());
    fs::remove_file(shared.path().join("made")).unwrap();
}

fn new_privileges_cannot_be_had(fixture: &Fixture) {
    let output = fixture.run(
        "nonroot",
        &[
            "sh",
            "-c",
            "grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status",
        ],
    );
    assert_eq!(text(&output), "NoNewPrivs:\t1\nCapEff:\t0000000000000000\n");
}

fn nothing_is_left_behind(fixture: &Fixture) {
    let mut sandbox = fixture.sandbox("");
    let words = request(&["sh", "-c", "mkdir -p /tmp/a/b; chmod 0 /tmp/a/b /tmp/a"]);
    sandbox.session().unwrap().run(&words).unwrap();
    drop(sandbox);
    assert_eq!(fs::read_dir(fixture.scratch()).unwrap().count(), 0);
}

type Check = fn(&Fixture);

/// A small image, and where its copies are kept.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new(busybox: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("image");
        for name in ["bin", "etc", "tmp", "home/nonroot"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777)).unwrap();
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(root.join("bin/no-loader"), b"#!/no/such/shell\n").unwrap();
        fs::set_permissions(root.join("bin/no-loader"), Permissions::from_mode(0o755)).unwrap();
        let users = "root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/home/nonroot:/bin/sh\n";
        fs::write(root.join("etc/passwd"), users).unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nnonroot:x:65532:\n").unwrap();
        Self { directory }
    }

    fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    fn options(&self) -> SandboxOptions {
        SandboxOptions::new(self.scratch())
    }

    fn image(&self, architecture: &str, user: &str) -> ImageFacts {
        let native = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let architecture = if architecture == "amd64" {
            native
        } else {
            architecture
        };
        ImageFacts {
            architecture: architecture.to_owned(),
            user: user.to_owned(),
            ..ImageFacts::default()
        }
    }

    fn try_sandbox(&self, architecture: &str, user: &str) -> Result<Sandbox, CommandError> {
        Ok(self.fill(EmptySandbox::try_out(
            &self.image(architecture, user),
            self.options(),
        )?))
    }

    fn fill(&self, empty: EmptySandbox) -> Sandbox {
        let from = self.directory.path().join("image");
        let status = Command::new("cp")
            .args(["-a", "-T"])
            .arg(&from)
            .arg(empty.directory())
            .status()
            .unwrap();
        assert!(status.success());
        empty.filled().unwrap()
    }

    fn sandbox(&self, user: &str) -> Sandbox {
        self.try_sandbox("amd64", user).unwrap()
    }

    fn try_run(&self, user: &str, words: &[&str]) -> Result<CommandOutput, CommandError> {
        self.sandbox(user).session()?.run(&request(words))
    }

    fn run(&self, user: &str, words: &[&str]) -> CommandOutput {
        self.try_run(user, words).unwrap()
    }
}

fn request(words: &[&str]) -> CommandRequest {
    CommandRequest {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        ..CommandRequest::default()
    }
}

fn text(output: &CommandOutput) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn is_static(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| !bytes.windows(9).any(|window| window == b"/ld-linux"))
}

const AS_NOBODY: &str = "as-nobody";
/// Runs a command that does not end, as another process than the one that checks.
const HANGING: &str = "hanging";
const APPLETS: [&str; 19] = [
    "cat", "chmod", "echo", "env", "grep", "head", "hostname", "id", "ip", "ls", "mkdir", "pwd", "rm", "sh",
    "sleep", "stat", "touch", "wc", "kill",
];
