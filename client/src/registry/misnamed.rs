//! What a registry lists and nobody can ask for.

/// Most of them that are kept of one list.
pub const MISNAMED_MAX: usize = 10_000;

/// Most characters that are kept of one.
pub const MISNAMED_CHARACTERS_MAX: usize = 300;

/// Names of a registry's list that are none by the specification. They are told, never asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misnamed {
    first: Vec<String>,
    more: u64,
}

impl Misnamed {
    /// Notes one; control characters are kept as `\u{…}`, so that it can be shown.
    pub fn note(&mut self, name: &str) {
        if self.first.len() >= MISNAMED_MAX {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut kept = String::new();
        for letter in name.chars().take(MISNAMED_CHARACTERS_MAX) {
            match letter.is_control() {
                true => kept.extend(letter.escape_default()),
                false => kept.push(letter),
            }
        }
        self.first.push(kept);
    }

    /// The first of them, at most [`MISNAMED_MAX`].
    pub fn first(&self) -> impl Iterator<Item = &str> {
        self.first.iter().map(String::as_str)
    }

    /// How many there are beyond those.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Leaves those that are wanted. What is beyond the first stays counted, since nobody knows what it is.
    pub fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.first.retain(|name| is_wanted(name));
    }

    pub(super) fn len(&self) -> usize {
        self.first
            .len()
            .saturating_add(usize::try_from(self.more).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_of_bounded_names_and_counts_the_rest() {
        let mut misnamed = Misnamed::default();
        misnamed.note(&"A".repeat(MISNAMED_CHARACTERS_MAX + 1));
        misnamed.note("a\u{1b}[2J\nb");
        for _ in 2..MISNAMED_MAX {
            misnamed.note("B");
        }
        assert_eq!((misnamed.first().count(), misnamed.more()), (MISNAMED_MAX, 0));
        misnamed.note("C");
        assert_eq!((misnamed.first().count(), misnamed.more()), (MISNAMED_MAX, 1));
        let first: Vec<&str> = misnamed.first().take(2).collect();
        assert_eq!(
            first,
            ["A".repeat(MISNAMED_CHARACTERS_MAX).as_str(), "a\\u{1b}[2J\\nb"]
        );
        misnamed.retain(|name| name != "B");
        assert_eq!((misnamed.first().count(), misnamed.more()), (2, 1));
    }
}
