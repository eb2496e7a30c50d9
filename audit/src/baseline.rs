//! Findings that are known already, and are passed over until they are gone.

use std::collections::HashMap;

use serde::Deserialize;

use crate::finding::Finding;

/// The fingerprints of an earlier report, and how often it has each.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    known: HashMap<String, usize>,
}

/// What was read is no report.
#[derive(Debug, thiserror::Error)]
#[error("the baseline is no JSON report of lightship audit")]
pub struct BaselineError(#[source] serde_json::Error);

#[derive(Deserialize)]
struct Report {
    findings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    fingerprint: String,
}

impl Baseline {
    /// Reads what `lightship audit --format json` wrote.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_json(bytes: &[u8]) -> Result<Baseline, BaselineError> {
        let report: Report = serde_json::from_slice(bytes).map_err(BaselineError)?;
        let mut known = HashMap::new();
        for finding in report.findings {
            *known.entry(finding.fingerprint).or_default() += 1;
        }
        Ok(Baseline { known })
    }

    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes out what was there already, each as often as it was; returns how many that were.
    pub fn take_known(mut self, findings: &mut Vec<Finding>) -> usize {
        let before = findings.len();
        findings.retain(|finding| match self.known.get_mut(&finding.fingerprint) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        before - findings.len()
    }
}
