//! What is for people, and what is a command: seen from names of values and from texts themselves.

use super::nest::NAME_BYTES_MAX;

/// Names of values that people read, without the signs between their words.
const NAMES_FOR_PEOPLE: &[&str] = &[
    "desc",
    "short",
    "long",
    "summary",
    "title",
    "subtitle",
    "help",
    "helpmsg",
    "msg",
    "error",
    "warning",
    "warn",
    "info",
    "note",
    "notes",
    "comment",
    "comments",
    "remark",
    "remarks",
    "doc",
    "docs",
    "documentation",
    "caption",
    "labeltext",
    "tooltip",
    "placeholder",
    "example",
    "examples",
    "epilog",
    "prolog",
    "hint",
    "reason",
    "readme",
    "changelog",
    "releasenotes",
    "abstract",
];

/// Ends of such names.
const ENDS_FOR_PEOPLE: &[&str] = &["description", "message", "helptext", "displayname", "usage"];

/// Programs whose name at the beginning of a text says that it is a command, and whether lists of arguments begin with it where
/// they matter here.
const PROGRAMS: &[(&str, bool)] = &[
    ("docker", true),
    ("gcloud", true),
    ("gsutil", true),
    ("podman", true),
    ("buildah", true),
    ("skopeo", true),
    ("crane", true),
    ("gcrane", true),
    ("helm", true),
    ("kubectl", true),
    ("oras", true),
    ("cosign", true),
    ("kaniko", false),
    ("ko", false),
    ("pack", false),
    ("nerdctl", true),
    ("ctr", true),
    ("crictl", true),
    ("docker-compose", true),
    ("docker-credential-gcr", true),
    ("img", false),
    ("regctl", false),
    ("kustomize", false),
    ("skaffold", false),
    ("minikube", false),
    ("kind", false),
    ("k3d", false),
    ("sudo", true),
    ("bash", true),
    ("sh", true),
    ("zsh", false),
    ("cat", false),
    ("echo", false),
    ("curl", false),
    ("wget", false),
    ("make", false),
    ("npm", false),
    ("yarn", false),
    ("npx", false),
    ("sed", false),
    ("export", false),
    ("set", false),
    ("eval", false),
    ("bazel", false),
    ("terraform", false),
    ("istioctl", false),
    ("trivy", false),
];

/// Words that sentences have, and commands and settings do not.
const SENTENCE_WORDS: &[&str] = &[
    "the", "a", "an", "is", "are", "was", "were", "to", "from", "in", "only", "now", "on", "of", "and", "or",
    "not", "be", "this", "that", "through", "please", "with", "without", "has", "have", "no", "by", "for",
    "at", "as", "if", "when", "must", "should", "can", "cannot", "could", "will", "would", "may", "failed",
    "fails", "failure", "using", "use", "uses", "such", "like", "e.g.", "eg", "example", "into", "does",
    "do", "did", "your", "you", "we", "our", "it", "its", "any", "all", "invalid", "expected", "because",
    "than", "instead", "via", "but",
];

/// Instructions of Dockerfiles, which stand before images.
const INSTRUCTIONS: &[&str] = &[
    "FROM",
    "COPY",
    "ARG",
    "RUN",
    "ENV",
    "ADD",
    "LABEL",
    "CMD",
    "ENTRYPOINT",
];

/// Whether a value of this name is for people.
pub(super) fn is_for_people(name: &str) -> bool {
    if name.len() > NAME_BYTES_MAX {
        return false;
    }
    let bare: String = name.chars().filter(|sign| sign.is_ascii_alphanumeric()).collect();
    let bare = bare.to_ascii_lowercase();
    NAMES_FOR_PEOPLE.contains(&bare.as_str())
        || ENDS_FOR_PEOPLE.iter().any(|end| bare.ends_with(end))
        || bare.starts_with("usage")
}

/// Whether a text begins with a program, and is none that only speaks of it.
pub(super) fn is_command(text: &str) -> bool {
    let text = text.trim_start();
    if text.starts_with("#!") {
        return true;
    }
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| is_assignment(word));
    let first = words.next().unwrap_or_default();
    let program = first.rsplit('/').next().unwrap_or(first);
    let is_known = |name: &str| PROGRAMS.iter().any(|(program, _)| *program == name);
    is_known(program) && words.next().is_some() && !has_sentence_word(line)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|sign| sign.is_ascii_uppercase() || sign == b'_')
    })
}

