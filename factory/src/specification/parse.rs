//! From text to [`Document`], with every fault at its line and column.

use serde_saphyr::Error as YamlError;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::at::Mark;
use super::diagnostic::{Diagnostic, Source, suggestion};
use super::document::Document;

/// Longest specification, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of mappings and lists in a specification.
pub const DEPTH_MAX: usize = 16;

/// Most mappings, lists and scalars in a specification.
pub const NODES_MAX: usize = 100_000;

/// Most YAML aliases (`*name`) in a specification, and most nodes that they may stand for together.
pub const ALIASES_MAX: usize = 1_000;

/// The version of the format that this program reads.
pub const FORMAT_VERSION: u32 = 1;

/// Reads the shape of a specification.
pub(crate) fn parse(source: &Source) -> Result<Document, Diagnostic> {
    if source.text.len() > DOCUMENT_BYTES_MAX {
        let message = format!(
            "the specification is {} bytes long, at most {DOCUMENT_BYTES_MAX} are allowed",
            source.text.len()
        );
        return Err(source.diagnostic(Mark::default(), message, None));
    }
    check_version(source)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 3,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_documents: 1,
            max_total_scalar_bytes: DOCUMENT_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
            max_alias_expansions_per_anchor: ALIASES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| diagnose(source, &error))
}

/// The version comes first, so that a file of a later format is refused for that and not for its keys.
fn check_version(source: &Source) -> Result<(), Diagnostic> {
    let first = (1_u32..)
        .zip(source.text.trim_start_matches('\u{feff}').lines())
        .find(|(_, line)| {
            let line = line.trim();
            !(line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "---")
        });
    let Some((number, line)) = first else {
        return Err(source.diagnostic(Mark::default(), "the specification is empty", Some(first_key())));
    };
    let mark = Mark {
        line: number,
        column: 1,
        width: 1,
    };
    let Some(rest) = line.strip_prefix("lightship:") else {
        let message = "the first key of a specification is `lightship`";
        return Err(source.diagnostic(mark, message, Some(first_key())));
    };
    let value = rest.split_once(" #").map_or(rest, |(value, _)| value).trim();
    let column = rest.find(value).map_or(11, |start| start + 11);
    let mark = Mark {
        line: number,
        column: u32::try_from(column).unwrap_or(11),
        width: u32::try_from(value.chars().count()).unwrap_or(1).max(1),
    };
    match value.parse::<u32>() {
        Ok(FORMAT_VERSION) => Ok(()),
        Ok(newer) if newer > FORMAT_VERSION => {
            let message =
                format!("version {newer} of the format is newer than this program, which reads version 1");
            Err(source.diagnostic(mark, message, Some("update lightship".to_owned())))
        }
        _ => Err(source.diagnostic(
            mark,
            format!("{value:?} is not a version of the format"),
            Some(first_key()),
        )),
    }
}

fn first_key() -> String {
    "begin with `lightship: 1`".to_owned()
}

fn diagnose(source: &Source, error: &YamlError) -> Diagnostic {
    let mark = error.location().map(Mark::from).unwrap_or_default();
    let (message, help) = match error.without_snippet() {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let help = match suggestion(field, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", expected.join(", ")),
            };
            (format!("unknown key `{field}`"), Some(help))
        }
        YamlError::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            (
                format!("the key `{key}` is there twice"),
                Some("keep one of the two".to_owned()),
            )
        }
        YamlError::Unexpected { expected, .. } => (format!("{} is expected here", spoken(expected)), None),
        YamlError::InvalidScalar { ty, .. } => (format!("{} is expected here", spoken(ty)), None),
        YamlError::NullIntoString { .. } => ("text is expected here, not nothing".to_owned(), None),
        YamlError::SerdeInvalidType {
            unexpected, expected, ..
        }
        | YamlError::SerdeInvalidValue {
            unexpected, expected, ..
        } => (format!("{expected} is expected here, not {unexpected}"), None),
        YamlError::MultipleDocuments { .. } => (
            "a second document begins here".to_owned(),
            Some("put one image into a file".to_owned()),
        ),
        YamlError::Eof { .. } => ("the specification ends too early".to_owned(), None),
        other => (first_line(other), None),
    };
    source.diagnostic(mark, message, help)
}

