//! Runs suites against an image.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use progress::{Progress, Task, Work};

use super::command_runner::{CommandError, CommandOutput, CommandRequest, CommandRunner, Session};
use super::excerpt::excerpt;
use super::expansion::expand;
use super::file_checks;
use super::file_system::FileSystem;
use super::image::ImageFacts;
use super::metadata_check::metadata;
use super::pattern::Pattern;
use super::report::{Outcome, Report, TestKind, TestResult};
use super::suite::{CommandTest, Suite, Variable};

/// Largest `envFile`, in bytes.
pub const ENV_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where tests read what they do not find in the image.
pub struct Surroundings<'s> {
    /// Time since any fixed moment; only differences count.
    pub clock: &'s (dyn Fn() -> Duration + Sync),
    /// The caller's environment, for `containerRunOptions.envVars`.
    pub environment: &'s BTreeMap<String, String>,
    /// Told of every test.
    pub progress: &'s dyn Progress,
}

/// Runs all tests of `suites` and reports; a failed test is a result, not an error.
///
/// Commands block the calling thread while they run.
pub async fn run(
    suites: &[Suite],
    image: &ImageFacts,
    files: &impl FileSystem,
    commands: &mut dyn CommandRunner,
    surroundings: &Surroundings<'_>,
) -> Report {
    let started = (surroundings.clock)();
    let mut results = Vec::new();
    let mut notes = Vec::new();
    for suite in suites {
        let unsupported = suite.run_options.unsupported.iter();
        notes.extend(unsupported.map(|what| format!("{}: containerRunOptions: {what}", suite.file)));
        // Tests are not counted: progress counts bytes.
        let _task = Task::start(surroundings.progress, Work::Test, &suite.file, None);
        let mut run = Run {
            suite,
            image,
            surroundings,
            results: &mut results,
        };
        run.commands(commands);
        run.files(files).await;
    }
    Report {
        image: image.name.clone(),
        architecture: image.architecture.clone(),
        results,
        notes,
        duration: (surroundings.clock)().saturating_sub(started),
    }
}

/// A suite being run.
struct Run<'r> {
    suite: &'r Suite,
    image: &'r ImageFacts,
    surroundings: &'r Surroundings<'r>,
    results: &'r mut Vec<TestResult>,
}

impl Run<'_> {
    fn commands(&mut self, runner: &mut dyn CommandRunner) {
        if self.suite.command_tests.is_empty() {
            return;
        }
        let base = base_environment(self.suite, self.image, self.surroundings.environment);
        for test in &self.suite.command_tests {
            let started = self.now();
            let (outcome, output) = match &base {
                Err(message) => (Outcome::Failed(vec![message.clone()]), CommandOutput::default()),
                Ok(base) => command(self.suite, test, self.image, base, runner),
            };
            self.record(TestKind::Command, &test.name, outcome, started);
            if let Some(result) = self.results.last_mut() {
                result.stdout = String::from_utf8_lossy(&output.stdout).into_owned();
                result.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            }
        }
    }

    async fn files(&mut self, files: &impl FileSystem) {
        let suite = self.suite;
        let variables = &self.image.environment;
        for test in &suite.content_tests {
            let started = self.now();
            let errors = file_checks::content(test, suite.schema, variables, files).await;
            self.record(TestKind::FileContent, &test.name, Outcome::of(errors), started);
        }
        for test in &suite.existence_tests {
            let started = self.now();
            let errors = file_checks::existence(test, suite.schema, variables, files);
            self.record(TestKind::FileExistence, &test.name, Outcome::of(errors), started);
        }
        for test in &suite.license_tests {
            let started = self.now();
            let errors = file_checks::licenses(test, suite.schema, files).await;
            self.record(TestKind::License, "", Outcome::of(errors), started);
        }
        if let Some(test) = &suite.metadata_test {
            let started = self.now();
            self.record(
                TestKind::Metadata,
                "",
                Outcome::of(metadata(test, self.image)),
                started,
            );
        }
    }

    fn now(&self) -> Duration {
        (self.surroundings.clock)()
    }

    fn record(&mut self, kind: TestKind, name: &str, outcome: Outcome, started: Duration) {
        let duration = self.now().saturating_sub(started);
        self.results.push(TestResult {
            file: self.suite.file.clone(),
            kind,
            name: name.to_owned(),
            outcome,
            stdout: String::new(),
            stderr: String::new(),
            duration,
        });
    }
}

