//! Names of images and hosts on the lines around a place: what copies from one to another names both.

use crate::mapped::Span;

/// How many lines before and after a place are looked at.
const LINES: usize = 3;

/// How far they may reach, in bytes.
const BYTES_MAX: usize = 2048;

/// How many names are kept for one place.
const NAMES_MAX: usize = 16;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The names around a place of a text, without their tags.
pub(crate) fn names(text: &str, span: Span) -> Vec<String> {
    let boundary = |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at));
    let from = boundary(span.start.saturating_sub(BYTES_MAX)).unwrap_or(span.start);
    let to = boundary((span.end + BYTES_MAX).min(text.len())).unwrap_or(text.len());
    let (before, after) = (text.get(from..span.start), text.get(span.end..to));
    let before = before.unwrap_or_default().rsplit('\n').skip(1).take(LINES);
    let after = after.unwrap_or_default().split('\n').skip(1).take(LINES);
    let words = before
        .chain(after)
        .flat_map(|line| line.split(|sign| !is_of_name(sign)));
    let names = words.filter_map(|word| {
        let host = word.split('/').next().unwrap_or_default();
        let is_name = host.contains('.') && !host.starts_with('.') && word.len() <= NAME_BYTES_MAX;
        is_name.then(|| bare(word).to_owned())
    });
    names.take(NAMES_MAX).collect()
}

fn is_of_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "/._-$(){}:@".contains(sign)
}

/// A reference without its tag and digest.
pub(crate) fn bare(reference: &str) -> &str {
    let last = reference.rfind('/').map_or(0, |at| at + 1);
    let tag = reference.get(last..).and_then(|last| last.find([':', '@']));
    reference
        .get(..tag.map_or(reference.len(), |tag| last + tag))
        .unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_the_lines_around() {
        let text = "a.example/far\n\n\nb.example/x:1 .hidden/x\nc.example/same HERE d.example/same\ne.example:5000/y@sha256:0\n\nf.example\ng.example\n";
        let at = text.find("HERE").unwrap();
        let span = Span {
            start: at,
            end: at + 4,
        };
        assert_eq!(
            names(text, span),
            ["b.example/x", "e.example:5000/y", "f.example"]
        );
        let far = format!("a.example/x{}\nHERE", " ".repeat(BYTES_MAX));
        let span = Span {
            start: far.len() - 4,
            end: far.len(),
        };
        assert_eq!(names(&far, span), [""; 0]);
        let many = format!("HERE\n{}", "a.example/x ".repeat(NAMES_MAX + 1));
        assert_eq!(names(&many, Span { start: 0, end: 4 }).len(), NAMES_MAX);
    }
}
