//! Which words of a command are for people.

/// Commands that show their arguments.
const SPEAKERS: [&str; 42] = [
    "announce",
    "inform",
    "status",
    "heading",
    "highlight",
    "echoerr",
    "errcho",
    "display",
    "echo",
    "printf",
    "print",
    "log",
    "logger",
    "info",
    "warn",
    "warning",
    "error",
    "err",
    "debug",
    "die",
    "fail",
    "fatal",
    "abort",
    "panic",
    "usage",
    "notice",
    "note",
    "success",
    "ok",
    "msg",
    "message",
    "say",
    "title",
    "step",
    "section",
    "header",
    "banner",
    "trace",
    "notify",
    "cecho",
    "bold",
    "write",
];

/// Whether a command shows its arguments to people.
pub(in crate::reading) fn is_speaker(name: &str) -> bool {
    // `$(Q)echo` and `$(ECHO)` of Makefiles.
    let name = match name.rsplit_once([')', '}']) {
        Some((_, name)) if !name.is_empty() => name,
        _ => name.trim_matches(['$', '(', ')', '{', '}']),
    };
    let name = name.to_ascii_lowercase();
    SPEAKERS.contains(&name.as_str()) || is_log(&name)
}

/// `log_info`, `log::error`, `echo_green`, `print-step`, `info_msg`.
fn is_log(name: &str) -> bool {
    let mut parts = name.split(['_', '-', ':', '.']).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back();
    last.is_some()
        && (matches!(
            first,
            "log" | "echo" | "print" | "printf" | "info" | "warn" | "error" | "err" | "say" | "msg" | "debug"
        ) || matches!(
            last,
            Some(
                "log"
                    | "echo"
                    | "msg"
                    | "message"
                    | "info"
                    | "warn"
                    | "warning"
                    | "error"
                    | "die"
                    | "fatal"
                    | "usage"
            )
        ) && !matches!(name, "set-error" | "on-error" | "on_error"))
}

/// Last parts of names of variables that hold text for people.
const TEXTS: [&str; 13] = [
    "usage",
    "help",
    "description",
    "descr",
    "desc",
    "message",
    "msg",
    "banner",
    "prompt",
    "notice",
    "disclaimer",
    "summary",
    "motd",
];

/// Whether what a variable holds is for people, by its name.
pub(in crate::reading) fn is_text_for_people(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = ["_text", "_string", "_str", "_body", "text"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    let last = name.rsplit(['_', '-', '.', ':']).next().unwrap_or(name);
    TEXTS.contains(&last)
        || ["message", "description", "usage", "prompt", "helptext"]
            .iter()
            .any(|end| last.ends_with(end))
}

/// Whether an option's value is for people.
pub(super) fn is_text_option(command: &str, option: &str) -> bool {
    let is_vcs = matches!(command, "git" | "hg" | "gh" | "glab" | "svn");
    match option {
        "-m" | "-t" | "-b" => is_vcs,
        "-p" => command == "read",
        "--message" | "--title" | "--body" | "--description" | "--display-name" | "--notes" | "--reason"
        | "--comment" | "--prompt" => true,
        _ => false,
    }
}

/// Whether data that is sent is a message in a chat.
pub(super) fn is_chat(command: &str, text: &str) -> bool {
    matches!(command, "curl" | "wget" | "http" | "slack")
        && ["\"text\"", "\"content\"", "\"message\"", "'text'", "text="]
            .iter()
            .any(|key| text.contains(key))
}

/// Whether what is written there is read by people only.
pub(super) fn is_shown(target: &str) -> bool {
    let lower = target.to_ascii_lowercase();
    target.starts_with('&')
        || lower.starts_with("/dev/")
        || lower.ends_with(".log")
        || ["readme", "notice", "motd", "issue", "issue.net", "index.html"]
            .contains(&lower.rsplit('/').next().unwrap_or_default())
        || lower.ends_with(".md")
        || lower.ends_with(".txt")
            && (lower.contains("notes") || lower.contains("readme") || lower.contains("summary"))
        || ["step_summary", "log_file", "logfile", "$log", "${log", "/log/"]
            .iter()
            .any(|part| lower.contains(part))
}

/// Words that sentences have, and settings do not.
const SENTENCE_WORDS: [&str; 24] = [
    "the", "a", "is", "are", "was", "were", "to", "from", "in", "only", "now", "on", "of", "and", "not",
    "be", "this", "that", "through", "please", "with", "has", "have", "no",
];

/// How many words a sentence has at least.
const SENTENCE_LENGTH_MIN: usize = 5;

/// Whether a text is a sentence for people, wherever it is written.
pub(in crate::reading) fn is_sentence(text: &str) -> bool {
    if text.contains(['=', '{', '[', '\n']) || text.starts_with(['#', '-', '/']) {
        return false;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_plain = |word: &&&str| {
        let bare = word.trim_matches([',', '.', ';', ':', '!', '?', '(', ')', '"', '\'']);
        !bare.is_empty()
            && bare
                .chars()
                .all(|letter| letter.is_alphabetic() || letter == '-' || letter == '\'')
    };
    let plain = words.iter().filter(is_plain).count();
    let has_sign = words
        .iter()
        .any(|word| SENTENCE_WORDS.contains(&word.to_ascii_lowercase().as_str()));
    words.len() >= SENTENCE_LENGTH_MIN
        && plain * 10 >= words.len() * 7
        && has_sign
        && !words.iter().any(|word| word.starts_with('-'))
}

/// Whether a command only shows its input.
pub(super) fn is_display<'t>(words: impl Iterator<Item = &'t str>) -> bool {
    let mut words = words;
    match words.next() {
        Some(
            "less" | "more" | "logger" | "fold" | "fmt" | "boxes" | "lolcat" | "cowsay" | "column" | "ts"
            | "wall",
        ) => true,
        Some("tee") => words.filter(|word| !word.starts_with('-')).all(is_shown),
        Some("cat") => words.next().is_none(),
        _ => false,
    }
}

/// Whether a shown text is a command to what runs the script: `::set-output name=…`, `##vso[task.setvariable …]`.
pub(in crate::reading) fn is_workflow_command(text: &str) -> bool {
    let is_said = ["::notice", "::warning", "::error", "::debug", "::group"];
    text.starts_with("::") && !is_said.iter().any(|said| text.starts_with(said))
        || text.starts_with("##vso[task.set")
        || text.starts_with("##teamcity[set")
}
