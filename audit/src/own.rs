//! Files of Lightship's own: its settings, and its reports. What these name is not what the tree depends on.

/// Settings of an audit, and what it passes over.
const NAMES: [&str; 2] = [".lightship-audit.toml", ".lightshipignore"];

/// How every JSON report begins, and SARIF in its properties: which of our documents it is.
pub(crate) const SCHEMA: &str = "lightship/audit/v1";

/// The first line of a report in Markdown.
pub(crate) const TITLE: &str = "### What still depends on the old registry";

/// Bytes in which a report has said what it is.
const HEAD_BYTES: usize = 512;

/// Whether a file is one of them.
#[must_use]
pub(crate) fn is_own(path: &str, bytes: &[u8]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if NAMES.contains(&name) {
        return true;
    }
    let head = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    if head.starts_with(TITLE.as_bytes()) {
        return true;
    }
    let quoted = format!("\"{SCHEMA}\"");
    head.trim_ascii_start().starts_with(b"{") && memchr::memmem::find(head, quoted.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;
    use crate::{Auditor, Settings, TreeReport};

    #[test]
    fn settings_and_reports_are_passed_over() {
        let auditor = Auditor::new(Settings::default());
        let settings = b"hosts = [\"gcr.io\"]\n".as_slice();
        assert!(
            auditor
                .file("a/.lightship-audit.toml", settings)
                .findings
                .is_empty()
        );
        assert!(
            !auditor
                .file("a/lightship-audit.toml", settings)
                .findings
                .is_empty()
        );
        let mut report = TreeReport::default();
        report.add_file("a.sh", 1, auditor.file("a.sh", b"docker push gcr.io/acme/x\n"));
        let json = serde_json::to_string_pretty(&report::json(&report)).unwrap();
        let sarif = serde_json::to_string_pretty(&report::sarif(&report, "1.0.0")).unwrap();
        for (path, text) in [
            ("known.json", json),
            ("out.sarif", sarif),
            ("summary.md", report::markdown(&report)),
        ] {
            assert!(text.contains("gcr.io/acme/x"), "{path}");
            assert_eq!(auditor.file(path, text.as_bytes()).findings.len(), 0, "{path}");
        }
        assert!(!is_own("a.json", b"{\"image\": \"gcr.io/acme/x\"}"));
    }
}
