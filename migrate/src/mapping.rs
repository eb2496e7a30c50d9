//! What a repository of the source is called at the destination.
//!
//! Rules speak of names *below* both places: of `old.example/team/app`, moved from `old.example/team`, that is `app`. The
//! first rule that fits counts: prefixes, the longest first; then regular expressions, in their order; else the name
//! stays.

use std::collections::BTreeMap;
use std::str::FromStr;

use oci::{NameError, RepositoryName};
use regex::Regex;

/// Rules for names.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    prefixes: Vec<Prefix>,
    patterns: Vec<Pattern>,
}

/// `FROM=TO`: names that are FROM or begin with `FROM/` begin with TO instead. An empty FROM is everything, an empty TO
/// takes the beginning away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    from: String,
    to: String,
}

/// `PATTERN=REPLACEMENT`: a regular expression that fits the whole name, and what stands instead, with `$1` or `${name}`
/// for its groups.
#[derive(Debug, Clone)]
pub struct Pattern {
    pattern: Regex,
    replacement: String,
}

/// Why a text is no rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// There is no `=`.
    #[error("{text:?} has no `=` between what is and what shall be")]
    NoEquals {
        /// The text.
        text: String,
    },
    /// It is no regular expression.
    #[error("{text:?} is not a regular expression")]
    Pattern {
        /// The text.
        text: String,
        /// Why not.
        source: regex::Error,
    },
}

/// Why names cannot be mapped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MappingError {
    /// Two repositories would become one.
    #[error("{first} and {second} would both become {to}")]
    Collision {
        /// The one.
        first: RepositoryName,
        /// The other.
        second: RepositoryName,
        /// What both would be called.
        to: RepositoryName,
    },
    /// What comes out is no name.
    #[error("{from} would become {text:?}, which is not the name of a repository")]
    Name {
        /// The repository.
        from: RepositoryName,
        /// What comes out.
        text: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// Nothing would be left of a name.
    #[error("{from} would have no name there: give it one with a rule")]
    NoName {
        /// The repository.
        from: RepositoryName,
    },
}

/// The longest regular expression, as its compiled size in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl FromStr for Prefix {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (from, to) = halves(text)?;
        let trimmed = |part: &str| part.trim_matches('/').to_owned();
        Ok(Self {
            from: trimmed(from),
            to: trimmed(to),
        })
    }
}

impl FromStr for Pattern {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        // A pattern may have an `=`, a name has none.
        let (pattern, replacement) = text.rsplit_once('=').ok_or_else(|| no_equals(text))?;
        let whole = format!("^(?:{pattern})$");
        let built = regex::RegexBuilder::new(&whole)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        Ok(Self {
            pattern: built.map_err(|source| RuleError::Pattern {
                text: pattern.to_owned(),
                source,
            })?,
            replacement: replacement.to_owned(),
        })
    }
}

impl Mapping {
    /// A mapping by these rules.
    #[must_use]
    pub fn new(mut prefixes: Vec<Prefix>, patterns: Vec<Pattern>) -> Self {
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.from.len()));
        Self { prefixes, patterns }
    }

    /// What a name below the source becomes below the destination.
    #[must_use]
    pub fn below(&self, name: &str) -> String {
        for prefix in &self.prefixes {
            if let Some(rest) = rest_below(name, &prefix.from) {
                return joined(&prefix.to, rest);
            }
        }
        for rule in &self.patterns {
            if rule.pattern.is_match(name) {
                return rule.pattern.replace(name, rule.replacement.as_str()).into_owned();
            }
        }
        name.to_owned()
    }

    /// What each of these repositories, below `from_prefix`, is called below `to_prefix`, in their order.
    ///
    /// # Errors
    /// When a name does not come out as one, or two come out as the same.
    pub fn names(
        &self,
        names: &[RepositoryName],
        from_prefix: Option<&RepositoryName>,
        to_prefix: Option<&RepositoryName>,
    ) -> Result<Vec<RepositoryName>, MappingError> {
        let mut taken: BTreeMap<RepositoryName, &RepositoryName> = BTreeMap::new();
        let mut mapped = Vec::with_capacity(names.len());
        for from in names {
            let prefix = from_prefix.map_or("", RepositoryName::as_str);
            let below = rest_below(from.as_str(), prefix).unwrap_or(from.as_str());
            let text = joined(to_prefix.map_or("", RepositoryName::as_str), &self.below(below));
            if text.is_empty() {
                return Err(MappingError::NoName { from: from.clone() });
            }
            let to: RepositoryName = text.parse().map_err(|source| MappingError::Name {
                from: from.clone(),
                text: text.clone(),
                source,
            })?;
            if let Some(first) = taken.insert(to.clone(), from) {
                return Err(MappingError::Collision {
                    first: first.clone(),
                    second: from.clone(),
                    to,
                });
            }
            mapped.push(to);
        }
        Ok(mapped)
    }
}

