//! Actions of templates in YAML: `{{ … }}` of Go and Jinja, `{% … %}` and `{# … #}` of Jinja.

use std::cell::Cell;

/// The most lines that one action may go over.
const ACTION_LINES_MAX: usize = 200;

/// What a line begins with, if that is no YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Does something.
    Code,
    /// `{{/* … */}}`, `{# … #}`.
    Comment,
}

/// Finds where actions end. Remembers the last answer for each sign, so that text full of openings takes no more than one look.
#[derive(Debug, Default)]
pub(super) struct Actions {
    closings: [Cell<Option<Closing>>; 4],
}

/// What was found out about the end of actions with one sign.
#[derive(Debug, Clone, Copy)]
struct Closing {
    /// From where on it was looked for.
    asked: usize,
    /// The byte after it; the greatest number when there is none.
    end: usize,
    /// Where an action may begin that ends there: what begins before goes over too many lines.
    earliest: usize,
}

impl Actions {
    /// The action that begins at `at`, and the byte after it.
    pub(super) fn at(&self, text: &str, at: usize) -> Option<(Action, usize)> {
        let rest = text.as_bytes().get(at..)?;
        let (action, index, sign) = match rest {
            [b'{', b'{', after @ ..] if is_comment(after) => (Action::Comment, 0, "*/"),
            [b'{', b'{', ..] => (Action::Code, 1, "}}"),
            [b'{', b'%', ..] => (Action::Code, 2, "%}"),
            [b'{', b'#', ..] => (Action::Comment, 3, "#}"),
            _ => return None,
        };
        let closing = self.closing(text, (at + 2, index, sign))?;
        let mut end = closing.end;
        if index == 0 {
            // ` -` may stand between.
            let near = text.as_bytes().get(end..text.len().min(end + 5))?;
            end += memchr::memmem::find(near, b"}}")? + 2;
        }
        (at >= closing.earliest).then_some((action, end))
    }

    /// The action that begins at `at` and ends before `end`.
    pub(super) fn within(&self, text: &str, at: usize, end: usize) -> Option<usize> {
        if text.as_bytes().get(at) != Some(&b'{') {
            return None;
        }
        let (_, after) = self.at(text, at)?;
        (after <= end).then_some(after)
    }

    fn closing(&self, text: &str, (from, index, sign): (usize, usize, &str)) -> Option<Closing> {
        let known = self.closings.get(index)?;
        let last = known
            .get()
            .filter(|closing| closing.asked <= from && closing.end.saturating_sub(sign.len()) >= from);
        let closing = match last {
            Some(closing) => closing,
            None => {
                let rest = text.as_bytes().get(from..)?;
                let found = memchr::memmem::find(rest, sign.as_bytes());
                let inner = rest.get(..found.unwrap_or_default()).unwrap_or_default();
                let too_far = memchr::memrchr_iter(b'\n', inner).nth(ACTION_LINES_MAX);
                Closing {
                    asked: from,
                    end: found.map_or(usize::MAX, |at| from + at + sign.len()),
                    earliest: too_far.map_or(0, |at| from + at),
                }
            }
        };
        known.set(Some(closing));
        (closing.end != usize::MAX).then_some(closing)
    }
}

fn is_comment(after: &[u8]) -> bool {
    let after = after.strip_prefix(b"-").unwrap_or(after);
    after.trim_ascii_start().starts_with(b"/*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_end_where_they_close() {
        for (text, wanted) in [
            ("{{ .x }} y", Some((Action::Code, 8))),
            ("{{- /* a }} b */ -}} c", Some((Action::Comment, 20))),
            ("{% if x %}", Some((Action::Code, 10))),
            ("{# x #}", Some((Action::Comment, 7))),
            ("{{ x\n }}", Some((Action::Code, 8))),
            ("{{ x", None),
            ("{a: b}", None),
        ] {
            assert_eq!(Actions::default().at(text, 0), wanted, "{text}");
        }
    }
}
