//! Reads structure test files: YAML (several documents too) and JSON.

use serde::de::DeserializeOwned;

use super::document::{
    Command, Document, FileContent, FileExistence, License, Metadata, Pair, RunOptions as RawOptions,
    Version, Word, WordList,
};
use super::pattern::{Pattern, PatternError};
use super::suite::{
    BindMount, CommandTest, ContentTest, ExecutableBy, ExistenceTest, ExpectedPair, ExpectedValue,
    LicenseTest, MetadataTest, RunOptions, Schema, Suite, Variable,
};
use super::syntax::{ParseError, documents};

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most tests in one file.
pub const TESTS_MAX: usize = 10_000;

/// Reads the file `name` with the content `text`; a name that ends in `.json` is JSON, any other YAML.
///
/// Unknown and doubled keys are errors, as are patterns that do not compile: nothing runs before all files are
/// right. A YAML file may hold several documents, each a suite of its own.
///
/// # Errors
/// With the place when it is one of syntax, else with the name of the test.
///
/// Spec: container-structure-test, schema 1.0.0 and 2.0.0.
pub fn parse(name: &str, text: &[u8]) -> Result<Vec<Suite>, ParseError> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file is {} bytes long, at most {FILE_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(ParseError::of(name, message));
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(ParseError::of(name, "the file is not UTF-8 text".to_owned()));
    };
    let versions: Vec<Version> = documents(name, text)?;
    let fault = |message: String| ParseError::of(name, message);
    let first = versions
        .first()
        .ok_or_else(|| fault("the file is empty".to_owned()))?;
    if versions
        .iter()
        .any(|version| version.schema_version != first.schema_version)
    {
        return Err(fault(
            "all documents of a file must have the same schemaVersion".to_owned(),
        ));
    }
    let suites = match first.schema_version.as_deref() {
        Some("1.0.0") => suites::<WordList>(name, text, Schema::V1)?,
        Some("2.0.0") => suites::<Word>(name, text, Schema::V2)?,
        Some(other) => {
            return Err(fault(format!(
                "schemaVersion {other:?} is not known; 1.0.0 and 2.0.0 are"
            )));
        }
        None => {
            return Err(fault(
                "schemaVersion is missing; write schemaVersion: \"2.0.0\"".to_owned(),
            ));
        }
    };
    if suites.iter().map(Suite::tests).sum::<usize>() > TESTS_MAX {
        return Err(ParseError::of(
            name,
            format!("the file has more than {TESTS_MAX} tests"),
        ));
    }
    Ok(suites)
}

fn suites<W: DeserializeOwned + Into<Vec<String>>>(
    name: &str,
    text: &str,
    schema: Schema,
) -> Result<Vec<Suite>, ParseError> {
    let documents: Vec<Document<W>> =
        documents(name, text).map_err(|fault| with_shape_of_command(fault, text, schema))?;
    documents
        .into_iter()
        .map(|document| suite(name, schema, document))
        .collect()
}

/// The commonest mistake is the shape of the other version.
fn with_shape_of_command(mut fault: ParseError, text: &str, schema: Schema) -> ParseError {
    let index = fault
        .line
        .and_then(|line| usize::try_from(line).ok())
        .unwrap_or(0)
        .saturating_sub(1);
    if fault.help.is_none()
        && text
            .lines()
            .nth(index)
            .is_some_and(|line| line.contains("command"))
    {
        let help = match schema {
            Schema::V1 => "in schemaVersion 1.0.0 `command` is a list of words",
            Schema::V2 => "in schemaVersion 2.0.0 `command` is one word, the others go into `args`",
        };
        fault.help = Some(help.to_owned());
    }
    fault
}

fn suite<W: Into<Vec<String>>>(
    file: &str,
    schema: Schema,
    document: Document<W>,
) -> Result<Suite, ParseError> {
    let fault = |message: String| ParseError::of(file, message);
    if schema == Schema::V1 {
        only_in_v2("metadataTest", document.metadata_test.is_some()).map_err(fault)?;
        only_in_v2("containerRunOptions", document.container_run_options.is_some()).map_err(fault)?;
    }
    let suite = Suite {
        file: file.to_owned(),
        schema,
        variables: variables(document.global_env_vars)
            .map_err(|message| fault(format!("globalEnvVars: {message}")))?,
        command_tests: each(file, "commandTests", document.command_tests, |test| {
            command(schema, test)
        })?,
        content_tests: each(file, "fileContentTests", document.file_content_tests, content)?,
        existence_tests: each(
            file,
            "fileExistenceTests",
            document.file_existence_tests,
            |test| existence(schema, test),
        )?,
        license_tests: each(file, "licenseTests", document.license_tests, license)?,
        metadata_test: document
            .metadata_test
            .map(metadata)
            .transpose()
            .map_err(|message| fault(format!("metadataTest: {message}")))?,
        run_options: run_options(document.container_run_options.unwrap_or_default())
            .map_err(|message| fault(format!("containerRunOptions: {message}")))?,
    };
    Ok(suite)
}

