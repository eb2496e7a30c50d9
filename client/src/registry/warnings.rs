//! What registries want people to be told, beside their answers.

use transport::Response;

/// Hears what registries want people to be told.
pub trait Warnings: Send + Sync {
    /// A warning of `host`: visible text of at most [`WARNING_CHARACTERS_MAX`]. The same may come again with each answer.
    fn warned(&self, host: &str, text: &str);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy)]
pub struct NoWarnings;

impl Warnings for NoWarnings {
    fn warned(&self, _: &str, _: &str) {}
}

/// Longest warning that is told, in characters.
pub const WARNING_CHARACTERS_MAX: usize = 500;

/// Most warnings of one answer that are told.
const WARNINGS_MAX: usize = 10;

/// The warnings of an answer.
///
/// Spec: distribution-spec "Warnings": `299 - "text"`, several in one header or in several. Of RFC 7234's warnings there
/// are no others for people.
pub(crate) fn of(response: &Response) -> Vec<String> {
    let all = response.headers("warning").flat_map(parse);
    all.take(WARNINGS_MAX).collect()
}

fn parse(header: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = header.trim_start();
    while let Some((text, after)) = rest.strip_prefix("299 - \"").and_then(quoted) {
        if !text.trim().is_empty() {
            texts.push(text);
        }
        let Some(next) = after.trim_start().strip_prefix(',') else {
            break;
        };
        rest = next.trim_start();
    }
    texts
}

/// A text up to its closing quote, without what could move a terminal's cursor and not too long, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut content, mut count) = (String::new(), 0);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        let letter = match letter {
            '"' => return Some((content, &text[at + 1..])),
            '\\' => letters.next()?.1,
            other => other,
        };
        if count < WARNING_CHARACTERS_MAX && !letter.is_control() {
            content.push(letter);
            count += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_specification_has_and_nothing_else() {
        let check = |header: &str, expected: &[&str]| assert_eq!(parse(header), expected, "{header}");
        check(r#"299 - "it is old""#, &["it is old"]);
        check(
            r#"299 - "say \"no\", twice", 299 - "b""#,
            &["say \"no\", twice", "b"],
        );
        check(r#"299 - "a" "Sat, 25 Aug 2012 23:34:45 GMT""#, &["a"]);
        for header in [
            "",
            "299",
            "it is old",
            r#"199 - "a""#,
            r#"299 - "a"#,
            r#"299 host "a""#,
            r#"299 - "a\"#,
            r#"299 - " ""#,
        ] {
            check(header, &[]);
        }
    }

    #[test]
    fn a_warning_moves_no_cursor_and_is_cut() {
        assert_eq!(parse("299 - \"a\u{1b}[2J\u{9b}b\tc\""), ["a[2Jbc"]);
        let long = format!(
            "299 - \"{}\", 299 - \"b\"",
            "x".repeat(WARNING_CHARACTERS_MAX + 1)
        );
        assert_eq!(parse(&long), ["x".repeat(WARNING_CHARACTERS_MAX).as_str(), "b"]);
    }
}
