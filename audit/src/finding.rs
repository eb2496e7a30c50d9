//! What was found, and how much it matters.

use std::ops::Range;

use serde::Serialize;

use crate::image::is_variable;
use crate::mapped::Span;
use crate::place::Place;
use crate::rules::Rule;
use crate::secret_text::secrets;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Only mentioned: in prose, in a comment, in code that is commented out. Shown on request.
    Info,
    /// Stays as it is.
    Note,
    /// Works, but is legacy or must be looked at.
    Warning,
    /// Breaks when the registry is gone.
    Error,
}

/// How sure it is that the finding is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Text of a file that is not understood.
    Low,
    /// A string of a program.
    Medium,
    /// A value in its place.
    High,
}

/// Whose image it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Of a project that is not known to be anybody else's.
    Own,
    /// One of Google's public images.
    Google,
    /// Kubernetes' images, which live at registry.k8s.io now.
    Kubernetes,
    /// A mirror of Docker Hub.
    Mirror,
    /// Of a project that is known as somebody else's.
    ThirdParty,
    /// In Artifact Registry already.
    ArtifactRegistry,
    /// On a host that the user named.
    Named,
}

/// A place in a file as people count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in Unicode code points.
    pub column: usize,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How much it matters: the rule's own, unless it is only mentioned or settings say otherwise.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whose image it is, where it is one.
    pub class: Option<Class>,
    /// The file, with slashes, as it was named or below what was named.
    pub path: String,
    /// Where in the decoded text.
    pub span: Span,
    /// Its first character.
    pub start: Position,
    /// The character after its last.
    pub end: Position,
    /// The reference, with its variables; with their values where they are known and it was put together.
    pub reference: Option<String>,
    /// References that what stands there is a part of, where it is known which: what a mapping has to be right for.
    pub composed: Option<Composed>,
    /// What stands there, secrets masked.
    pub matched: String,
    /// What it means, and what to do.
    pub message: String,
    /// Whether it stands in the file byte for byte: only then a mapping may rewrite it.
    pub is_verbatim: bool,
    /// How the place is used, which says what a mapping makes of it.
    pub place: Place,
    /// Whether it stays as it is: what is only mentioned has no other severity to tell it.
    pub is_kept: bool,
    /// The line it begins on, secrets masked; the part around it when the line is long.
    pub excerpt: Excerpt,
    /// Names of images and hosts on the lines around it.
    pub near: Vec<String>,
    /// Lines to write by hand in place of the step that it is part of; they have placeholders, and are never applied.
    pub suggestion: Option<&'static str>,
    /// What to write instead, where that is known: of all that stands at the place.
    pub fix: Option<Fix>,
    /// Why it is not rewritten, where a mapping was asked.
    pub stays: Option<String>,
    /// Where the reference is after that, and whether it is there, where that was asked.
    pub target: Option<Target>,
    /// Whether the reference still leads somewhere, where that was asked.
    pub resolves: Option<Resolves>,
    /// Names it whatever lines come before it: the same in the next version of the file.
    pub fingerprint: String,
}

impl Finding {
    /// The reference as it reads when it is used: where it has variables, the only one that is put together.
    #[must_use]
    pub fn used_reference(&self) -> Option<&str> {
        let reference = self.reference.as_deref()?;
        let composed = self.composed.as_ref().filter(|composed| composed.is_whole);
        match composed.map(|composed| composed.references.as_slice()) {
            Some([one]) if is_variable(reference) => Some(&one.reference),
            _ => Some(reference),
        }
    }
}

/// What is put together with a part of a reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composed {
    /// Each that is known.
    pub references: Vec<Whole>,
    /// Whether these are all.
    pub is_whole: bool,
}

/// A reference that is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// As it comes out.
    pub reference: String,
    /// Whether its image stays where it is.
    pub stays: bool,
}

/// What to write in place of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The text for the whole span, as it stands in the file.
    pub replacement: String,
    /// What it does.
    pub description: String,
}

/// Where a reference is after a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The new reference.
    pub reference: String,
    /// Whether it leads somewhere, where that was asked.
    pub resolves: Option<Resolves>,
}

/// What the registry said when the reference was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolves {
    /// Without any credential.
    pub anonymously: Resolution,
    /// With those of the user.
    pub as_user: Resolution,
    /// Why the registry could not be asked, where it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Resolves {
    /// In a few words.
    #[must_use]
    pub fn told(&self) -> String {
        let (nobody, user) = (self.anonymously.word(), self.as_user.word());
        let why = match &self.reason {
            Some(reason) => format!(" ({reason})"),
            None => String::new(),
        };
        format!("{nobody} anonymously, {user} with your credentials{why}")
    }
}

/// Whether a reference leads somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// There is a manifest.
    Yes,
    /// There is none.
    No,
    /// The registry does not let this caller see it.
    Refused,
    /// The registry did not answer, or has trouble.
    Unreachable,
}

