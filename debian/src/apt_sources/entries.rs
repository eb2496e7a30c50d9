//! Entries of APT sources, in both of their formats.

use crate::control::{ControlError, parse_paragraphs};

/// An enabled entry of type `deb`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    pub(super) signed_by: Option<String>,
}

/// Reads the format of one line per entry: `deb [option=value …] uri suite component…`. Lines that are none are left
/// out, as they concern APT, not us.
pub(super) fn parse_one_line(text: &str) -> Vec<Entry> {
    text.lines().filter_map(one_line).collect()
}

fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|option| {
        let (name, value) = option.split_once('=')?;
        name.trim_end_matches(['+', '-'])
            .eq_ignore_ascii_case("signed-by")
            .then(|| value.to_owned())
    });
    let mut words = rest
        .split_whitespace()
        .map(|word| word.trim_matches('"').to_owned());
    let (uri, suite) = (words.next()?, words.next()?);
    Some(Entry {
        uris: vec![uri],
        suites: vec![suite],
        components: words.collect(),
        signed_by,
    })
}

/// Reads the format of one paragraph per entry.
pub(super) fn parse_deb822(text: &str) -> Result<Vec<Entry>, ControlError> {
    let words = |field: Option<&str>| -> Vec<String> {
        field
            .unwrap_or_default()
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect()
    };
    let paragraphs = parse_paragraphs(text.as_bytes())?;
    let enabled = paragraphs.iter().filter(|paragraph| {
        let off = ["no", "false", "without", "off", "disable", "0"];
        let enabled = paragraph.field("Enabled").map(str::trim);
        let is_deb = words(paragraph.field("Types")).iter().any(|kind| kind == "deb");
        is_deb && !enabled.is_some_and(|value| off.iter().any(|word| value.eq_ignore_ascii_case(word)))
    });
    Ok(enabled
        .map(|paragraph| Entry {
            uris: words(paragraph.field("URIs")),
            suites: words(paragraph.field("Suites")),
            components: words(paragraph.field("Components")),
            signed_by: paragraph
                .field("Signed-By")
                .filter(|value| !value.is_empty())
                .map(ToOwned::to_owned),
        })
        .collect())
}
