//! What is found in a text, as tests read it.

use crate::finding::Finding;
use crate::{Auditor, Settings};

fn findings(path: &str, text: &str) -> Vec<Finding> {
    Auditor::new(Settings::default())
        .file(path, text.as_bytes())
        .findings
}

/// `LINE RULE TEXT` of each.
pub(crate) fn found(path: &str, text: &str) -> Vec<String> {
    let found = findings(path, text).into_iter();
    found
        .map(|one| format!("{} {} {}", one.start.line, one.rule.id, one.matched))
        .collect()
}

/// `RULE TEXT` of all.
pub(crate) fn found_anywhere(path: &str, text: &str) -> String {
    let found = findings(path, text).into_iter();
    let found = found.map(|one| format!("{} {}", one.rule.id, one.matched));
    found.collect::<Vec<_>>().join(", ")
}
