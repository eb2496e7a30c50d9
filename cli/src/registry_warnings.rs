//! What registries warn of, told once at the end of a command.

use std::sync::{Mutex, PoisonError};

use client::registry::Warnings;

use crate::output;

/// Most warnings of one command that are told.
const WARNINGS_MAX: usize = 20;

/// The warnings of a command: each once, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct RegistryWarnings {
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    told: Vec<String>,
    /// How many came after those that are kept; of these nobody knows whether they are the same.
    left_out: u64,
}

impl Warnings for RegistryWarnings {
    fn warned(&self, host: &str, text: &str) {
        let line = format!("warning: {host} says: {text}");
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.told.contains(&line) {
            return;
        }
        if heard.told.len() == WARNINGS_MAX {
            heard.left_out += 1;
        } else {
            heard.told.push(line);
        }
    }
}

impl RegistryWarnings {
    /// Tells them on standard error.
    pub(crate) fn tell(&self) {
        for line in self.lines() {
            output::talk(&inspect::visible(&line));
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = std::mem::take(&mut *heard);
        let mut lines = heard.told;
        if heard.left_out > 0 {
            lines.push(format!("warning: {} more warnings of registries", heard.left_out));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_told_once_and_no_more_than_there_is_room_for() {
        let warnings = RegistryWarnings::default();
        for _ in 0..3 {
            warnings.warned("a", "old");
            warnings.warned("b", "old");
        }
        assert_eq!(warnings.lines(), ["warning: a says: old", "warning: b says: old"]);
        for number in 0..WARNINGS_MAX + 1 {
            warnings.warned("a", &number.to_string());
        }
        let lines = warnings.lines();
        assert_eq!(lines.len(), WARNINGS_MAX + 1);
        assert_eq!(lines.last().unwrap(), "warning: 1 more warnings of registries");
    }
}