/// The image's variables with those of the run options on top.
fn base_environment(
    suite: &Suite,
    image: &ImageFacts,
    callers: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut environment = image.environment.clone();
    if let Some(file) = &suite.run_options.env_file {
        environment.extend(env_file(Path::new(file))?);
    }
    for name in &suite.run_options.env_vars {
        if let Some(value) = callers.get(name) {
            environment.insert(name.clone(), value.clone());
        }
    }
    Ok(environment)
}

/// Reads `NAME=VALUE` lines; empty lines and those that begin with `#` are passed over.
fn env_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let fault = |reason: String| format!("envFile {}: {reason}", path.display());
    let length = std::fs::metadata(path)
        .map_err(|error| fault(error.to_string()))?
        .len();
    if length > ENV_FILE_BYTES_MAX {
        return Err(fault(format!(
            "it is {length} bytes long, at most {ENV_FILE_BYTES_MAX} are allowed"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(ImageFacts::split_environment(lines))
}

fn command(
    suite: &Suite,
    test: &CommandTest,
    image: &ImageFacts,
    base: &BTreeMap<String, String>,
    runner: &mut dyn CommandRunner,
) -> (Outcome, CommandOutput) {
    let environment = with_variables(base, &image.environment, &[&suite.variables, &test.variables]);
    let words = test
        .command
        .iter()
        .map(|word| expand(word, &environment))
        .collect();
    let request = CommandRequest {
        words,
        environment,
        user: suite.run_options.user.clone(),
        bind_mounts: suite.run_options.bind_mounts.clone(),
    };
    let outcome = runner
        .session()
        .and_then(|mut session| in_session(session.as_mut(), test, &request));
    match outcome {
        Ok((errors, output)) => (Outcome::of(errors), output),
        Err(error @ CommandError::Unavailable { .. }) => {
            (Outcome::Skipped(error.to_string()), CommandOutput::default())
        }
        Err(CommandError::NotStarted { reason }) => (Outcome::Failed(vec![reason]), CommandOutput::default()),
    }
}

/// Setup, the command, teardown; what is wrong, and what the command itself wrote.
fn in_session(
    session: &mut dyn Session,
    test: &CommandTest,
    request: &CommandRequest,
) -> Result<(Vec<String>, CommandOutput), CommandError> {
    let beside = |words: &Vec<String>| CommandRequest {
        words: words.clone(),
        ..request.clone()
    };
    for words in &test.setup {
        let output = session
            .run(&beside(words))
            .map_err(|error| in_step("setup", words, error))?;
        // Its exit code does not count, as in the original; but a setup that hangs will not have set anything up.
        if let Some(limit) = output.timed_out {
            let error = format!("setup {words:?} did not end within {} s", limit.as_secs());
            return Ok((vec![error], output));
        }
    }
    let output = session.run(request)?;
    let mut errors = judge(test, &output);
    for words in &test.teardown {
        match session.run(&beside(words)) {
            Ok(_) => {}
            Err(error) => errors.push(in_step("teardown", words, error).to_string()),
        }
    }
    Ok((errors, output))
}

fn in_step(step: &str, words: &[String], error: CommandError) -> CommandError {
    match error {
        CommandError::NotStarted { reason } => CommandError::NotStarted {
            reason: format!("{step} {words:?}: {reason}"),
        },
        unavailable => unavailable,
    }
}

/// What is wrong with how the command ended, in words.
fn judge(test: &CommandTest, output: &CommandOutput) -> Vec<String> {
    if let Some(limit) = output.timed_out {
        return vec![format!(
            "it did not end within {} s and was killed",
            limit.as_secs()
        )];
    }
    let mut errors = Vec::new();
    let streams = [
        (
            "standard error",
            &output.stderr,
            &test.expected_error,
            &test.excluded_error,
        ),
        (
            "standard output",
            &output.stdout,
            &test.expected_output,
            &test.excluded_output,
        ),
    ];
    for (name, text, expected, excluded) in streams {
        let missing = |pattern: &&Pattern| !pattern.is_match(text);
        errors.extend(expected.iter().filter(missing).map(|pattern| {
            format!(
                "{name} does not match {:?}; it has {}",
                pattern.as_str(),
                excerpt(text)
            )
        }));
        errors.extend(
            excluded
                .iter()
                .filter(|pattern| pattern.is_match(text))
                .map(|pattern| format!("{name} matches {:?}, it should not", pattern.as_str())),
        );
    }
    if output.exit_code != test.exit_code {
        errors.push(format!(
            "the exit code is {}, expected {}",
            output.exit_code, test.exit_code
        ));
    }
    if let (Some(limit), false) = (output.cut_at_bytes, errors.is_empty()) {
        errors.push(format!(
            "only the first {limit} bytes of the output were looked at"
        ));
    }
    errors
}

/// `base` with variables on top, whose values are expanded from the image's own.
fn with_variables(
    base: &BTreeMap<String, String>,
    of_image: &BTreeMap<String, String>,
    variables: &[&[Variable]],
) -> BTreeMap<String, String> {
    let mut environment = base.clone();
    for variable in variables.iter().copied().flatten() {
        environment.insert(variable.key.clone(), expand(&variable.value, of_image));
    }
    environment
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use archive::EntryPath;
    use progress::Silent;

    use super::super::file_system::{FileKind, FileStatus};
    use super::super::parse::parse;
    use super::super::report::{Status, Verdict};
    use super::*;

    /// Paths with status and content.
    #[derive(Default)]
    struct Files(BTreeMap<String, (FileStatus, &'static str)>);

    impl Files {
        fn with(mut self, path: &str, kind: FileKind, mode: u32, content: &'static str) -> Self {
            self.0.insert(
                path.to_owned(),
                (
                    FileStatus {
                        kind,
                        mode,
                        uid: 0,
                        gid: 0,
                    },
                    content,
                ),
            );
            self
        }
    }

    impl FileSystem for Files {
        fn status(&self, path: &EntryPath) -> Option<FileStatus> {
            self.0.get(&path.to_string()).map(|(status, _)| *status)
        }

        fn directories(&self, path: &EntryPath) -> Result<Vec<Vec<u8>>, String> {
            let prefix = format!("{path}/");
            let directories = self
                .0
                .iter()
                .filter(|(_, (status, _))| status.kind == FileKind::Directory);
            let below = directories.filter_map(|(name, _)| name.strip_prefix(&prefix));
            Ok(below.map(|name| name.as_bytes().to_vec()).collect())
        }

        async fn read(&self, path: &EntryPath, _limit_bytes: u64) -> Result<Vec<u8>, String> {
            let found = self
                .0
                .get(&path.to_string())
                .ok_or_else(|| "it is not there".to_owned())?;
            Ok(found.1.as_bytes().to_vec())
        }
    }

    /// Answers from a list and keeps what was asked for.
    struct Answers {
        answers: VecDeque<Result<CommandOutput, CommandError>>,
        asked: Vec<CommandRequest>,
    }

    impl CommandRunner for Answers {
        fn session(&mut self) -> Result<Box<dyn Session + '_>, CommandError> {
            Ok(Box::new(self))
        }
    }

    impl Session for &mut Answers {
        fn run(&mut self, request: &CommandRequest) -> Result<CommandOutput, CommandError> {
            self.asked.push(request.clone());
            self.answers.pop_front().unwrap()
        }
    }

    fn output(stdout: &str, exit_code: i64) -> Result<CommandOutput, CommandError> {
        Ok(CommandOutput {
            stdout: stdout.as_bytes().to_vec(),
            exit_code,
            ..CommandOutput::default()
        })
    }

    fn image() -> ImageFacts {
        ImageFacts {
            name: "oci:out".to_owned(),
            architecture: "amd64".to_owned(),
            environment: ImageFacts::split_environment(["PATH=/bin", "HOME=/h"]),
            entrypoint: vec!["/usr/bin/java".to_owned(), "-jar".to_owned()],
            user: "65532".to_owned(),
            exposed_ports: ["80".to_owned()].into(),
            ..ImageFacts::default()
        }
    }

    fn run_on(
        text: &str,
        files: &Files,
        answers: Vec<Result<CommandOutput, CommandError>>,
    ) -> (Report, Vec<CommandRequest>) {
        let suites = parse("t.yaml", text.as_bytes()).unwrap();
        let mut runner = Answers {
            answers: answers.into(),
            asked: Vec::new(),
        };
        let surroundings = Surroundings {
            clock: &|| Duration::ZERO,
            environment: &BTreeMap::new(),
            progress: &Silent,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report = runtime.block_on(run(&suites, &image(), files, &mut runner, &surroundings));
        (report, runner.asked)
    }

    fn check_errors(report: &Report, expected: &[&str]) {
        let of = |result: &TestResult| match &result.outcome {
            Outcome::Failed(errors) => errors.clone(),
            Outcome::Passed | Outcome::Skipped(_) => Vec::new(),
        };
        assert_eq!(report.results.iter().flat_map(of).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn files_are_judged_by_kind_mode_owner_and_content() {
        let files = Files::default()
            .with("/h/tool", FileKind::File, 0o750, "x")
            .with("/tmp", FileKind::Directory, 0o1777, "")
            .with("/etc/passwd", FileKind::File, 0o644, "root:x:0\n");
        let text = r#"
schemaVersion: 2.0.0
fileExistenceTests:
- {name: expanded, path: $HOME/tool, isExecutableBy: group}
- {name: others, path: /h/tool, isExecutableBy: other, uid: 1}
- {name: sticky, path: /tmp/, permissions: dtrwxrwxrwx, uid: 0, gid: 0}
- {name: absent, path: /bin/sh, shouldExist: false}
- {name: missing, path: /bin/sh}
- {name: present, path: /tmp, shouldExist: false}
fileContentTests:
- {name: users, path: /etc/passwd, expectedContents: ['^root:x:0\n$', nonroot], excludedContents: [root]}
"#;
        let (report, _) = run_on(text, &files, Vec::new());
        let expected = [
            r#"/etc/passwd does not match "nonroot"; it has "root:x:0\n""#,
            r#"/etc/passwd matches "root", it should not"#,
            "/h/tool is owned by user 0, expected 1",
            "/h/tool is not executable by others (-rwxr-x---)",
            "/bin/sh does not exist",
            "/tmp exists (dtrwxrwxrwx), it should not",
        ];
        check_errors(&report, &expected);
        assert_eq!(
            (report.count(Status::Passed), report.verdict()),
            (3, Verdict::Failed)
        );
    }

    #[test]
    fn in_schema_1_paths_are_literal() {
        let files = Files::default().with("/$HOME", FileKind::File, 0o644, "");
        let text = "schemaVersion: 1.0.0\nfileExistenceTests: [{name: a, path: /$HOME}]";
        assert_eq!(run_on(text, &files, Vec::new()).0.verdict(), Verdict::Passed);
    }

    #[test]
    fn the_configuration_is_compared() {
        let text = r#"
schemaVersion: 2.0.0
metadataTest:
  envVars: [{key: PATH, value: '^/b', isRegex: true}, {key: HOME, value: /root}, {key: LANG, value: C}]
  unboundEnvVars: [{key: HOME}]
  entrypoint: [/usr/bin/java]
  cmd: []
  exposedPorts: ["80", "81"]
  unexposedPorts: ["80/tcp"]
  user: "0"
"#;
        let expected = [
            r#"variable HOME is "/h", expected "/root""#,
            "variable LANG is not set",
            "variable HOME is set, it should not be",
            r#"the entrypoint is ["/usr/bin/java", "-jar"], expected ["/usr/bin/java"]"#,
            r#"the user is "65532", expected "0""#,
            "port 81 is not exposed",
            "port 80/tcp is exposed, it should not be",
        ];
        check_errors(&run_on(text, &Files::default(), Vec::new()).0, &expected);
    }

    #[test]
    fn commands_get_expanded_words_and_variables_and_are_judged() {
        let text = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: PATH, value: "/env:$PATH"}]
commandTests:
- name: ok
  setup: [[prepare, $HOME]]
  teardown: [[clean]]
  envVars: [{key: A, value: "${HOME}/a"}]
  command: tool
  args: [$A, $PATH]
  expectedOutput: [done]
- {name: bad, command: tool, exitCode: 2, expectedOutput: [a], excludedOutput: [b], expectedError: [c]}
containerRunOptions: {user: "7"}
"#;
        let answers = vec![output("", 9), output("done", 0), output("", 1), output("bb", 3)];
        let (report, asked) = run_on(text, &Files::default(), answers);
        let words: Vec<_> = asked.iter().map(|request| request.words.join(" ")).collect();
        assert_eq!(words, ["prepare $HOME", "tool /h/a /env:/bin", "clean", "tool"]);
        assert_eq!(
            (asked[1].environment["PATH"].as_str(), asked[1].user.as_deref()),
            ("/env:/bin", Some("7"))
        );
        assert!(!asked[3].environment.contains_key("A"));
        let expected = [
            r#"standard error does not match "c"; it has nothing in it"#,
            r#"standard output does not match "a"; it has "bb""#,
            r#"standard output matches "b", it should not"#,
            "the exit code is 3, expected 2",
        ];
        check_errors(&report, &expected);
    }

    #[test]
    fn what_cannot_run_here_is_skipped_and_what_cannot_start_fails() {
        let text = "schemaVersion: 2.0.0\ncommandTests: [{name: a, command: x}, {name: b, command: y}]";
        let unavailable = || {
            Err(CommandError::Unavailable {
                reason: "no emulator".to_owned(),
            })
        };
        let (report, _) = run_on(text, &Files::default(), vec![unavailable(), unavailable()]);
        assert_eq!(
            (report.count(Status::Skipped), report.verdict()),
            (2, Verdict::Incomplete)
        );
        assert_eq!(
            report.results[0].outcome,
            Outcome::Skipped("cannot run here: no emulator".to_owned())
        );
        let missing = Err(CommandError::NotStarted {
            reason: "x is not in the image's PATH".to_owned(),
        });
        let (report, _) = run_on(text, &Files::default(), vec![missing, output("", 0)]);
        check_errors(&report, &["x is not in the image's PATH"]);
    }

    #[test]
    fn licences_are_looked_for_in_the_copyright_of_every_package() {
        let files = Files::default()
            .with("/usr/share/doc/good", FileKind::Directory, 0o755, "")
            .with("/usr/share/doc/good/copyright", FileKind::File, 0o644, "GPL-2")
            .with("/usr/share/doc/bad", FileKind::Directory, 0o755, "")
            .with(
                "/usr/share/doc/bad/copyright",
                FileKind::File,
                0o644,
                "License: agpl-3",
            )
            .with("/usr/share/doc/bare", FileKind::Directory, 0o755, "")
            .with("/usr/share/doc/libgnutls30", FileKind::Directory, 0o755, "")
            .with("/usr/share/doc/linked", FileKind::Symlink, 0o777, "");
        let expected = [
            "/usr/share/doc/bad/copyright names the licence AGPL",
            "/usr/share/doc/bare/copyright cannot be read: it is not there",
        ];
        let text = "schemaVersion: 2.0.0\nlicenseTests: [{debian: true}]";
        check_errors(&run_on(text, &files, Vec::new()).0, &expected);
    }

    fn report_of_two() -> Report {
        let text = r#"
schemaVersion: 2.0.0
commandTests: [{name: "a<b>", command: x, expectedOutput: [y]}]
fileExistenceTests: [{name: tmp, path: /tmp}]
containerRunOptions: {privileged: true}
"#;
        let files = Files::default().with("/tmp", FileKind::Directory, 0o755, "");
        run_on(text, &files, vec![output("one\x1b[2J & two\n", 0)]).0
    }

    #[test]
    fn a_report_for_people_cannot_move_their_cursor() {
        insta::assert_snapshot!(report_of_two().to_text(), @r#"
        t.yaml
          FAIL  Command Test: a<b>
                - standard output does not match "y"; it has "one\u{1b}[2J & two\n"
                stdout | one\u{1b}[2J & two
          pass  File Existence Test: tmp
        note: t.yaml: containerRunOptions: privileged: the sandbox has no privileges to
              give

        1 passed, 1 failed in 0.00 s
        "#);
    }

    #[test]
    fn a_junit_report_is_well_formed_whatever_a_command_prints() {
        let report = report_of_two().to_junit();
        for part in [
            r#"<testsuites tests="2" failures="1" errors="0" skipped="0" time="0.000">"#,
            r#"<testcase name="Command Test: a&lt;b&gt;" classname="t.yaml" time="0.000"><failure message="standard "#,
            "<system-out>one\u{fffd}[2J &amp; two&#10;</system-out></testcase>",
        ] {
            assert!(report.contains(part), "{part} is not in {report}");
        }
        assert!(!report.contains('\x1b'));
    }

    #[test]
    fn a_json_report_begins_with_its_schema() {
        let text = report_of_two().to_json().unwrap();
        assert!(text.starts_with(r#"{"schema":"lightship/test/v1","#), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (
                json["results"][0]["status"].as_str(),
                json["results"][0]["kind"].as_str()
            ),
            (Some("failed"), Some("command"))
        );
        assert_eq!((&json["passed"], &json["total"]), (&1.into(), &2.into()));
    }
}
