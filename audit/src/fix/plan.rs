//! Which edits a mapping makes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::decision::{Stays, decide};
use super::mapping::{Mapping, host_of};
use crate::auditor::Auditor;
use crate::finding::{Class, Finding, Severity, Target};
use crate::host::Family;
use crate::kind::Kind;
use crate::mapped::Span;
use crate::place::Sort;
use crate::reading::{self, Document, Piece, Role, Step};
use crate::source::SourceText;

/// A file with its edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedFile {
    /// Its new bytes.
    pub bytes: Vec<u8>,
    /// Whether these are UTF-8.
    pub is_utf8: bool,
    /// Its text before, with a byte order mark where it is UTF-8 with one.
    pub before: String,
    /// The new text.
    pub after: String,
    /// The places that are mended.
    pub mended: Vec<Span>,
}

/// Gives each finding what a mapping makes of it, or why it stays.
pub fn propose(findings: &mut [Finding], mapping: &Mapping) {
    for finding in &mut *findings {
        (finding.fix, finding.stays) = match decide(finding, mapping) {
            Ok(fix) => (Some(fix), None),
            Err(stays) => (None, Some(stays.to_string())),
        };
    }
    keep_logins(findings);
    for finding in findings {
        let reference = finding.used_reference().filter(|_| finding.fix.is_some());
        finding.target = reference
            .and_then(|reference| mapping.apply(reference))
            .map(|reference| Target {
                reference,
                resolves: None,
            });
    }
}

/// A login stays where images of its host stay in the same file that may need it; one in a file where none moves, wherever they stay.
fn keep_logins(findings: &mut [Finding]) {
    let image = |finding: &Finding| {
        let reference = finding.reference.as_deref().unwrap_or(&finding.matched);
        (finding.path.clone(), host_of(reference).to_owned())
    };
    let (mut kept, mut kept_anywhere) = (HashMap::new(), BTreeMap::new());
    let mut moved: HashSet<(String, String)> = HashSet::new();
    for finding in findings.iter().filter(|finding| may_need_login(finding)) {
        let place = image(finding);
        if finding.fix.is_some() {
            moved.insert(place);
        } else {
            let reference = finding.reference.as_deref().unwrap_or(&finding.matched);
            let told = || (reference.to_owned(), finding.path.clone());
            kept_anywhere.entry(place.1.clone()).or_insert_with(told);
            kept.entry(place).or_insert_with(told);
        }
    }
    for finding in findings.iter_mut().filter(|finding| finding.fix.is_some()) {
        let needed = |host: &str| {
            let place = (finding.path.clone(), host.to_owned());
            kept.get(&place)
                .or_else(|| kept_anywhere.get(host).filter(|_| !moved.contains(&place)))
        };
        let found = match finding.place.sort {
            Sort::Login | Sort::GoogleLogins => {
                let mut hosts = finding.matched.split(',').map(|host| host_of(host.trim()));
                hosts.find_map(needed)
            }
            // Without hosts, those of Container Registry are set up.
            Sort::NoGoogleLogins => kept_anywhere
                .keys()
                .filter(|host| Family::of(host, &[]) == Some(Family::Gcr))
                .find_map(|host| needed(host)),
            _ => None,
        };
        if let Some((reference, path)) = found {
            let (reference, path) = (reference.clone(), path.clone());
            (finding.fix, finding.stays) = (None, Some(Stays::LoggedIn { reference, path }.to_string()));
        }
    }
}

/// Whether a finding is an image, or the beginning of images, that not everybody may pull.
fn may_need_login(finding: &Finding) -> bool {
    let is_image = matches!(finding.place.sort, Sort::Reference | Sort::BareHost);
    let is_anybodys = match finding.class {
        Some(Class::Own | Class::Named | Class::ArtifactRegistry) => false,
        Some(_) => true,
        None => finding.rule.id != "host-legacy",
    };
    is_image && !is_anybodys && finding.severity > Severity::Info
}

/// Makes the edits of a file's findings; nothing when there are none, or when not all would go well: afterwards the file
/// has to be what it was but for the edits, and what was mended must not be found again. Where keys would become the same, all
/// but keys are rewritten.
#[must_use]
pub fn rewrite(auditor: &Auditor, path: &str, bytes: &[u8], findings: &[Finding]) -> Option<FixedFile> {
    let of_file: Vec<&Finding> = findings.iter().filter(|finding| finding.path == path).collect();
    try_rewrite(auditor, path, bytes, &of_file).ok()
}

