//! `$NAME` and `${NAME}` in texts, as Go's `os.Expand` does it.

use std::collections::BTreeMap;

/// Replaces every variable in `text` by its value in `variables`; one that is not there becomes nothing.
///
/// A dollar without a name stays; `${}` and `${` without a closing brace disappear, as in Go.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, used) = variable_name(after);
        match (name, used) {
            ("", 0) => out.push('$'),
            (name, _) => out.push_str(variables.get(name).map_or("", String::as_str)),
        }
        rest = after.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The name at the start of what follows a dollar, and the bytes it takes with its braces.
fn variable_name(text: &str) -> (&str, usize) {
    let Some(first) = text.chars().next() else {
        return ("", 0);
    };
    if let Some(inside) = text.strip_prefix('{') {
        return match inside.split_once('}') {
            Some((name, _)) => (name, name.len() + 2),
            None => ("", 1),
        };
    }
    if SPECIAL.contains(first) {
        return (text.get(..1).unwrap_or_default(), 1);
    }
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let name = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    (name, name.len())
}

/// One character is the whole name of these.
const SPECIAL: &str = "*#$@!?-0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let variables = BTreeMap::from([
            ("PATH".to_owned(), "/bin".to_owned()),
            ("A_1".to_owned(), "x".to_owned()),
        ]);
        assert_eq!(expand(text, &variables), expected, "{text}");
    }

    #[test]
    fn variables_are_replaced_with_and_without_braces() {
        check("/env/bin:$PATH", "/env/bin:/bin");
        check("${PATH}/sh $A_1.txt", "/bin/sh x.txt");
        check("no variable", "no variable");
    }

    #[test]
    fn unknown_and_odd_ones_go_as_in_go() {
        check("a$NOPE-b", "a-b");
        check("100%$", "100%$");
        check("$ x", "$ x");
        check("${}x", "x");
        check("${PATH", "PATH");
        check("$$x$1y", "xy");
        check("é$PATHé", "é/biné");
    }
}
