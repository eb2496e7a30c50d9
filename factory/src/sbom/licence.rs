//! From the short names of Debian's copyright files to SPDX licence expressions.
//!
//! Spec: copyright-format/1.0 "License specification"; SPDX 2.3 annex D "License expressions".

use std::collections::BTreeMap;

/// A licence without an SPDX identifier: `LicenseRef-…` and its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherLicence {
    /// The reference, beginning with `LicenseRef-`.
    pub id: String,
    /// The name in the copyright file.
    pub name: String,
}

/// The SPDX expression for a short name such as `GPL-2+ and (BSD-3-clause or Expat)`, and what in it
/// has no SPDX identifier. Expressions are AND and OR of identifiers; anything else becomes one
/// reference, so the result is always a valid expression.
pub(super) fn expression(short_name: &str) -> (String, Vec<OtherLicence>) {
    let mut others = Vec::new();
    let text = commas(short_name.trim(), &mut others);
    (text, others)
}

/// The SPDX expression for all of several expressions together; `None` of none.
pub(super) fn all_of(expressions: &[String]) -> Option<String> {
    match expressions {
        [] => None,
        [one] => Some(one.clone()),
        many => {
            let inner = |text: &String| {
                if text.contains(" OR ") {
                    format!("({text})")
                } else {
                    text.clone()
                }
            };
            Some(many.iter().map(inner).collect::<Vec<_>>().join(" AND "))
        }
    }
}

/// A comma before `and` or `or` binds weaker than both: `A or B, and C` is (A or B) and C.
fn commas(text: &str, others: &mut Vec<OtherLicence>) -> String {
    let parts: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let [first, rest @ ..] = parts.as_slice() else {
        return text.to_owned();
    };
    if rest.is_empty() {
        return words(first, others);
    }
    let mut result = words(first, others);
    for part in rest {
        let (operator, part) = match (part.strip_prefix("or "), part.strip_prefix("and ")) {
            (Some(part), _) => ("OR", part),
            (_, Some(part)) => ("AND", part),
            _ => ("AND", *part),
        };
        result = format!(
            "{} {operator} {}",
            parenthesised(result),
            parenthesised(words(part, others))
        );
    }
    result
}

/// `and` binds stronger than `or`.
fn words(text: &str, others: &mut Vec<OtherLicence>) -> String {
    let alternatives: Vec<String> = split_word(text, &["or", "and/or"])
        .into_iter()
        .map(|alternative| {
            let names = split_word(&alternative, &["and"]);
            names
                .iter()
                .map(|name| atom(name, others))
                .collect::<Vec<_>>()
                .join(" AND ")
        })
        .collect();
    alternatives.join(" OR ")
}

fn parenthesised(text: String) -> String {
    if text.contains(' ') {
        format!("({text})")
    } else {
        text
    }
}

fn split_word(text: &str, separators: &[&str]) -> Vec<String> {
    let mut parts = vec![Vec::new()];
    for word in text.split_whitespace() {
        if separators.contains(&word.to_ascii_lowercase().as_str()) {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(word);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.into_iter().map(|part| part.join(" ")).collect()
}

/// One licence, perhaps with an exception.
fn atom(name: &str, others: &mut Vec<OtherLicence>) -> String {
    let name = name.trim_matches(['(', ')']).trim();
    if let Some((licence, exception)) = name.split_once(" with ")
        && let (Some(licence), Some(exception)) = (identifier(licence), exception_identifier(exception))
    {
        return format!("{licence} WITH {exception}");
    }
    if let Some(identifier) = identifier(name) {
        return identifier;
    }
    let id = format!("LicenseRef-debian-{}", sanitised(name));
    others.push(OtherLicence {
        id: id.clone(),
        name: name.to_owned(),
    });
    id
}

/// Letters, digits, dots and hyphens are all that a reference may have.
fn sanitised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => text.push(character),
            '+' => text.push_str(".plus"),
            _ if !text.ends_with('-') => text.push('-'),
            _ => {}
        }
    }
    let text = text.trim_matches('-');
    if text.is_empty() {
        "unnamed".to_owned()
    } else {
        text.to_owned()
    }
}

fn identifier(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if let Some(found) = gnu(&lower) {
        return Some(found);
    }
    let table: BTreeMap<&str, &str> = NAMES.iter().copied().collect();
    table.get(lower.as_str()).map(|found| (*found).to_owned())
}