/// Why a file was not rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfixed {
    /// There is nothing to do.
    #[error("nothing in it is to be rewritten")]
    Nothing,
    /// It cannot be written back byte for byte.
    #[error("the file is no valid text")]
    NoText,
    /// It is not what was looked at.
    #[error("the file was changed meanwhile")]
    Changed,
    /// Places stand in each other.
    #[error("it overlaps with something else that is to be rewritten")]
    Overlap,
    /// A reader would take it otherwise.
    #[error("the structure of the file would change")]
    Structure,
    /// A reader takes the last of two keys.
    #[error("two keys would become the same")]
    Twins,
    /// Something would be found that was not there before.
    #[error("something would be found in the file that is not found now")]
    FoundAgain,
    /// The reason for which something stays would be gone.
    #[error("what stays in it would be read otherwise")]
    ReadOtherwise,
}

/// The same as [`rewrite`] for the findings of one file, with the reason when it is not done.
///
/// # Errors
/// When there is nothing to do, or not all would go well.
pub fn try_rewrite(
    auditor: &Auditor,
    path: &str,
    bytes: &[u8],
    findings: &[&Finding],
) -> Result<FixedFile, Unfixed> {
    let source = SourceText::decode(bytes)
        .filter(SourceText::is_valid)
        .ok_or(Unfixed::NoText)?;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    for finding in findings {
        let Some(fix) = &finding.fix else { continue };
        // What was found has to stand there still.
        if source.at(finding.span) != finding.matched {
            return Err(Unfixed::Changed);
        }
        edits.push(Edit {
            span: finding.span,
            old: &finding.matched,
            new: &fix.replacement,
        });
    }
    edits.sort_by_key(|edit| edit.span);
    let is_apart = edits
        .windows(2)
        .all(|pair| !matches!(pair, [one, other] if one.span.end > other.span.start));
    if !is_apart {
        return Err(Unfixed::Overlap);
    }
    let kind = Kind::of(path, source.text());
    let before = reading::read(kind, source.text());
    let whole = made(auditor, (path, kind), (&source, &before), &edits);
    whole.or_else(|why| {
        let keys = before.pieces.iter().filter(|piece| piece.role == Role::Key);
        let keys: Vec<Span> = keys.map(|piece| piece.text.whole_span()).collect();
        edits.retain(|edit| !keys.iter().any(|key| key.overlaps(&edit.span)));
        made(auditor, (path, kind), (&source, &before), &edits).map_err(|_| why)
    })
}

