//! Where findings stand: within the text, at whole signs, whatever the file has in it.

use audit::source::SourceText;
use audit::{Auditor, Settings};
use proptest::prelude::*;

/// One name for each reader.
const NAMES: [&str; 18] = [
    "Dockerfile",
    "a.yaml",
    "a.json",
    "a.tf",
    "a.sh",
    "Makefile",
    "a.ps1",
    "a.bat",
    ".env",
    "a.toml",
    "a.xml",
    "BUILD",
    "Jenkinsfile",
    "a.go",
    "a.py",
    "a.md",
    "plain",
    ".github/workflows/a.yml",
];

/// What files are made of here: things to find, and what may stand around them.
const PARTS: [&str; 34] = [
    "gcr.io/p/i:1",
    "eu.gcr.io",
    "gcr\\.io",
    "\"https://gcr.io\"",
    "${R:-gcr.io}/p",
    "artifacts.p.appspot.com",
    "docker login ",
    "gcloud auth configure-docker ",
    "registry: ",
    "image: ",
    "x = ",
    "X=",
    "auths",
    "é",
    "\u{1f6a2}",
    "\\",
    "\\n",
    "\\u0067cr.io",
    "&#103;cr.io",
    "\"",
    "'",
    "`",
    "{",
    "}",
    "[",
    "(",
    ")",
    "<a>",
    "# ",
    "// ",
    "- ",
    " ",
    "\n",
    "\n  ",
];

proptest! {
    #[test]
    fn findings_stand_at_whole_signs(
        name in prop::sample::select(&NAMES[..]),
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..40),
    ) {
        let text = parts.concat();
        let source = SourceText::decode(text.as_bytes()).unwrap();
        for finding in Auditor::new(Settings::default()).file(name, text.as_bytes()).findings {
            let there = source.text().get(finding.span.start..finding.span.end);
            prop_assert!(there.is_some(), "{name}: {text:?}: {finding:?}");
            prop_assert!((finding.start.line, finding.start.column) <= (finding.end.line, finding.end.column));
        }
    }
}