fn spoken(expected: &'static str) -> &'static str {
    match expected {
        "sequence start" => "a list",
        "mapping start" => "a mapping (`key: value`)",
        "string scalar" | "string" => "text",
        "u32" | "u64" => "a whole number",
        "bool" => "true or false",
        other => other,
    }
}

/// The parser's own words, without the place that it appends.
fn first_line(error: &YamlError) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.rsplit_once(" at line ")
        .map_or(line, |(message, _)| message)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn check_fault(text: &str, place: (u32, u32), message: &str, help: Option<&str>) {
        let source = Source {
            file: Arc::from("app.yaml"),
            text: Arc::from(text),
        };
        let fault = parse(&source).expect_err("is refused");
        assert_eq!((fault.line, fault.column), place, "{}", fault.render());
        assert_eq!(fault.message, message);
        assert_eq!(fault.help.as_deref(), help);
    }

    fn check_read(text: &str) -> Document {
        let source = Source {
            file: Arc::from("app.yaml"),
            text: Arc::from(text),
        };
        parse(&source).unwrap_or_else(|fault| panic!("{}", fault.render()))
    }

    #[test]
    fn unknown_keys_are_faults_with_a_suggestion() {
        let help = Some("did you mean `packages`?");
        check_fault(
            "lightship: 1\npakages: [a]\n",
            (2, 1),
            "unknown key `pakages`",
            help,
        );
        let help = Some("did you mean `text`?");
        check_fault(
            "lightship: 1\nfiles:\n  - path: /a\n    txt: b\n",
            (4, 5),
            "unknown key `txt`",
            help,
        );
        let help = Some("did you mean `user`?");
        check_fault(
            "lightship: 1\nvariants:\n  debug:\n    usr: b\n",
            (4, 5),
            "unknown key `usr`",
            help,
        );
        let help = Some("known here: path, target");
        check_fault(
            "lightship: 1\nlinks: [{colour: b}]\n",
            (2, 10),
            "unknown key `colour`",
            help,
        );
    }

    #[test]
    fn wrong_shapes_are_faults_at_their_place() {
        check_fault(
            "lightship: 1\npackages: a\n",
            (2, 11),
            "a list is expected here",
            None,
        );
        check_fault(
            "lightship: 1\npackages:\n  - [a]\n",
            (3, 5),
            "text is expected here",
            None,
        );
        check_fault(
            "lightship: 1\npackages: [a, ~]\n",
            (2, 15),
            "text is expected here, not nothing",
            None,
        );
        check_fault(
            "lightship: 1\nfiles:\n  - text: b\n",
            (3, 5),
            "the key `path` is missing",
            None,
        );
        check_fault(
            "lightship: 1\nfiles: [a]\n",
            (2, 9),
            "a mapping (`key: value`) is expected here",
            None,
        );
        let text = "lightship: 1\naccounts:\n  users:\n  - name: a\n    uid: b\n";
        check_fault(text, (5, 10), "a whole number is expected here", None);
        check_fault("lightship: 1\nname: 'x\n", (2, 7), "unclosed quote", None);
    }

    #[test]
    fn keys_twice_are_faults() {
        let help = Some("keep one of the two");
        check_fault(
            "lightship: 1\nname: a\nname: b\n",
            (3, 1),
            "the key `name` is there twice",
            help,
        );
        check_fault(
            "lightship: 1\nlabels:\n  a: b\n  a: c\n",
            (4, 3),
            "the key `a` is there twice",
            help,
        );
    }

    #[test]
    fn the_version_comes_first() {
        let help = Some("begin with `lightship: 1`");
        check_fault(
            "# c\n\nname: a\nlightship: 1\n",
            (3, 1),
            "the first key of a specification is `lightship`",
            help,
        );
        check_fault("", (1, 1), "the specification is empty", help);
        check_fault(
            "lightship: one\n",
            (1, 12),
            "\"one\" is not a version of the format",
            help,
        );
        let message = "version 2 of the format is newer than this program, which reads version 1";
        check_fault(
            "lightship: 2\nnew-key: 1\n",
            (1, 12),
            message,
            Some("update lightship"),
        );
        check_read("# comment\n---\nlightship: 1 # first\nname: a\n");
    }

    #[test]
    fn scalars_keep_their_spelling() {
        let document =
            check_read("lightship: 1\nuser: 0\nports: [8080]\ndirectories: [{path: /a, mode: 0644}]\n");
        assert_eq!(document.user.map(|user| user.value.0).as_deref(), Some("0"));
        let mode = document
            .directories
            .into_iter()
            .next()
            .and_then(|entry| entry.mode);
        assert_eq!(mode.map(|mode| mode.value.0).as_deref(), Some("0644"));
    }

    #[test]
    fn a_long_document_is_refused() {
        let mut text = "lightship: 1\n#".to_owned();
        text.push_str(&"x".repeat(DOCUMENT_BYTES_MAX - text.len()));
        check_read(&text);
        text.push('x');
        let message = format!(
            "the specification is {} bytes long, at most {DOCUMENT_BYTES_MAX} are allowed",
            text.len()
        );
        check_fault(&text, (1, 1), &message, None);
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut text =
            "lightship: 1\nlabels:\n  a: &a0 x\nentrypoint: &a1 [*a0, *a0, *a0]\ncmd: [".to_owned();
        for _ in 0..ALIASES_MAX {
            text.push_str("*a0, ");
        }
        text.push_str("]\n");
        let source = Source {
            file: Arc::from("app.yaml"),
            text: Arc::from(text.as_str()),
        };
        assert!(parse(&source).is_err());
        assert!(
            check_read("lightship: 1\nworkdir: &w /a\nvolumes: [*w, *w]\n")
                .volumes
                .len()
                == 2
        );
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!(
            "lightship: 1\npackages: {}{}\n",
            "[".repeat(1000),
            "]".repeat(1000)
        );
        let source = Source {
            file: Arc::from("app.yaml"),
            text: Arc::from(text.as_str()),
        };
        assert!(parse(&source).is_err());
    }
}
