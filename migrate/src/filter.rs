//! What is wanted of a source.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::Timestamp;
use oci::Platform;

/// What is wanted. The default is everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    repositories: Option<GlobSet>,
    tags: Option<GlobSet>,
    not_tags: Option<GlobSet>,
    /// The youngest versions of each repository, so many.
    pub last: Option<usize>,
    /// What was pushed since then.
    pub since: Option<Timestamp>,
    /// Of an index, only what is for one of these; the index itself stays as it is.
    pub platforms: Vec<Platform>,
    /// The filter as it was written, for the plan.
    words: Vec<String>,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a pattern")]
pub struct FilterError {
    /// The text.
    pub text: String,
    /// Why not.
    pub source: globset::Error,
}

impl Filter {
    /// Only what fits one of these patterns, and none of the last: `*` stands for anything, also in names of repositories
    /// for slashes. Without patterns of a kind, everything fits.
    ///
    /// # Errors
    /// When a text is no pattern.
    pub fn new(repositories: &[String], tags: &[String], not_tags: &[String]) -> Result<Self, FilterError> {
        let mut words = Vec::new();
        for (option, texts) in [
            ("--repositories", repositories),
            ("--tags", tags),
            ("--exclude-tags", not_tags),
        ] {
            words.extend(texts.iter().map(|text| format!("{option} {text}")));
        }
        Ok(Self {
            repositories: globs(repositories)?,
            tags: globs(tags)?,
            not_tags: globs(not_tags)?,
            words,
            ..Self::default()
        })
    }

    /// Whether a repository is wanted.
    #[must_use]
    pub fn takes_repository(&self, name: &str) -> bool {
        self.repositories
            .as_ref()
            .is_none_or(|globs| globs.is_match(name))
    }

    /// Whether a tag is wanted.
    #[must_use]
    pub fn takes_tag(&self, tag: &str) -> bool {
        self.tags.as_ref().is_none_or(|globs| globs.is_match(tag))
            && self.not_tags.as_ref().is_none_or(|globs| !globs.is_match(tag))
    }

    /// Whether something is left out by its tag or age: then what has no tag is left out too, except what refers to an
    /// image that is wanted.
    #[must_use]
    pub fn chooses_versions(&self) -> bool {
        self.tags.is_some() || self.not_tags.is_some() || self.needs_times()
    }

    /// Whether times decide.
    #[must_use]
    pub fn needs_times(&self) -> bool {
        self.last.is_some() || self.since.is_some()
    }

    /// Whether an entry of an index is wanted, by its platform. What has none, as attestations, goes with the others.
    #[must_use]
    pub fn takes_platform(&self, platform: Option<&Platform>) -> bool {
        let of_none = |platform: &Platform| platform.os == "unknown" || platform.architecture == "unknown";
        match platform {
            _ if self.platforms.is_empty() => true,
            None => true,
            Some(platform) if of_none(platform) => true,
            Some(platform) => self.platforms.iter().any(|wanted| platform.satisfies(wanted)),
        }
    }

    /// The filter in words, as options of the command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = self.words.clone();
        words.extend(self.last.map(|count| format!("--last {count}")));
        words.extend(self.since.map(|since| format!("since {since}")));
        words.extend(
            self.platforms
                .iter()
                .map(|platform| format!("--platform {platform}")),
        );
        words
    }

    /// Which of these versions are wanted by their time, in milliseconds since 1970: those whose time is not known are
    /// always, since nobody can say that they are too old.
    #[must_use]
    pub fn chosen_by_time<K: Ord + Clone>(&self, times: &[(K, Option<i64>)]) -> Vec<K> {
        let since = self.since.map(|since| since.as_millisecond());
        let is_young = |time: &Option<i64>| since.is_none_or(|since| time.is_none_or(|time| time >= since));
        let mut young: Vec<(K, Option<i64>)> =
            times.iter().filter(|(_, time)| is_young(time)).cloned().collect();
        if let Some(last) = self.last {
            // Unknown ones first, then the youngest; the name decides between equals, so that runs agree.
            young.sort_by(|(left, left_time), (right, right_time)| {
                let rank = |time: &Option<i64>| time.map_or(i64::MAX, |time| time);
                (rank(right_time), right).cmp(&(rank(left_time), left))
            });
            let unknown = young.iter().filter(|(_, time)| time.is_none()).count();
            young.truncate(unknown.saturating_add(last));
        }
        young.into_iter().map(|(key, _)| key).collect()
    }
}

fn globs(texts: &[String]) -> Result<Option<GlobSet>, FilterError> {
    if texts.is_empty() {
        return Ok(None);
    }
    let failed = |text: &str, source| FilterError {
        text: text.to_owned(),
        source,
    };
    let mut builder = GlobSetBuilder::new();
    for text in texts {
        builder.add(
            GlobBuilder::new(text)
                .build()
                .map_err(|source| failed(text, source))?,
        );
    }
    builder.build().map(Some).map_err(|source| failed("", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(repositories: &[&str], tags: &[&str], not_tags: &[&str]) -> Filter {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(repositories), &owned(tags), &owned(not_tags)).unwrap()
    }

    #[test]
    fn patterns_choose_repositories_and_tags() {
        let chosen = filter(&["team/*", "x"], &["v*", "latest"], &["*-rc*"]);
        assert!(chosen.takes_repository("team/a/b") && chosen.takes_repository("x"));
        assert!(!chosen.takes_repository("team") && !chosen.takes_repository("y"));
        assert!(chosen.takes_tag("v1") && chosen.takes_tag("latest"));
        assert!(!chosen.takes_tag("v1-rc2") && !chosen.takes_tag("1"));
        assert!(Filter::default().takes_repository("any") && Filter::default().takes_tag("any"));
        assert!(Filter::new(&["[".to_owned()], &[], &[]).is_err());
    }

    #[test]
    fn the_last_and_the_young_are_chosen_and_what_has_no_time_stays() {
        let times = [
            ("a", Some(1)),
            ("b", Some(3)),
            ("c", Some(2)),
            ("d", None),
            ("e", Some(3)),
        ];
        let chosen = |last, since: Option<i64>| {
            let since = since.map(|time| Timestamp::from_millisecond(time).unwrap());
            let filter = Filter {
                last,
                since,
                ..Filter::default()
            };
            let mut keys = filter.chosen_by_time(&times);
            keys.sort_unstable();
            keys.join("")
        };
        assert_eq!(chosen(None, None), "abcde");
        assert_eq!(chosen(Some(1), None), "de");
        assert_eq!(chosen(Some(3), None), "bcde");
        assert_eq!(chosen(None, Some(3)), "bde");
        assert_eq!(chosen(Some(1), Some(4)), "d");
    }

    #[test]
    fn attestations_go_with_every_platform() {
        let mut chosen = Filter::default();
        let arm = Platform::linux("arm64", None);
        assert!(chosen.takes_platform(Some(&arm)));
        chosen.platforms.push(Platform::linux("amd64", None));
        assert!(!chosen.takes_platform(Some(&arm)));
        assert!(chosen.takes_platform(Some(&Platform::linux("amd64", None))));
        assert!(chosen.takes_platform(None));
        let mut unknown = arm;
        unknown.os = "unknown".to_owned();
        assert!(chosen.takes_platform(Some(&unknown)));
    }
}
