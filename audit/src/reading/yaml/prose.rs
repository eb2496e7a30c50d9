//! Which values are for people.

use super::super::outline::has_key;
use super::meaning::is_yaml;
use super::scan::{Leaf, Sort};

/// Keys whose values are for people, whatever stands there.
const PROSE_KEYS: [&str; 26] = [
    "description",
    "desc",
    "summary",
    "message",
    "msg",
    "title",
    "subtitle",
    "note",
    "notes",
    "displayname",
    "help",
    "helptext",
    "comment",
    "comments",
    "documentation",
    "docs",
    "readme",
    "changelog",
    "releasenotes",
    "abstract",
    "rationale",
    "justification",
    "remediation",
    "tooltip",
    "usage",
    "changecause",
];

/// Keys whose values are for people when they consist of several words.
const WORDS_KEYS: [&str; 24] = [
    "name",
    "label",
    "prompt",
    "info",
    "reason",
    "hint",
    "placeholder",
    "caption",
    "text",
    "body",
    "subject",
    "details",
    "explanation",
    "purpose",
    "header",
    "footer",
    "warning",
    "deprecated",
    "deprecation",
    "example",
    "runname",
    "template",
    "question",
    "about",
];

/// Ends of keys whose values are for people, when they consist of several words.
const PROSE_ENDS: [&str; 9] = [
    "description",
    "message",
    "summary",
    "title",
    "comment",
    "notes",
    "hint",
    "reason",
    "text",
];

/// Whether a value is for people, by its key or by what it says.
pub(super) fn is_prose(leaf: &Leaf, key: &str) -> bool {
    let name = key.rsplit(['/', '.']).next().unwrap_or(key);
    let plain: String = name
        .chars()
        .filter(|sign| !matches!(sign, '-' | '_' | ' '))
        .collect::<String>()
        .to_ascii_lowercase();
    let text = leaf.text.text();
    let has_words = text.trim().contains([' ', '\n']);
    PROSE_KEYS.contains(&plain.as_str())
        || has_words
            && (WORDS_KEYS.contains(&plain.as_str())
                || PROSE_ENDS.iter().any(|end| plain.ends_with(end))
                || is_annotation(leaf, &plain)
                || is_told(leaf.sort, text)
                || has_key(&leaf.path, |key| matches!(key, "help_text" | "helpText"))
                // The text of GitHub's forms.
                || plain == "value" && has_key(&leaf.path, |key| key == "attributes"))
}

/// Annotations for people; those for programs have signs.
fn is_annotation(leaf: &Leaf, key: &str) -> bool {
    let is_text = match leaf.sort {
        Sort::Block => key == "changes",
        _ => is_sentence(leaf.text.text(), ANNOTATION_WORDS_MIN),
    };
    is_text && has_key(&leaf.path, |key| key == "annotations")
}

/// Words of which most are only letters, one after the other, are a sentence: commands and lists have signs.
fn is_sentence(text: &str, words_min: usize) -> bool {
    let (mut words, mut plain) = (0, 0);
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|sign: char| sign.is_ascii_punctuation() && sign != '-' && sign != '$');
        words += 1;
        plain += usize::from(!bare.is_empty() && bare.chars().all(char::is_alphabetic));
    }
    let is_code = text.contains(['=', '|', ';', '{', '$', '&']) || text.contains(" -");
    words >= words_min && !is_code && plain * 10 >= words * 6
}

/// Whether a text under any key tells people something. A block is a list or a file more often than a line is.
fn is_told(sort: Sort, text: &str) -> bool {
    if sort != Sort::Block {
        return is_sentence(text, SENTENCE_WORDS_MIN);
    }
    let text = text.trim();
    let has_stops = text.ends_with(['.', '!', '?']) && text.starts_with(char::is_uppercase);
    has_stops && !is_yaml(text) && is_sentence(text, PARAGRAPH_WORDS_MIN)
}

const SENTENCE_WORDS_MIN: usize = 5;
const PARAGRAPH_WORDS_MIN: usize = 8;
const ANNOTATION_WORDS_MIN: usize = 3;