/// What of a name lies below a prefix, which ends where a segment does; the empty prefix is above everything.
pub(crate) fn rest_below<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    if prefix.is_empty() {
        return Some(name);
    }
    let rest = name.strip_prefix(prefix)?;
    match rest.strip_prefix('/') {
        Some(rest) => Some(rest),
        None => Some(rest).filter(|rest| rest.is_empty()),
    }
}

fn joined(prefix: &str, rest: &str) -> String {
    match (prefix, rest) {
        ("", rest) => rest.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, rest) => format!("{prefix}/{rest}"),
    }
}

fn halves(text: &str) -> Result<(&str, &str), RuleError> {
    text.split_once('=').ok_or_else(|| no_equals(text))
}

fn no_equals(text: &str) -> RuleError {
    RuleError::NoEquals {
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mapping(prefixes: &[&str], patterns: &[&str]) -> Mapping {
        Mapping::new(
            prefixes.iter().map(|text| text.parse().unwrap()).collect(),
            patterns.iter().map(|text| text.parse().unwrap()).collect(),
        )
    }

    fn names(texts: &[&str]) -> Vec<RepositoryName> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn check(mapping: &Mapping, (from, to): (&str, &str), name: &str, expected: &str) {
        let prefix = |text: &str| text.parse::<RepositoryName>().ok();
        let mapped = mapping.names(&names(&[name]), prefix(from).as_ref(), prefix(to).as_ref());
        let shown = match mapped {
            Ok(names) => names[0].to_string(),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(expected), "{name}: {shown}");
    }

    #[test]
    fn a_name_stays_below_the_place() {
        let none = Mapping::default();
        check(&none, ("", ""), "team/app", "team/app");
        check(&none, ("team", "x/y"), "team/app", "x/y/app");
        check(&none, ("team", ""), "team/app", "app");
        check(&none, ("", "x"), "team/app", "x/team/app");
        check(&none, ("team/app", "x"), "team/app", "x");
        check(&none, ("team/app", ""), "team/app", "would have no name there");
    }

    #[test]
    fn the_longest_prefix_counts_and_ends_where_a_segment_does() {
        let rules = mapping(&["a=b", "a/x=c", "=rest"], &[]);
        check(&rules, ("", ""), "a/x/1", "c/1");
        check(&rules, ("", ""), "a/y", "b/y");
        check(&rules, ("", ""), "a", "b");
        check(&rules, ("", ""), "ab", "rest/ab");
        check(&mapping(&["a="], &[]), ("", ""), "a/b", "b");
        check(&mapping(&["a="], &[]), ("", ""), "a", "would have no name there");
    }

    #[test]
    fn expressions_fit_whole_names_in_their_order() {
        let rules = mapping(&["p=q"], &["(\\w+)/app-(\\w+)=apps/$2/${1}", ".*-old=gone"]);
        check(&rules, ("", ""), "team/app-web", "apps/web/team");
        check(&rules, ("", ""), "p/app-old", "q/app-old");
        check(&rules, ("", ""), "x-old", "gone");
        check(&rules, ("", ""), "x-old-2", "x-old-2");
        check(
            &mapping(&[], &["(.*)=$1/UP"]),
            ("", ""),
            "a",
            "not the name of a repository",
        );
    }

    #[test]
    fn two_names_never_become_one() {
        let rules = mapping(&["a=x", "b=x"], &[]);
        let error = rules.names(&names(&["a/1", "b/1"]), None, None).unwrap_err();
        assert_eq!(error.to_string(), "a/1 and b/1 would both become x/1");
    }

    #[test]
    fn says_what_is_wrong_with_a_rule() {
        assert!("ab".parse::<Prefix>().unwrap_err().to_string().contains("no `=`"));
        assert!(
            "(=b"
                .parse::<Pattern>()
                .unwrap_err()
                .to_string()
                .contains("not a regular")
        );
    }

    proptest! {
        #[test]
        fn what_comes_out_is_injective_or_an_error(
            all in proptest::collection::btree_set("[a-c](/[a-c]){0,3}", 1..12),
            rules in proptest::collection::vec("[a-c]?(/[a-c])?=[a-c]?(/[a-c])?", 0..4),
        ) {
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            let all: Vec<RepositoryName> = all.iter().map(|name| name.parse().unwrap()).collect();
            if let Ok(mapped) = mapping(&rules, &[]).names(&all, None, None) {
                let distinct: std::collections::BTreeSet<_> = mapped.iter().collect();
                prop_assert_eq!(distinct.len(), all.len());
            }
        }

        #[test]
        fn no_text_makes_a_rule_panic(text in ".{0,24}") {
            let _ = text.parse::<Prefix>();
            let _ = text.parse::<Pattern>();
        }
    }
}
