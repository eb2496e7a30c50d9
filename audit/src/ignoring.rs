//! Comments that switch findings off.

use std::collections::{HashMap, HashSet};

use crate::finding::Finding;
use crate::rules::Rule;
use crate::source::SourceText;

/// What a comment says: of its own line, or with [`NEXT_LINE`] behind it of the next one.
const MARK: &str = "lightship:ignore";
const NEXT_LINE: &str = "-next-line";

/// What is switched off on which lines. Asking takes constant time, however long the lines are.
#[derive(Debug, Default)]
pub(crate) struct Ignored<'s> {
    lines: HashMap<usize, Rules<'s>>,
    /// What the comments say that cannot be meant: names of rules that there are not.
    pub(crate) remarks: Vec<String>,
}

#[derive(Debug, Default)]
struct Rules<'s> {
    all: bool,
    some: HashSet<&'s str>,
}

impl<'s> Ignored<'s> {
    /// What the comments of a file say.
    pub(crate) fn of(source: &'s SourceText) -> Ignored<'s> {
        let mut ignored = Ignored::default();
        let text = source.text();
        for (at, mark) in text.match_indices(MARK) {
            let rest = text.get(at + mark.len()..).unwrap_or_default();
            if !is_in_comment(text, at) {
                continue;
            }
            let here = source.position(at).line;
            let (line, rest) = match rest.strip_prefix(NEXT_LINE) {
                Some(rest) => (here + 1, rest),
                None => (here, rest),
            };
            let rules = ignored.lines.entry(line).or_default();
            match rest.strip_prefix('=') {
                Some(list) => {
                    let is_part = |sign: char| matches!(sign, ',' | '-') || sign.is_ascii_alphanumeric();
                    let end = list.find(|sign| !is_part(sign)).unwrap_or(list.len());
                    let named = list.get(..end).unwrap_or_default().split(',');
                    let named: Vec<&str> = named.filter(|rule| !rule.is_empty()).collect();
                    let unknown = named.iter().find(|rule| Rule::by_id(rule).is_none());
                    if let Some(unknown) = unknown.filter(|_| ignored.remarks.len() < REMARKS_MAX) {
                        let remark = format!("line {here}: there is no rule {unknown:?} to ignore");
                        ignored.remarks.push(remark);
                    }
                    rules.some.extend(named);
                }
                None => rules.all = true,
            }
        }
        ignored
    }

    /// Whether a finding is to be passed over.
    pub(crate) fn has(&self, finding: &Finding) -> bool {
        let rules = self.lines.get(&finding.start.line);
        rules.is_some_and(|rules| rules.all || rules.some.contains(finding.rule.id))
    }
}

/// Remarks of one file, at most.
const REMARKS_MAX: usize = 16;

/// How far before a mark the comment may begin that it is in, in bytes.
const COMMENT_BYTES_MAX: usize = 1024;

/// Signs that comments begin with, in whatever language; a file that is not understood may have any.
const COMMENT_SIGNS: [&str; 11] = ["#", "//", "/*", "*", "<!--", "--", ";", "%", "::", "@rem", "rem "];

/// Whether what follows a place is in a comment: behind a sign of one on its line, without quotes between.
fn is_in_comment(text: &str, at: usize) -> bool {
    let mut least = at.saturating_sub(COMMENT_BYTES_MAX);
    while !text.is_char_boundary(least) {
        least += 1;
    }
    let near = text.get(least..at).unwrap_or_default();
    let before = near.rsplit('\n').next().unwrap_or_default().to_ascii_lowercase();
    COMMENT_SIGNS.iter().any(|sign| {
        before.rfind(sign).is_some_and(|at| {
            let (lead, rest) = before.split_at_checked(at).unwrap_or_default();
            // Not in an address, nor in a word.
            let last = lead.chars().next_back();
            let is_free = last.is_none_or(|last| last.is_whitespace() || last == '{');
            is_free && !rest.contains(['"', '\'', '`'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Auditor, Settings};

    fn rules(text: &str) -> Vec<&'static str> {
        let report = Auditor::new(Settings::default()).file("notes", text.as_bytes());
        report.findings.iter().map(|finding| finding.rule.id).collect()
    }

    #[test]
    fn comments_switch_findings_off() {
        assert_eq!(rules("gcr.io/p/i"), ["image-own"]);
        for ignored in [
            "gcr.io/p/i # lightship:ignore",
            "gcr.io/p/i # lightship:ignore=host-legacy,image-own why",
            "gcr.io/p/i # lightship:ignore=host-legacy lightship:ignore=image-own",
            "# lightship:ignore-next-line\ngcr.io/p/i",
            "# lightship:ignore-next-line=image-own\ngcr.io/p/i",
        ] {
            assert_eq!(rules(ignored), Vec::<&str>::new(), "{ignored}");
        }
        for kept in [
            "gcr.io/p/i # lightship:ignore=host-legacy",
            "gcr.io/p/i\n# lightship:ignore",
            "gcr.io/p/i # lightship:ignore-next-line",
            "# lightship:ignore-next-line=host-legacy\ngcr.io/p/i",
            "{\"a\": \"gcr.io/p/i lightship:ignore\"}",
            "{\"a\": \"https://gcr.io/p/i lightship:ignore\"}",
            "echo lightship:ignore gcr.io/p/i",
        ] {
            assert_eq!(rules(kept), ["image-own"], "{kept}");
        }
    }

    #[test]
    fn a_line_is_gone_through_once_whatever_is_found_in_it() {
        // A third of a mebibyte, with thirty thousand findings: each of them had the whole line looked through.
        let line = format!("{}# lightship:ignore=host-legacy\n", "gcr.io/p/i ".repeat(30_000));
        let source = SourceText::decode(line.as_bytes()).unwrap();
        let found = Auditor::new(Settings::default())
            .file("notes", b"gcr.io/p/i")
            .findings;
        let ignored = Ignored::of(&source);
        assert_eq!(ignored.lines.len(), 1);
        let begun = std::time::Instant::now();
        assert!((0..30_000).all(|_| !ignored.has(&found[0])));
        assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    }

    #[test]
    fn rules_that_there_are_not_are_remarked() {
        let auditor = Auditor::new(Settings::default());
        let report = auditor.file("a", b"\ngcr.io/p/i # lightship:ignore=image-own,nosuchrule\n");
        assert_eq!(
            report.remarks,
            ["line 2: there is no rule \"nosuchrule\" to ignore"]
        );
        assert_eq!(report.findings.len(), 0);
    }
}
