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
        let total = u64::try_from(suite.tests()).ok();
        let task = Task::start(surroundings.progress, Work::Test, &suite.file, total);
        let mut run = Run { suite, image, surroundings, task, results: &mut results };
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
    task: Task<'r>,
    results: &'r mut Vec<TestResult>,
}

impl Run<'_> {
    fn commands(&mut self, runner: &mut dyn CommandRunner) {
        if self.suite.commands.is_empty() {
            return;
        }
        let base = base_environment(self.suite, self.image, self.surroundings.environment);
        for test in &self.suite.commands {
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
        for test in &suite.contents {
            let started = self.now();
            let errors = file_checks::content(test, suite.schema, variables, files).await;
            self.record(TestKind::FileContent, &test.name, Outcome::of(errors), started);
        }
        for test in &suite.existence {
            let started = self.now();
            let errors = file_checks::existence(test, suite.schema, variables, files);
            self.record(TestKind::FileExistence, &test.name, Outcome::of(errors), started);
        }
        for test in &suite.licenses {
            let started = self.now();
            let errors = file_checks::licenses(test, suite.schema, files).await;
            self.record(TestKind::License, "", Outcome::of(errors), started);
        }
        if let Some(test) = &suite.metadata {
            let started = self.now();
            self.record(TestKind::Metadata, "", Outcome::of(metadata(test, self.image)), started);
        }
    }

    fn now(&self) -> Duration {
        (self.surroundings.clock)()
    }

    fn record(&mut self, kind: TestKind, name: &str, outcome: Outcome, started: Duration) {
        let duration = self.now().saturating_sub(started);
        self.task.advance(1);
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
    let length = std::fs::metadata(path).map_err(|error| fault(error.to_string()))?.len();
    if length > ENV_FILE_BYTES_MAX {
        return Err(fault(format!("it is {length} bytes long, at most {ENV_FILE_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
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
    let words = test.command.iter().map(|word| expand(word, &environment)).collect();
    let request = CommandRequest {
        words,
        environment,
        user: suite.run_options.user.clone(),
        bind_mounts: suite.run_options.bind_mounts.clone(),
    };
    let outcome = runner.session().and_then(|mut session| in_session(session.as_mut(), test, &request));
    match outcome {
        Ok((errors, output)) => (Outcome::of(errors), output),
        Err(error @ CommandError::Unavailable { .. }) => (Outcome::Skipped(error.to_string()), CommandOutput::default()),
        Err(CommandError::NotStarted { reason }) => (Outcome::Failed(vec![reason]), CommandOutput::default()),
    }
}

/// Setup, the command, teardown; what is wrong, and what the command itself wrote.
fn in_session(
    session: &mut dyn Session,
    test: &CommandTest,
    request: &CommandRequest,
) -> Result<(Vec<String>, CommandOutput), CommandError> {
    let beside = |words: &Vec<String>| CommandRequest { words: words.clone(), ..request.clone() };
    for words in &test.setup {
        let output = session.run(&beside(words)).map_err(|error| in_step("setup", words, error))?;
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
        CommandError::NotStarted { reason } => CommandError::NotStarted { reason: format!("{step} {words:?}: {reason}") },
        unavailable => unavailable,
    }
}

/// What is wrong with how the command ended, in words.
fn judge(test: &CommandTest, output: &CommandOutput) -> Vec<String> {
    if let Some(limit) = output.timed_out {
        return vec![format!("it did not end within {} s and was killed", limit.as_secs())];
    }
    let mut errors = Vec::new();
    let streams = [
        ("standard error", &output.stderr, &test.expected_error, &test.excluded_error),
        ("standard output", &output.stdout, &test.expected_output, &test.excluded_output),
    ];
    for (name, text, expected, excluded) in streams {
        let missing = |pattern: &&Pattern| !pattern.is_match(text);
        errors.extend(expected.iter().filter(missing).map(|pattern| {
            format!("{name} does not match {:?}; it has {}", pattern.as_str(), excerpt(text))
        }));
        errors.extend(
            excluded
                .iter()
                .filter(|pattern| pattern.is_match(text))
                .map(|pattern| format!("{name} matches {:?}, it should not", pattern.as_str())),
        );
    }
    if output.exit_code != test.exit_code {
        errors.push(format!("the exit code is {}, expected {}", output.exit_code, test.exit_code));
    }
    if let (Some(limit), false) = (output.cut_at_bytes, errors.is_empty()) {
        errors.push(format!("only the first {limit} bytes of the output were looked at"));
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