fn only_in_v2(key: &str, present: bool) -> Result<(), String> {
    if present {
        Err(format!("`{key}` needs schemaVersion \"2.0.0\""))
    } else {
        Ok(())
    }
}

/// Reads the tests of a section; a fault names the section and the number of the test in it.
fn each<R, T>(
    file: &str,
    section: &str,
    tests: Option<Vec<R>>,
    read: impl Fn(R) -> Result<T, String>,
) -> Result<Vec<T>, ParseError> {
    let numbered = tests.unwrap_or_default().into_iter().enumerate();
    numbered
        .map(|(index, test)| {
            read(test)
                .map_err(|message| ParseError::of(file, format!("{section}, test {}: {message}", index + 1)))
        })
        .collect()
}

fn command<W: Into<Vec<String>>>(schema: Schema, test: Command<W>) -> Result<CommandTest, String> {
    let name = required("name", test.name)?;
    if schema == Schema::V1 {
        only_in_v2("args", test.args.is_some())?;
    }
    let mut command = test.command.map(Into::into).unwrap_or_default();
    command.extend(test.args.unwrap_or_default());
    if command.first().is_none_or(String::is_empty) {
        return Err(format!("{name:?}: `command` is missing or empty"));
    }
    let variables = variables(test.env_vars).map_err(|message| format!("{name:?}: envVars: {message}"))?;
    if let Some(empty) = variables.iter().find(|variable| variable.value.is_empty()) {
        return Err(format!("{name:?}: envVars: {:?} has no value", empty.key));
    }
    let patterns = |key: &str, list| patterns(list).map_err(|error| format!("{name:?}: {key}: {error}"));
    Ok(CommandTest {
        setup: commands(test.setup).ok_or_else(|| format!("{name:?}: `setup` has an empty command"))?,
        teardown: commands(test.teardown)
            .ok_or_else(|| format!("{name:?}: `teardown` has an empty command"))?,
        exit_code: test.exit_code.unwrap_or(0),
        expected_output: patterns("expectedOutput", test.expected_output)?,
        excluded_output: patterns("excludedOutput", test.excluded_output)?,
        expected_error: patterns("expectedError", test.expected_error)?,
        excluded_error: patterns("excludedError", test.excluded_error)?,
        variables,
        command,
        name,
    })
}

fn commands(list: Option<Vec<Vec<String>>>) -> Option<Vec<Vec<String>>> {
    let list = list.unwrap_or_default();
    list.iter()
        .all(|words| words.first().is_some_and(|word| !word.is_empty()))
        .then_some(list)
}

fn existence(schema: Schema, test: FileExistence) -> Result<ExistenceTest, String> {
    let name = required("name", test.name)?;
    if schema == Schema::V1 {
        only_in_v2("uid", test.uid.is_some())?;
        only_in_v2("gid", test.gid.is_some())?;
        only_in_v2("isExecutableBy", test.is_executable_by.is_some())?;
    }
    let owner = |key: &str, id: Option<i64>| match id {
        // The original's way to say "any".
        None | Some(-1) => Ok(None),
        Some(id) => u64::try_from(id)
            .map(Some)
            .map_err(|_| format!("{name:?}: `{key}` is negative")),
    };
    let (uid, gid) = (owner("uid", test.uid)?, owner("gid", test.gid)?);
    let executable_by = match test.is_executable_by.as_deref() {
        None | Some("") => None,
        Some("owner") => Some(ExecutableBy::Owner),
        Some("group") => Some(ExecutableBy::Group),
        Some("other") => Some(ExecutableBy::Other),
        Some("any") => Some(ExecutableBy::Any),
        Some(other) => {
            return Err(format!(
                "{name:?}: `isExecutableBy` is {other:?}; it is owner, group, other or any"
            ));
        }
    };
    Ok(ExistenceTest {
        path: required("path", test.path).map_err(|message| format!("{name:?}: {message}"))?,
        should_exist: test.should_exist.unwrap_or(true),
        permissions: test.permissions.filter(|permissions| !permissions.is_empty()),
        uid,
        gid,
        executable_by,
        name,
    })
}

