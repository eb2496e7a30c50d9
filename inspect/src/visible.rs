//! Texts of an image, as people can be shown them.

use std::borrow::Cow;

/// `text` with every control character written as an escape: an image that nobody vouches for could otherwise make a
/// terminal hide what is there, or show lines that are not.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_nothing_else_is_changed() {
        assert_eq!(
            visible("a\u{1b}[31m\nb\u{9b}\t\u{7f}"),
            r"a\u{1b}[31m\nb\u{9b}\t\u{7f}"
        );
        for text in ["", "ordinary", "ä → \\ \"'"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }
}