impl Resolution {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Resolution::Yes => "yes",
            Resolution::No => "no",
            Resolution::Refused => "refused",
            Resolution::Unreachable => "unreachable",
        }
    }
}

/// A line of a file, or a part of one, with what was found in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The text; tabs are spaces, and other control characters are left out.
    pub text: String,
    /// Characters before what was found.
    pub before: usize,
    /// Characters of what was found, as far as it stands on this line; at least one.
    pub length: usize,
}

/// Characters of a line that are shown before and after what was found in it, at most.
const AROUND_MAX: usize = 100;

impl Excerpt {
    /// What stands around a place in a line; `shown` in place of what stands there, when that is secret. Of other secrets in the
    /// line nothing is shown.
    #[must_use]
    pub fn of(line: &str, (column, length): (usize, usize), shown: Option<&str>) -> Excerpt {
        let secrets = secrets(line);
        let start = column.saturating_sub(1);
        let skipped = start.saturating_sub(AROUND_MAX);
        let mut signs = line.char_indices().skip(skipped);
        let before = visible(&mut signs.by_ref().take(start - skipped), &secrets);
        let there = visible(&mut signs.by_ref().take(length.min(AROUND_MAX)), &[]);
        let is_cut = length > AROUND_MAX;
        let after = match is_cut {
            true => "…".to_owned(),
            false => masked(&visible(&mut signs.by_ref().take(AROUND_MAX), &secrets)),
        };
        let before = masked(&before);
        let there = shown.map_or(there, str::to_owned);
        let rest = if !is_cut && signs.next().is_some() {
            "…"
        } else {
            ""
        };
        let lead = if skipped > 0 { "…" } else { "" };
        Excerpt {
            before: lead.chars().count() + before.chars().count(),
            length: there.chars().count().max(1),
            text: format!("{lead}{before}{there}{after}{rest}"),
        }
    }
}

/// Signs as a terminal may show them, with one sign for each secret.
fn visible(signs: &mut dyn Iterator<Item = (usize, char)>, secrets: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut hidden: Option<&Range<usize>> = None;
    for (at, sign) in signs {
        if hidden.is_some_and(|secret| secret.contains(&at)) {
            continue;
        }
        hidden = secrets.iter().find(|secret| secret.contains(&at));
        match sign {
            _ if hidden.is_some() => shown.push('…'),
            '\t' => shown.push(' '),
            sign if !is_harmless(sign) => {}
            sign => shown.push(sign),
        }
    }
    shown
}

/// Whether a sign changes nothing but what stands at its place: not so those that turn the direction of text around.
#[must_use]
pub fn is_harmless(sign: char) -> bool {
    let is_turning =
        matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !sign.is_control() && !is_turning
}

/// Signs in a row that are taken for a secret when they are of all sorts.
const SECRET_SIGNS_MIN: usize = 24;

/// A text without what may be keys, tokens or credentials: rows of letters of both cases and digits, as base64 has them.
fn masked(text: &str) -> String {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '+' | '/' | '=' | '_' | '\\');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|sign| !is_sign(sign)).unwrap_or(rest.len());
        let (row, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let has = |sort: fn(&char) -> bool| row.chars().any(|sign| sort(&sign));
        let is_mixed =
            has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
        if row.len() >= SECRET_SIGNS_MIN && is_mixed {
            shown.push('…');
        } else {
            shown.push_str(row);
        }
        let mut signs = after.chars();
        shown.extend(signs.next());
        rest = signs.as_str();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_what_stands_around() {
        let seen = |line: &str, place, shown| {
            let excerpt = Excerpt::of(line, place, shown);
            (excerpt.text, excerpt.before, excerpt.length)
        };
        assert_eq!(
            seen("\tFROM x/y AS z", (7, 3), None),
            (" FROM x/y AS z".to_owned(), 6, 3)
        );
        assert_eq!(
            seen("k: SECRET", (4, 6), Some("***")),
            ("k: ***".to_owned(), 3, 3)
        );
        let beside =
            "gcr.io: {auth: \"X2pzb25fa2V5OnsidHlwZSI6ICJzZXJ2\"} sha256:0123456789abcdef0123456789abcdef";
        let shown = seen(beside, (1, 6), None).0;
        assert_eq!(
            shown,
            "gcr.io: {auth: \"…\"} sha256:0123456789abcdef0123456789abcdef"
        );
        let login = "docker login -p \"hunter2\" gcr.io # password: x";
        assert_eq!(
            seen(login, (27, 6), None),
            ("docker login -p \"…\" gcr.io # password: …".to_owned(), 20, 6)
        );
        let long = "a".repeat(300) + "x" + &"b".repeat(300);
        let (text, before, length) = seen(&long, (301, 1), None);
        assert_eq!((text.chars().count(), before, length), (203, 101, 1));
        assert!(text.starts_with('…') && text.ends_with('…'));
    }
}