fn content(test: FileContent) -> Result<ContentTest, String> {
    let name = required("name", test.name)?;
    let patterns = |key: &str, list| patterns(list).map_err(|error| format!("{name:?}: {key}: {error}"));
    Ok(ContentTest {
        path: required("path", test.path).map_err(|message| format!("{name:?}: {message}"))?,
        expected: patterns("expectedContents", test.expected_contents)?,
        excluded: patterns("excludedContents", test.excluded_contents)?,
        name,
    })
}

fn license(test: License) -> Result<LicenseTest, String> {
    Ok(LicenseTest {
        debian: test.debian.unwrap_or(false),
        files: test.files.unwrap_or_default(),
    })
}

fn metadata(test: Metadata) -> Result<MetadataTest, String> {
    let mut pairs = test.env.unwrap_or_default();
    pairs.extend(test.env_vars.unwrap_or_default());
    let unbound = test.unbound_env_vars.unwrap_or_default().into_iter();
    let nonempty = |key: &str, list: Option<Vec<String>>| {
        let list = list.unwrap_or_default();
        if list.iter().any(String::is_empty) {
            Err(format!("{key} has an empty entry"))
        } else {
            Ok(list)
        }
    };
    Ok(MetadataTest {
        variables: expected_pairs("envVars", pairs)?,
        unbound_variables: unbound
            .map(|pair| required("key", pair.key).map_err(|message| format!("unboundEnvVars: {message}")))
            .collect::<Result<_, _>>()?,
        labels: expected_pairs("labels", test.labels.unwrap_or_default())?,
        entrypoint: test.entrypoint,
        cmd: test.cmd,
        exposed_ports: nonempty("exposedPorts", test.exposed_ports)?,
        unexposed_ports: nonempty("unexposedPorts", test.unexposed_ports)?,
        volumes: nonempty("volumes", test.volumes)?,
        unmounted_volumes: nonempty("unmountedVolumes", test.unmounted_volumes)?,
        workdir: test.workdir.filter(|workdir| !workdir.is_empty()),
        user: test.user.filter(|user| !user.is_empty()),
    })
}

fn expected_pairs(section: &str, pairs: Vec<Pair>) -> Result<Vec<ExpectedPair>, String> {
    let expected = |pair: Pair| {
        let key = required("key", pair.key)?;
        let value = pair.value.unwrap_or_default();
        let value = if pair.is_regex.unwrap_or(false) {
            ExpectedValue::Matching(Pattern::new(&value).map_err(|error| format!("{key:?}: {error}"))?)
        } else {
            ExpectedValue::Exact(value)
        };
        Ok(ExpectedPair { key, value })
    };
    pairs
        .into_iter()
        .map(|pair| expected(pair).map_err(|message: String| format!("{section}: {message}")))
        .collect()
}

fn run_options(raw: RawOptions) -> Result<RunOptions, String> {
    let mut unsupported = Vec::new();
    if raw.privileged.unwrap_or(false) {
        unsupported.push("privileged: the sandbox has no privileges to give".to_owned());
    }
    if raw.allocate_tty.unwrap_or(false) {
        unsupported.push("allocateTty: commands have no terminal".to_owned());
    }
    let capabilities = raw.capabilities.unwrap_or_default();
    if !capabilities.is_empty() {
        unsupported.push(format!(
            "capabilities: {} cannot be given",
            capabilities.join(", ")
        ));
    }
    if let Some(network) = raw
        .network
        .filter(|network| !matches!(network.as_str(), "" | "none"))
    {
        unsupported.push(format!(
            "network: {network:?} cannot be had, commands have no network"
        ));
    }
    let mounts = raw.bind_mounts.unwrap_or_default();
    Ok(RunOptions {
        user: raw.user.filter(|user| !user.is_empty()),
        env_file: raw.env_file.filter(|file| !file.is_empty()),
        env_vars: raw.env_vars.unwrap_or_default(),
        bind_mounts: mounts
            .iter()
            .map(|mount| bind_mount(mount))
            .collect::<Result<_, _>>()?,
        unsupported,
    })
}

