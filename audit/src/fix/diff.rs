//! Unified diffs of rewritten files.

use std::fmt::Write as _;
use std::path::Path;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// The difference of two texts with the same number of lines, as `git apply` and `patch -p1` take it.
#[must_use]
pub fn unified_diff(path: &Path, before: &str, after: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let changed: Vec<usize> = (0..old.len().max(new.len()))
        .filter(|line| old.get(*line) != new.get(*line))
        .collect();
    let mut text = String::new();
    if changed.is_empty() {
        return text;
    }
    let _ = write!(text, "--- {}\n+++ {}\n", name("a/", path), name("b/", path));
    let mut rest = changed.as_slice();
    while let Some(first) = rest.first() {
        // Changes whose surroundings touch stand in one hunk.
        let count = 1 + rest
            .windows(2)
            .take_while(|pair| matches!(pair, [one, other] if other - one <= 2 * CONTEXT))
            .count();
        let (hunk, left) = rest.split_at(count.min(rest.len()));
        let last = hunk.last().unwrap_or(first);
        let (from, to) = (first.saturating_sub(CONTEXT), (last + 1 + CONTEXT).min(old.len()));
        let length = to - from;
        let _ = writeln!(text, "@@ -{},{length} +{},{length} @@", from + 1, from + 1);
        lines(&mut text, (&old, &new), from..to, hunk);
        rest = left;
    }
    text
}

/// A name as `git` writes it in a diff: in quotes when it has signs that would end the line or are no text.
fn name(before: &str, path: &Path) -> String {
    let bytes = path
        .strip_prefix("./")
        .unwrap_or(path)
        .as_os_str()
        .as_encoded_bytes();
    let is_plain = |byte: &u8| !byte.is_ascii_control() && !matches!(byte, b'"' | b'\\');
    if let (true, Ok(path)) = (bytes.iter().all(is_plain), std::str::from_utf8(bytes)) {
        return format!("{before}{path}");
    }
    let mut quoted = format!("\"{before}");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            b'\n' => quoted.push_str("\\n"),
            b'\t' => quoted.push_str("\\t"),
            byte if byte.is_ascii_control() || !byte.is_ascii() => {
                let _ = write!(quoted, "\\{byte:03o}");
            }
            byte => quoted.push(char::from(*byte)),
        }
    }
    quoted.push('"');
    quoted
}

fn lines(
    text: &mut String,
    (old, new): (&[&str], &[&str]),
    range: std::ops::Range<usize>,
    changed: &[usize],
) {
    let mut at = range.start;
    while at < range.end {
        if !changed.contains(&at) {
            line(text, ' ', old.get(at));
            at += 1;
            continue;
        }
        // Lines that change together are told together: the old ones, then the new ones.
        let end = (at..range.end)
            .find(|next| !changed.contains(next))
            .unwrap_or(range.end);
        (at..end).for_each(|next| line(text, '-', old.get(next)));
        (at..end).for_each(|next| line(text, '+', new.get(next)));
        at = end;
    }
}

fn line(text: &mut String, sign: char, line: Option<&&str>) {
    let Some(line) = line else { return };
    text.push(sign);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changes_and_what_stands_around() {
        let before: String = (1..=20)
            .map(|number| format!("line {number}\n"))
            .collect::<String>()
            + "end";
        let after = before
            .replace("line 2\n", "LINE 2\n")
            .replace("line 8\n", "LINE 8\n")
            .replace("end", "END");
        insta::assert_snapshot!(unified_diff(Path::new("a/b"), &before, &after), @r"
        --- a/a/b
        +++ b/a/b
        @@ -1,11 +1,11 @@
         line 1
        -line 2
        +LINE 2
         line 3
         line 4
         line 5
         line 6
         line 7
        -line 8
        +LINE 8
         line 9
         line 10
         line 11
        @@ -18,4 +18,4 @@
         line 18
         line 19
         line 20
        -end
        \ No newline at end of file
        +END
        \ No newline at end of file
        ");
        assert_eq!(unified_diff(Path::new("x"), "a", "a"), "");
        let odd = unified_diff(Path::new("a\nb \"c\""), "a", "b");
        assert!(odd.starts_with("--- \"a/a\\nb \\\"c\\\"\"\n+++ "), "{odd}");
    }
}