/// The file with these edits, if that is what it should be.
fn made(
    auditor: &Auditor,
    (path, kind): (&str, Kind),
    (source, before): (&SourceText, &Document),
    edits: &[Edit<'_>],
) -> Result<FixedFile, Unfixed> {
    if edits.is_empty() {
        return Err(Unfixed::Nothing);
    }
    let after = edited(source.text(), edits);
    let read = reading::read(kind, &after);
    if has_new_twins(before, &read) {
        return Err(Unfixed::Twins);
    }
    if !is_same_but_for(before, &read, edits) {
        return Err(Unfixed::Structure);
    }
    let bytes = source.encode(&after);
    let found = |bytes: &[u8]| auditor.file(path, bytes).findings;
    let (found_before, found_after) = (found(&source.encode(source.text())), found(&bytes));
    if !is_mended(&found_before, &found_after, edits) {
        return Err(Unfixed::FoundAgain);
    }
    if !what_stays_is_the_same(&found_before, &found_after, edits) {
        return Err(Unfixed::ReadOtherwise);
    }
    Ok(FixedFile {
        bytes,
        is_utf8: source.is_utf8(),
        before: format!("{}{}", source.mark(), source.text()),
        mended: edits.iter().map(|edit| edit.span).collect(),
        after: format!("{}{after}", source.mark()),
    })
}

/// Whether what was rewritten is found no more, and nothing that was not found before.
fn is_mended(before: &[Finding], after: &[Finding], edits: &[Edit<'_>]) -> bool {
    let counts = |findings: &[Finding]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for finding in findings {
            *counts.entry(finding.matched.clone()).or_default() += 1;
        }
        counts
    };
    let (mut old, new) = (counts(before), counts(after));
    for edit in edits {
        if let Some(count) = old.get_mut(edit.old) {
            *count = count.saturating_sub(1);
        }
    }
    new.into_iter().all(|(matched, count)| {
        let is_new_name = edits
            .iter()
            .any(|edit| edit.new.contains(&matched) && !edit.old.contains(&matched));
        is_new_name || count <= old.get(&matched).copied().unwrap_or(0)
    })
}

/// Whether as much as before is put together from each place that no edit touches: a second run decides as this one did.
fn what_stays_is_the_same(before: &[Finding], after: &[Finding], edits: &[Edit<'_>]) -> bool {
    let composed = |finding: &Finding| {
        let composed = finding.composed.as_ref();
        composed.map(|composed| (composed.references.len(), composed.is_whole))
    };
    let after: HashMap<usize, &Finding> = after
        .iter()
        .map(|finding| (finding.span.start, finding))
        .collect();
    let (mut edits, mut longer, mut shorter) = (edits.iter().peekable(), 0, 0);
    before.iter().all(|finding| {
        while let Some(edit) = edits.next_if(|edit| edit.span.end <= finding.span.start) {
            longer += edit.new.len();
            shorter += edit.old.len();
        }
        let is_edited = edits.peek().is_some_and(|edit| edit.span.overlaps(&finding.span));
        let same = after.get(&(finding.span.start + longer - shorter));
        is_edited || same.is_none_or(|same| composed(same) == composed(finding))
    })
}

/// Whether a key stands twice at a place where it did not before: most readers take the last, and forget the other.
fn has_new_twins(before: &Document, after: &Document) -> bool {
    let twins = |document: &Document| {
        let mut seen = HashSet::new();
        let keys = document.pieces.iter().filter(|piece| piece.role == Role::Key);
        keys.filter(|piece| !seen.insert((piece.path.clone(), piece.text.text().to_owned())))
            .count()
    };
    twins(after) > twins(before)
}

/// A place that gets another text.
struct Edit<'e> {
    span: Span,
    old: &'e str,
    new: &'e str,
}

fn edited(text: &str, edits: &[Edit<'_>]) -> String {
    let mut after = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        after.push_str(text.get(at..edit.span.start).unwrap_or_default());
        after.push_str(edit.new);
        at = edit.span.end;
    }
    after.push_str(text.get(at..).unwrap_or_default());
    after
}

/// Words that edits add behind what stands there, by where they are afterwards.
fn added(edits: &[Edit<'_>]) -> Vec<Span> {
    let mut added = Vec::new();
    let (mut at, mut end) = (0, 0);
    for edit in edits {
        at += edit.span.start - end;
        end = edit.span.end;
        let words = edit
            .new
            .strip_prefix(edit.old)
            .filter(|rest| rest.starts_with(' '));
        if let Some(words) = words {
            let start = at + edit.old.len() + 1;
            added.push(Span {
                start,
                end: start + words.len() - 1,
            });
        }
        at += edit.new.len();
    }
    added
}

/// Whether the structure is the same, and every value that no edit touches.
fn is_same_but_for(before: &Document, after: &Document, edits: &[Edit<'_>]) -> bool {
    // A value stands below the key that is rewritten.
    let is_step = |(one, other): (&Step, &Step)| match (one, other) {
        (Step::Key(one), Step::Key(other)) => {
            one == other || edits.iter().any(|edit| one.replace(edit.old, edit.new) == *other)
        }
        (one, other) => one == other,
    };
    let added = added(edits);
    let is_added = |piece: &&Piece| {
        let span = piece.text.whole_span();
        added
            .iter()
            .any(|words| words.start <= span.start && span.end <= words.end)
    };
    let after: Vec<&Piece> = after.pieces.iter().filter(|piece| !is_added(piece)).collect();
    before.pieces.len() == after.len()
        && before.pieces.iter().zip(after).all(|(one, other)| {
            let span = one.text.whole_span();
            let is_edited = edits.iter().any(|edit| edit.span.overlaps(&span));
            one.role == other.role
                && one.path.len() == other.path.len()
                && one.path.iter().zip(&*other.path).all(is_step)
                && (is_edited || one.text.text() == other.text.text())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn fixed(path: &str, text: &str, mapping: &str) -> Option<String> {
        let auditor = Auditor::new(Settings::default());
        let mut map = Mapping::known();
        map.add(mapping).unwrap();
        let mut findings = auditor.file(path, text.as_bytes()).findings;
        propose(&mut findings, &map);
        let fixed = rewrite(&auditor, path, text.as_bytes(), &findings)?;
        // What is fixed is fixed: nothing is left to do.
        let mut again = auditor.file(path, &fixed.bytes).findings;
        propose(&mut again, &map);
        assert!(
            again.iter().all(|finding| finding.fix.is_none()),
            "{}",
            fixed.after
        );
        Some(fixed.after)
    }

    #[test]
    fn only_what_is_mapped_is_rewritten_and_the_rest_stays_byte_for_byte() {
        let text = "a: gcr.io/p/x:1\r\n\tb = 'k8s.gcr.io/pause' # k8s.gcr.io\r\nc gcr.io/other/y\n\u{feff}";
        let after = fixed("notes", text, "gcr.io/p=new.example/q").unwrap();
        assert_eq!(
            after,
            "a: new.example/q/x:1\r\n\tb = 'registry.k8s.io/pause' # registry.k8s.io\r\nc gcr.io/other/y\n\u{feff}"
        );
        assert_eq!(fixed("notes", "gcr.io/other/y", "gcr.io/p=new.example/q"), None);
    }

    #[test]
    fn the_host_of_a_login_is_rewritten_whatever_is_behind_it() {
        let text = "steps:\n- uses: docker/login-action@v3\n  with:\n    registry: gcr.io/p\n";
        assert_eq!(
            fixed("ci.yml", text, "gcr.io/p=new.example/q").unwrap(),
            text.replace("gcr.io", "new.example")
        );
        let text = "data:\n  .dockerconfigjson: |\n    {\"auths\": {\"https://gcr.io\": {}}}\n";
        assert_eq!(
            fixed("secret.yaml", text, "gcr.io=new.example/q").unwrap(),
            text.replace("gcr.io", "new.example")
        );
    }

    #[test]
    fn what_would_be_found_only_afterwards_is_left_alone() {
        let text = "uri = \"docker://gcr.io/p/x//gcr.io/p/y\"";
        assert_eq!(fixed("a.toml", text, "gcr.io/p=new.example/p"), None);
    }

    #[test]
    fn names_in_their_own_values_and_behind_hosts_change_nothing_the_second_time() {
        for (path, text) in [
            ("a.sh", "G=gcr.io/{G}}gcr.io/G"),
            ("a.sh", "IGE=gcr.io/u{IGE}=gcr.io/a"),
            ("a.sh", "I=gcr.io/H{}\ngcr.io/{I}"),
            ("a.sh", "#\nI=\"=gcr.io/basi\u{5}{I}\nI=gcr.io/basi{I}"),
            (
                "a.yaml",
                "parameters:\n      - name: image\n       value: gcr.io/_{}}gcr.io/g\n{{workflow.parameters.image}}",
            ),
        ] {
            let _ = fixed(path, text, "gcr.io=new.example/a");
        }
    }

    #[test]
    fn keys_do_not_become_one() {
        let text = "{\"credHelpers\": {\"gcr.io\": \"x\", \"us.gcr.io\": \"y\"}, \"image\": \"gcr.io/p/x\"}";
        let mapping = "gcr.io=new.example/a\nus.gcr.io=new.example/b";
        let auditor = Auditor::new(Settings::default());
        let mut map = Mapping::known();
        map.add(mapping).unwrap();
        let mut findings = auditor.file("config.json", text.as_bytes()).findings;
        propose(&mut findings, &map);
        let fixed = rewrite(&auditor, "config.json", text.as_bytes(), &findings).unwrap();
        assert_eq!(fixed.after, text.replace("gcr.io/p/x", "new.example/a/p/x"));
    }

    #[test]
    fn what_is_no_valid_text_is_left_alone() {
        let auditor = Auditor::new(Settings::default());
        let bytes = b"gcr.io/p/x \xff";
        let mut map = Mapping::default();
        map.add("gcr.io/p=new.example/p").unwrap();
        let mut findings = auditor.file("notes", bytes).findings;
        propose(&mut findings, &map);
        assert_eq!(findings.len(), 1);
        assert!(rewrite(&auditor, "notes", bytes, &findings).is_none());
    }
}