/// `HOST:TARGET[:OPTIONS]`, both absolute; of the options only `ro` matters here.
fn bind_mount(text: &str) -> Result<BindMount, String> {
    let mut parts = text.splitn(3, ':');
    let (host, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if !host.starts_with('/') || !target.starts_with('/') || target == "/" {
        return Err(format!("bindMounts: {text:?} is not /HOST/PATH:/IMAGE/PATH[:ro]"));
    }
    let read_only = parts
        .next()
        .is_some_and(|options| options.split(',').any(|option| option == "ro"));
    Ok(BindMount {
        host: host.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}

fn variables(pairs: Option<Vec<Pair>>) -> Result<Vec<Variable>, String> {
    let variable = |pair: Pair| {
        let key = required("key", pair.key)?;
        if key.contains('=') || key.contains('\0') {
            return Err(format!("{key:?} is not the name of a variable"));
        }
        Ok(Variable {
            key,
            value: pair.value.unwrap_or_default(),
        })
    };
    pairs.unwrap_or_default().into_iter().map(variable).collect()
}

fn required(key: &str, value: Option<String>) -> Result<String, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("`{key}` is missing or empty"))
}

fn patterns(list: Option<Vec<String>>) -> Result<Vec<Pattern>, PatternError> {
    list.unwrap_or_default()
        .iter()
        .map(|source| Pattern::new(source))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(name: &str, text: &str, expected: &str) {
        let error = parse(name, text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn reads_schema_1_with_commands_as_lists() {
        let text = r#"
schemaVersion: "1.0.0"
globalEnvVars: [{key: A, value: "$PATH"}]
commandTests:
- name: hello
  setup: [["mkdir", "/x"]]
  command: ["/usr/bin/python3", "-c", "print('Hello')"]
  expectedOutput: ['Hello']
fileExistenceTests:
- {name: root, path: /}
fileContentTests:
- {name: users, path: /etc/passwd, expectedContents: ['^root:.*\n$']}
licenseTests:
- debian: true
"#;
        let suites = parse("base.yaml", text.as_bytes()).unwrap();
        let [suite] = suites.as_slice() else {
            panic!("{suites:?}")
        };
        assert_eq!((suite.schema, suite.tests()), (Schema::V1, 4));
        assert_eq!(suite.command_tests[0].command.len(), 3);
        assert!(suite.existence_tests[0].should_exist);
        assert!(suite.metadata_test.is_none() && suite.license_tests[0].debian);
    }

    #[test]
    fn reads_schema_2_and_tells_absent_lists_from_empty_ones() {
        let text = r#"
schemaVersion: '2.0.0'
commandTests:
- {name: v, command: java, args: ["-version"], envVars: [{key: A, value: 1}], exitCode: 1}
fileExistenceTests:
- {name: x, path: "$HOME/x", shouldExist: no, permissions: 'Lrwxrwxrwx', uid: 65532, gid: -1, isExecutableBy: any}
metadataTest:
  env: [{key: A, value: ''}]
  envVars: [{key: B, value: '^\d+$', isRegex: true}]
  unboundEnvVars: [{key: C}]
  entrypoint: []
  exposedPorts: [8080]
containerRunOptions: {user: "1000:1000", privileged: true, bindMounts: ["/a:/b:ro"], network: none}
---
schemaVersion: '2.0.0'
"#;
        let suites = parse("a.yml", text.as_bytes()).unwrap();
        assert_eq!(suites.iter().map(Suite::tests).collect::<Vec<_>>(), [3, 0]);
        let existence = &suites[0].existence_tests[0];
        assert_eq!(
            (existence.should_exist, existence.uid, existence.gid),
            (false, Some(65532), None)
        );
        assert_eq!(existence.executable_by, Some(ExecutableBy::Any));
        let metadata = suites[0].metadata_test.as_ref().unwrap();
        assert_eq!((&metadata.entrypoint, &metadata.cmd), (&Some(Vec::new()), &None));
        assert_eq!(
            (metadata.variables.len(), metadata.exposed_ports[0].as_str()),
            (2, "8080")
        );
        let options = &suites[0].run_options;
        assert_eq!(
            (options.unsupported.len(), options.bind_mounts[0].read_only),
            (1, true)
        );
    }

    #[test]
    fn reads_json() {
        let text = r#"{"schemaVersion": "2.0.0",
            "fileContentTests": [{"name": "a", "path": "/a", "expectedContents": ["x{"]}]}"#;
        assert_eq!(
            parse("a.json", text.as_bytes()).unwrap()[0].content_tests.len(),
            1
        );
        let text = "{\"schemaVersion\": \"2.0.0\",\n \"fileContentTest\": []}";
        let error = parse("a.json", text.as_bytes()).unwrap_err();
        assert_eq!(
            (error.line, error.help.as_deref()),
            (Some(2), Some("did you mean `fileContentTests`?"))
        );
    }

    #[test]
    fn unknown_and_doubled_keys_are_errors_with_their_place() {
        check_error(
            "a.yaml",
            "schemaVersion: 2.0.0\ncommandTests:\n- name: x\n  comand: ls\n",
            "a.yaml:4:3: unknown key `comand` (did you mean `command`?)",
        );
        let doubled = parse("a.yaml", b"schemaVersion: 2.0.0\nschemaVersion: 2.0.0\n").unwrap_err();
        assert_eq!(
            (doubled.line, doubled.message.as_str()),
            (Some(2), "the key `schemaVersion` is there twice")
        );
        let shape = parse("a.yaml", b"schemaVersion: 2.0.0\ncommandTests: 3\n").unwrap_err();
        assert_eq!(shape.line, Some(2), "{shape}");
    }

    #[test]
    fn faults_of_meaning_name_the_test() {
        check_error(
            "a.yaml",
            "commandTests: []\n",
            "a.yaml: schemaVersion is missing; write schemaVersion: \"2.0.0\"",
        );
        check_error(
            "a.yaml",
            "schemaVersion: 3.0.0\n",
            "a.yaml: schemaVersion \"3.0.0\" is not known; 1.0.0 and 2.0.0 are",
        );
        check_error(
            "a.yaml",
            "schemaVersion: 1.0.0\nmetadataTest: {user: a}\n",
            "a.yaml: `metadataTest` needs schemaVersion \"2.0.0\"",
        );
        check_error(
            "a.yaml",
            "schemaVersion: 2.0.0\nfileContentTests:\n- {name: x, path: /x, expectedContents: ['(']}\n",
            "a.yaml: fileContentTests, test 1: \"x\": expectedContents: the pattern \"(\" is not valid: unclosed group",
        );
        check_error(
            "a.yaml",
            "schemaVersion: 2.0.0\ncommandTests:\n- {name: x}\n",
            "a.yaml: commandTests, test 1: \"x\": `command` is missing or empty",
        );
        check_error(
            "a.yaml",
            "schemaVersion: 2.0.0\nfileExistenceTests:\n- {path: /x}\n",
            "a.yaml: fileExistenceTests, test 1: `name` is missing or empty",
        );
    }

    #[test]
    fn a_command_has_the_shape_of_its_version() {
        let list = parse(
            "a.yaml",
            b"schemaVersion: 2.0.0\ncommandTests:\n- {name: x, command: [ls, -l]}\n",
        )
        .unwrap_err();
        assert_eq!(list.line, Some(3));
        assert!(
            list.to_string()
                .ends_with("`command` is one word, the others go into `args`)"),
            "{list}"
        );
        let word = parse(
            "a.yaml",
            b"schemaVersion: 1.0.0\ncommandTests:\n- {name: x, command: ls}\n",
        )
        .unwrap_err();
        assert!(
            word.to_string()
                .ends_with("(in schemaVersion 1.0.0 `command` is a list of words)"),
            "{word}"
        );
        let suites = parse(
            "a.yaml",
            b"schemaVersion: 2.0.0\ncommandTests:\n- {name: x, command: true, args: [y, 1.50]}\n",
        )
        .unwrap();
        assert_eq!(suites[0].command_tests[0].command, ["true", "y", "1.50"]);
    }

    #[test]
    fn the_limits_hold_at_the_limit_and_one_more() {
        let with_tests = |number: usize| {
            let test = "- {name: x, path: /x}\n".repeat(number);
            parse(
                "a.yaml",
                format!("schemaVersion: 2.0.0\nfileExistenceTests:\n{test}").as_bytes(),
            )
        };
        assert!(with_tests(TESTS_MAX).is_ok());
        assert!(
            with_tests(TESTS_MAX + 1)
                .unwrap_err()
                .to_string()
                .contains("more than 10000 tests")
        );
        let mut text = b"schemaVersion: 2.0.0\n# ".to_vec();
        text.resize(FILE_BYTES_MAX, b'x');
        assert!(parse("a.yaml", &text).is_ok());
        text.push(b'x');
        assert!(parse("a.yaml", &text).is_err());
    }
}