/// Whether a list of arguments begins with this program.
pub(super) fn is_program(text: &str) -> bool {
    // `/usr/bin/docker` is one, and an image's name that ends like that is not.
    let name = match text.starts_with('/') {
        true => text.rsplit('/').next().unwrap_or(text),
        false => text,
    };
    let name = [".exe", ".cmd"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    PROGRAMS
        .iter()
        .any(|(program, is_started)| *is_started && *program == name)
}

fn has_sentence_word(line: &str) -> bool {
    let words = line
        .split_whitespace()
        .skip(1)
        .map(|word| word.trim_matches([',', ';', ':', '!', '?']));
    let sign = |word: &str| {
        SENTENCE_WORDS.contains(&word) && !matches!(word, "in" | "or" | "use" | "all" | "and" | "like" | "a")
    };
    line.split_whitespace().all(|word| !word.starts_with("--")) && words.into_iter().any(sign)
}

/// Whether a line is a sentence, or a part of one, that people read.
pub(super) fn is_sentence(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with(['{', '[', '<', '/'])
        || line.starts_with("--")
        || line.contains(" --")
        || is_command(line)
    {
        return false;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    if words.len() < 3 || INSTRUCTIONS.contains(&first) || words.iter().any(|word| holds_setting(word)) {
        return false;
    }
    let plain = words.iter().filter(|word| is_plain(word)).count();
    if plain < 2 || plain * 5 < words.len() * 2 {
        return false;
    }
    // Records of DNS have `IN A` in the middle.
    let is_spoken = |word: &&str| {
        let word = if *word == first {
            bare(word).to_ascii_lowercase()
        } else {
            bare(word).to_owned()
        };
        SENTENCE_WORDS.contains(&word.as_str())
    };
    let is_ended = |word: &&str| is_plain(word) && word.ends_with([',', '.', ';', '!', '?', ':']);
    words.iter().any(|word| is_spoken(word) || is_ended(word))
        || first.chars().next().is_some_and(char::is_uppercase) && is_plain(first)
        || line.contains('(') && line.ends_with(')')
        || line.ends_with(['.', '!', '?'])
}

/// `image=gcr.io/..`: a host that is given to something.
fn holds_setting(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, value)| !name.is_empty() && value.contains(".io"))
}

fn bare(word: &str) -> &str {
    word.trim_matches(|sign: char| !sign.is_alphanumeric() && sign != '\'')
}

fn is_plain(word: &str) -> bool {
    let word = word
        .trim_start_matches(['(', '"', '\'', '`', '“', '*', '_'])
        .trim_end_matches([',', '.', ';', ':', '!', '?', ')', '"', '\'', '`', '”', '*', '_']);
    !word.is_empty()
        && word
            .chars()
            .all(|sign| sign.is_alphabetic() || matches!(sign, '-' | '\'' | '’'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_told_from_commands_and_settings() {
        for text in [
            "pushing %s to gcr.io",
            "only gcr.io is allowed",
            "us.gcr.io answers, at last",
            "Container Registry (gcr.io)",
            "docker push to gcr.io failed",
            "base image, for example gcr.io/distroless/base",
            "images of gcr.io are not allowed",
        ] {
            assert!(is_sentence(text), "{text}");
            assert!(!is_command(text), "{text}");
        }
        for text in [
            "docker push gcr.io/p/x",
            "FROM gcr.io/distroless/static AS base",
            "image: gcr.io/p/x",
            "gcr.io/a/b gcr.io/c/d",
            "set image deployment/x x=gcr.io/p/x",
            "run app --image gcr.io/p/x",
            "gcr.io",
        ] {
            assert!(!is_sentence(text), "{text}");
        }
        for text in [
            "docker push gcr.io/p/x",
            "gcloud auth configure-docker",
            "A=b sudo docker pull x",
            "#!/bin/sh\n",
        ] {
            assert!(is_command(text), "{text}");
        }
    }

    #[test]
    fn lists_begin_with_programs_wherever_those_stand() {
        for text in ["docker", "/usr/bin/docker", "/bin/sh", "gcloud.cmd", "docker.exe"] {
            assert!(is_program(text), "{text}");
        }
        for text in ["gcr.io/p/docker", "./docker", "echo", "/bin/cat", ""] {
            assert!(!is_program(text), "{text}");
        }
    }

    #[test]
    fn names_say_what_people_read() {
        for (name, wanted) in [
            ("description", true),
            ("error_message", true),
            ("displayName", true),
            ("label_text", true),
            ("cliUsage", true),
            ("markdownDescription", true),
            ("image", false),
            ("registry", false),
        ] {
            assert_eq!(is_for_people(name), wanted, "{name}");
        }
    }
}
