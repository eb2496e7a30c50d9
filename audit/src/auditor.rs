//! Looks at one file.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::directory::{Alone, Directories};
use crate::finding::Finding;
use crate::ignoring::Ignored;
use crate::image::ImageFinder;
use crate::kind::Kind;
use crate::own::is_own;
use crate::reading::{self, outline::Outline};
use crate::rules::composed::Composer;
use crate::rules::variables::Variables;
use crate::rules::{self, Look};
use crate::settings::Settings;
use crate::sift::Sift;
use crate::source::SourceText;

/// Looks at files, by the same settings.
#[derive(Debug, Clone)]
pub struct Auditor {
    settings: Settings,
    sift: Sift,
    images: ImageFinder,
}

/// What one file has.
#[derive(Debug, Clone, Default)]
pub struct FileReport {
    /// Its findings, in its order; those that are only mentioned too.
    pub findings: Vec<Finding>,
    /// Findings that a comment in it switches off.
    pub ignored: usize,
    /// What in it cannot be meant as it is written.
    pub remarks: Vec<String>,
    /// Why it was not read, if it was not though it may have findings.
    pub skipped: Option<&'static str>,
}

impl Auditor {
    /// By these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Auditor {
        Auditor {
            sift: Sift::new(&settings),
            images: ImageFinder::new(&settings.hosts),
            settings,
        }
    }

    /// Whether a file with these bytes can have a finding: cheap, for whoever reads many.
    #[must_use]
    pub fn is_of_interest(&self, bytes: &[u8]) -> bool {
        self.sift.is_of_interest(bytes)
    }

    /// Looks at a file by itself; `path` has slashes, and says what kind it is.
    #[must_use]
    pub fn file(&self, path: &str, bytes: &[u8]) -> FileReport {
        self.file_in(&Directories::new(&Alone), path, bytes)
    }

    /// Looks at a file of a tree: what the files of its directory mean together is known.
    ///
    /// What is found, and where, is the same as when the file is looked at by itself; what it is a part of may be known better.
    #[must_use]
    pub fn file_in(&self, directories: &Directories<'_>, path: &str, bytes: &[u8]) -> FileReport {
        if self.is_of_interest(bytes) {
            return self.read(directories, path, bytes);
        }
        // What the sift leaves out has nothing: every test of a rule is one of the sift, too.
        #[cfg(test)]
        assert!(
            self.read(directories, path, bytes).findings.is_empty(),
            "{path} is left out: {:?}",
            String::from_utf8_lossy(bytes)
        );
        FileReport::default()
    }

    /// Looks at a file, whatever the sift says of it.
    pub(crate) fn read(&self, directories: &Directories<'_>, path: &str, bytes: &[u8]) -> FileReport {
        if is_own(path, bytes) {
            return FileReport::default();
        }
        let Some(source) = SourceText::decode(bytes) else {
            return FileReport {
                skipped: Some("it is no text"),
                ..FileReport::default()
            };
        };
        let kind = match bytes.len() <= STRUCTURE_BYTES_MAX {
            true => Kind::of(path, source.text()),
            false => Kind::Plain,
        };
        let document = reading::read(kind, source.text());
        let (outline, variables) = (Outline::of_document(&document), Variables::of(&document));
        let composer = Composer::new(directories, (path, &document), bytes.len());
        let look = Look {
            path,
            kind,
            source: &source,
            document: &document,
            outline: &outline,
            variables: &variables,
            settings: &self.settings,
            images: &self.images,
            composer: &composer,
            found: Vec::new(),
            taken: BTreeMap::new(),
        };
        let mut findings = rules::detect(look);
        let all = findings.len();
        let ignored = Ignored::of(&source);
        findings.retain(|finding| !ignored.has(finding));
        let told = ignored.remarks;
        name_each(&mut findings, path);
        FileReport {
            ignored: all - findings.len(),
            findings,
            remarks: told,
            skipped: None,
        }
    }
}

/// A larger file is read as text only: nobody writes so much by hand, and its structure says little.
const STRUCTURE_BYTES_MAX: usize = 2 << 20;

/// Gives each finding of a file its fingerprint: of the rule, the file, what stands there and how often that came before.
pub(crate) fn name_each(findings: &mut [Finding], path: &str) {
    let mut seen: HashMap<(&str, String), usize> = HashMap::new();
    for finding in findings {
        let count = seen
            .entry((finding.rule.id, finding.matched.clone()))
            .or_default();
        let told = format!("{}\0{}\0{}\0{count}", finding.rule.id, path, finding.matched);
        *count += 1;
        let digest = Sha256::digest(told.as_bytes());
        finding.fingerprint = digest
            .iter()
            .take(FINGERPRINT_BYTES)
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
    }
}

const FINGERPRINT_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Confidence;

    #[test]
    fn a_file_of_some_size_has_no_structure() {
        let confidences = |bytes: usize| {
            let mut text = "image: gcr.io/p/i\n".to_owned();
            while text.len() < bytes {
                let left = bytes - text.len();
                text.push_str(&format!("#{}\n", "x".repeat(left.min(1000).saturating_sub(2))));
            }
            text.truncate(bytes);
            let report = Auditor::new(Settings::default()).file("a.yaml", text.as_bytes());
            let found = report.findings.iter();
            found.map(|finding| finding.confidence).collect::<Vec<_>>()
        };
        assert_eq!(confidences(STRUCTURE_BYTES_MAX), [Confidence::High]);
        assert_eq!(confidences(STRUCTURE_BYTES_MAX + 1), [Confidence::Low]);
    }

    #[test]
    fn a_fingerprint_stays_when_lines_come_before() {
        let auditor = Auditor::new(Settings::default());
        let names = |text: &str| -> Vec<String> {
            let report = auditor.file("a", text.as_bytes());
            report
                .findings
                .into_iter()
                .map(|finding| finding.fingerprint)
                .collect()
        };
        let before = names("gcr.io/p/i\ngcr.io/p/i\n");
        assert_ne!(before[0], before[1]);
        assert_eq!(names("x\ngcr.io/p/i\n\ngcr.io/p/i\n"), before);
    }
}
