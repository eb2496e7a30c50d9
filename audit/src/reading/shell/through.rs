//! Commands that run other commands: what they run is looked at as if it stood alone.

use crate::mapped::Mapped;

/// Wrappers, and their options that take a value of their own.
const WRAPPERS: [(&str, &[&str]); 27] = [
    (
        "sudo",
        &[
            "-u", "-g", "-h", "-p", "-C", "-U", "-r", "-t", "--user", "--group",
        ],
    ),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "-S", "--unset", "--chdir"]),
    ("time", &["-f", "-o", "--format", "--output"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("nohup", &[]),
    ("exec", &["-a"]),
    ("command", &[]),
    ("builtin", &[]),
    ("xargs", &["-n", "-I", "-P", "-L", "-d", "-a", "-s", "-E"]),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("setsid", &[]),
    ("unbuffer", &[]),
    ("chronic", &[]),
    ("caffeinate", &[]),
    ("watch", &["-n", "--interval"]),
    ("parallel", &["-j", "--jobs"]),
    ("gosu", &[]),
    ("su-exec", &[]),
    (
        "retry",
        &[
            "-t", "-n", "-d", "-s", "-m", "--tries", "--times", "--delay", "--sleep", "--max",
        ],
    ),
    ("try", &[]),
    ("run", &[]),
    ("exe", &[]),
    ("winpty", &[]),
    ("dotenv", &["-e", "-f"]),
];

/// Options of `ssh` that take a value of their own.
const SSH_VALUES: &str = "BbcDEeFIiJLlmOopQRSWw";

/// How many wrappers are looked through.
const WRAPPERS_MAX: usize = 8;

/// What a command runs.
pub(super) enum Inner {
    /// These of its words, from one to the last.
    Words(usize),
    /// A script, which these of its words are.
    Script(std::ops::Range<usize>),
}

/// The name of a program without its folder and `.exe`.
pub(in crate::reading) fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// Looks through wrappers.
pub(super) fn inner(words: &[&Mapped]) -> Inner {
    let text = |at: usize| words.get(at).map_or("", |word| word.text());
    let mut from = 0;
    for _ in 0..WRAPPERS_MAX {
        let name = program(text(from));
        if name == "trap" && words.len() > from + 2 {
            return Inner::Script(from + 1..from + 2);
        }
        if name == "eval" {
            return Inner::Script(from + 1..words.len());
        }
        if name == "ssh" || name == "sshpass" {
            if let Some(script) = ssh(words, from) {
                return Inner::Script(script..words.len());
            }
            break;
        }
        let known = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name);
        let options = match known {
            Some((_, options)) => *options,
            None if is_retry(name) => &[],
            None => break,
        };
        let next = skip_options(words, from + 1, options);
        if next >= words.len() {
            break;
        }
        if name == "watch" && text(next).contains(' ') {
            return Inner::Script(next..words.len());
        }
        from = next;
    }
    match shell_option(words, from) {
        Some(script) => Inner::Script(script..script + 1),
        None => Inner::Words(from),
    }
}

fn is_retry(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("retry")
        || name.starts_with("run_")
        || name.starts_with("with_")
        || name.starts_with("exec_")
}

/// The first word that is no option, no option's value, no assignment and no number.
fn skip_options(words: &[&Mapped], from: usize, with_values: &[&str]) -> usize {
    let mut at = from;
    while let Some(word) = words.get(at).map(|word| word.text()) {
        if with_values.contains(&word) {
            at += 2;
            continue;
        }
        let is_assignment = word
            .split_once('=')
            .is_some_and(|(name, _)| super::lexer::is_name(name));
        let is_number = word.starts_with(|first: char| first.is_ascii_digit())
            && word
                .trim_end_matches(['s', 'm', 'h', '.'])
                .bytes()
                .all(|byte| byte.is_ascii_digit());
        if !(word.starts_with('-') || is_assignment || is_number) {
            break;
        }
        at += 1;
    }
    at
}

/// Where the script of an `ssh HOST script` begins.
fn ssh(words: &[&Mapped], from: usize) -> Option<usize> {
    let mut at = from + 1;
    while let Some(option) = words.get(at).map(|word| word.text()) {
        let Some(letters) = option.strip_prefix('-') else {
            break;
        };
        let takes_value = letters.len() == 1 && letters.chars().all(|letter| SSH_VALUES.contains(letter));
        at += 1 + usize::from(takes_value);
    }
    (at + 1 < words.len()).then_some(at + 1)
}

/// The script of `bash -c SCRIPT`, wherever it stands in a command, and of `--command SCRIPT`.
fn shell_option(words: &[&Mapped], from: usize) -> Option<usize> {
    let mut after_shell = false;
    // Once, and not for each word: it may be long.
    let first = words.get(from).map_or("", |first| program(first.text()));
    for (at, word) in words.iter().enumerate().skip(from) {
        let text = word.text();
        if after_shell {
            let letters = text.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
            match letters {
                Some(letters) if letters.ends_with('c') && letters.len() <= 6 => {
                    return (at + 1 < words.len()).then_some(at + 1);
                }
                _ => after_shell = text.starts_with('-') || text == "pipefail",
            }
        }
        if is_shell(text) || program(text) == "su" {
            after_shell = true;
        }
        if first == "gcloud" && text == "--command" || first == "vagrant" && text == "-c" {
            return (at + 1 < words.len()).then_some(at + 1);
        }
    }
    None
}

/// Whether a program reads scripts.
pub(super) fn is_shell(word: &str) -> bool {
    matches!(
        program(word),
        "bash" | "sh" | "zsh" | "dash" | "ksh" | "ash" | "fish"
    )
}
