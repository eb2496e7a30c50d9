//! A file of some kind, audited: every finding stands in it, and what is rewritten is rewritten once.
#![no_main]

use audit::fix::{self, Mapping};
use audit::source::SourceText;
use audit::{Auditor, Settings};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 18] = [
    "Dockerfile", "a.yaml", "a.json", "a.tf", "a.sh", "Makefile", "a.ps1", "a.bat", ".env", "a.toml", "a.xml", "BUILD", "Jenkinsfile",
    "a.go", "a.py", "a.md", "plain", ".github/workflows/a.yml",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let auditor = Auditor::new(Settings::default());
    let mut findings = auditor.file(name, bytes).findings;
    let mut mapping = Mapping::known();
    mapping.add("gcr.io=new.example/a").expect("a mapping");
    fix::propose(&mut findings, &mapping);
    let source = SourceText::decode(bytes);
    for finding in &findings {
        let text = source.as_ref().expect("what has findings is text").text();
        assert!(text.get(finding.span.start..finding.span.end).is_some(), "{:?}", finding.span);
        assert!((finding.start.line, finding.start.column) <= (finding.end.line, finding.end.column));
    }
    if let Some(fixed) = fix::rewrite(&auditor, name, bytes, &findings) {
        let mut again = auditor.file(name, &fixed.bytes).findings;
        fix::propose(&mut again, &mapping);
        if let Some(twice) = fix::rewrite(&auditor, name, &fixed.bytes, &again) {
            panic!("rewritten twice: {:?}", twice.after);
        }
    }
});
