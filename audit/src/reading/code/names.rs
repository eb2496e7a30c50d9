//! What calls are for, by their names.

use crate::reading::speech;

/// Calls that show their arguments, or keep them for people, by the last part of their names in lower case.
const SPEAKERS: &[&str] = &[
    "print",
    "println",
    "printf",
    "eprint",
    "eprintln",
    "perror",
    "puts",
    "echo",
    "log",
    "logf",
    "logln",
    "debug",
    "debugf",
    "info",
    "infof",
    "infow",
    "warn",
    "warnf",
    "warning",
    "warningf",
    "error",
    "errorf",
    "err",
    "fatal",
    "fatalf",
    "fatalln",
    "panic",
    "panicf",
    "trace",
    "tracef",
    "notice",
    "critical",
    "exception",
    "fail",
    "failf",
    "failnow",
    "die",
    "abort",
    "alert",
    "confirm",
    "skip",
    "skipf",
    "bail",
    "anyhow",
    "ensure",
    "unreachable",
    "todo",
    "expect",
    "wrap",
    "wrapf",
    "withmessage",
    "message",
    "say",
    "secho",
    "notify",
    "slacksend",
    "emailext",
    "mail",
    "input",
    "stage",
    "raise",
    "throw",
    "usage",
    "help",
    "description",
    "desc",
    "summary",
    "displayname",
    "doc",
    "moduledoc",
    "typedoc",
    "shortdoc",
    "it",
    "test",
    "describe",
    "context",
    "scenario",
    "feature",
    "specify",
    "deprecated",
    "write_line",
    "writeline",
    "currentbuild.description",
    "t.run",
    "b.run",
    "errors.new",
    "s.run",
    "section",
    "banner",
    "requires",
    "assert",
    "prompt",
    "note",
];

/// Calls whose text a shell runs.
const SHELLS: &[&str] = &[
    "sh",
    "system",
    "exec",
    "shell_exec",
    "passthru",
    "popen",
    "execsync",
    "os.system",
    "os.popen",
    "check_call",
    "check_output",
    "subprocess.run",
    "subprocess.call",
    "subprocess.popen",
    "getoutput",
    "run_command",
    "runcommand",
    "local",
    "sudo",
    "shell",
    "shellout",
    "execa.command",
    "$",
    "exec.command",
    "run_cmd",
    "custom_build",
    "bash",
];

/// Whether what is given to a call of this name is for people.
pub(super) fn is_speaker(name: &str) -> bool {
    let lower = name.to_ascii_lowercase().replace("::", ".").replace("->", ".");
    let last = lower.rsplit('.').next().unwrap_or(&lower);
    SPEAKERS.contains(&last)
        || SPEAKERS.contains(&lower.as_str())
        || last.ends_with("error")
        || last.ends_with("exception")
}

/// Whether a shell runs what is given to a call of this name.
pub(super) fn is_shell(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit(['.', ':']).next().unwrap_or(&lower);
    SHELLS.contains(&lower.as_str()) || SHELLS.contains(&last) && !lower.starts_with("regex")
}

/// Whether a named argument, or a field, of this name is for people.
pub(super) fn is_text(name: &str) -> bool {
    speech::is_for_people(name.rsplit(['.', ':']).next().unwrap_or(name))
}