/// `GPL-2+`, `LGPL-2.1`, `GFDL-1.3+`, …: version 2 is 2.0, and a plus means "or later".
fn gnu(lower: &str) -> Option<String> {
    let (family, version) = lower.rsplit_once('-')?;
    let family = match family {
        "gpl" => "GPL",
        "lgpl" => "LGPL",
        "agpl" => "AGPL",
        "gfdl" => "GFDL",
        "gfdl-niv" => "GFDL-NIV",
        _ => return None,
    };
    let (version, later) = match version.strip_suffix('+') {
        Some(version) => (version, "or-later"),
        None => (version, "only"),
    };
    let version = match version {
        "1" | "2" | "3" => format!("{version}.0"),
        _ => version.to_owned(),
    };
    let known = match family {
        "GPL" => ["1.0", "2.0", "3.0"].as_slice(),
        "LGPL" => &["2.0", "2.1", "3.0"],
        "AGPL" => &["1.0", "3.0"],
        _ => &["1.1", "1.2", "1.3"],
    };
    // "No invariants" is a word of SPDX's identifier; Debian's NIV says the same.
    let family = if family == "GFDL-NIV" { None } else { Some(family) };
    if !known.contains(&version.as_str()) {
        return None;
    }
    Some(match family {
        Some(family) => format!("{family}-{version}-{later}"),
        None => format!("GFDL-{version}-no-invariants-{later}"),
    })
}

fn exception_identifier(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let words = lower.trim_end_matches(" exception").trim();
    EXCEPTIONS
        .iter()
        .find(|(name, _)| *name == words)
        .map(|(_, id)| *id)
}

/// Short names, in lower case, and the identifiers of the same licences in SPDX's list.
const NAMES: &[(&str, &str)] = &[
    ("0bsd", "0BSD"),
    ("afl-2.1", "AFL-2.1"),
    ("apache-1.1", "Apache-1.1"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsd-4-clause-uc", "BSD-4-Clause-UC"),
    ("bsl-1", "BSL-1.0"),
    ("bsl-1.0", "BSL-1.0"),
    ("boost-1.0", "BSL-1.0"),
    ("bzip2", "bzip2-1.0.6"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cddl-1.0", "CDDL-1.0"),
    ("cpl-1.0", "CPL-1.0"),
    ("curl", "curl"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("expat", "MIT"),
    ("mit", "MIT"),
    ("mit-0", "MIT-0"),
    ("fsful", "FSFUL"),
    ("fsfullr", "FSFULLR"),
    ("fsfap", "FSFAP"),
    ("ftl", "FTL"),
    ("hpnd", "HPND"),
    ("icu", "ICU"),
    ("ijg", "IJG"),
    ("isc", "ISC"),
    ("lppl-1.3c", "LPPL-1.3c"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2", "MPL-2.0"),
    ("mpl-2.0", "MPL-2.0"),
    ("ntp", "NTP"),
    ("ofl-1.1", "OFL-1.1"),
    ("openssl", "OpenSSL"),
    ("psf-2", "PSF-2.0"),
    ("psf-2.0", "PSF-2.0"),
    ("python-2.0", "Python-2.0"),
    ("tcl", "TCL"),
    ("unicode-3.0", "Unicode-3.0"),
    ("unlicense", "Unlicense"),
    ("w3c", "W3C"),
    ("wtfpl", "WTFPL"),
    ("wtfpl-2", "WTFPL"),
    ("x11", "X11"),
    ("zlib", "Zlib"),
    ("zlib/libpng", "Zlib"),
    ("zpl-2.1", "ZPL-2.1"),
];

/// Exceptions, in lower case without the word "exception".
const EXCEPTIONS: &[(&str, &str)] = &[
    ("autoconf-2.0", "Autoconf-exception-2.0"),
    ("autoconf-3.0", "Autoconf-exception-3.0"),
    ("bison-2.2", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("classpath-2.0", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("gcc", "GCC-exception-3.1"),
    ("gcc-runtime-library", "GCC-exception-3.1"),
    ("libtool", "Libtool-exception"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(short_name: &str, expected: &str) {
        assert_eq!(expression(short_name).0, expected, "{short_name}");
    }

    #[test]
    fn well_known_names_become_spdx_identifiers() {
        check("GPL-2+", "GPL-2.0-or-later");
        check("GPL-2", "GPL-2.0-only");
        check("LGPL-2.1+", "LGPL-2.1-or-later");
        check("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later");
        check("Expat", "MIT");
        check("BSD-3-clause", "BSD-3-Clause");
        check(
            "GPL-3+ with GCC-Runtime-Library exception",
            "GPL-3.0-or-later WITH GCC-exception-3.1",
        );
    }

    #[test]
    fn operators_keep_their_precedence() {
        check("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl");
        check(
            "GPL-2+ or Artistic-2.0, and BSD-3-clause",
            "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause",
        );
        check("Expat and ISC or Zlib", "MIT AND ISC OR Zlib");
        let all = [String::from("A OR B"), String::from("C")];
        assert_eq!(all_of(&all).unwrap(), "(A OR B) AND C");
        assert_eq!(all_of(&[]), None);
    }

    #[test]
    fn unknown_names_become_references() {
        let (text, others) = expression("GPL-2 and Some Odd+ (licence)");
        assert_eq!(text, "GPL-2.0-only AND LicenseRef-debian-Some-Odd.plus-licence");
        assert_eq!(others.len(), 1);
        check("GPL-9+", "LicenseRef-debian-GPL-9.plus");
        check("???", "LicenseRef-debian-unnamed");
    }
}
