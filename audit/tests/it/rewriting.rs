//! Rewriting the corpus: nothing is left to rewrite, and all is the same but for the references.

use audit::fix::{self, Mapping};
use audit::{Auditor, Settings};
use serde_json::Value;

use crate::corpus::{Example, examples};

/// Every old host leads to a new one, so that everything that can be rewritten is.
const MAPPING: &str = "gcr.io=new.example/old\nus.gcr.io=us.new.example/x\neu.gcr.io=eu.new.example/x\nasia.gcr.io=asia.new.example/x";

fn mapping() -> Mapping {
    let mut mapping = Mapping::known();
    mapping.add(MAPPING).unwrap();
    mapping
}

/// What rewriting a file gives.
fn rewritten(auditor: &Auditor, example: &Example) -> Option<Vec<u8>> {
    let mut findings = example.look(auditor);
    fix::propose(&mut findings, &mapping());
    let has_fixes = findings.iter().any(|finding| finding.fix.is_some());
    let fixed = fix::rewrite(auditor, &example.name, &example.bytes, &findings);
    assert!(
        fixed.is_some() || !has_fixes,
        "{}/{} is not rewritten",
        example.kind,
        example.path
    );
    fixed.map(|fixed| fixed.bytes)
}

#[test]
fn a_second_rewriting_changes_nothing() {
    let auditor = Auditor::new(Settings::default());
    let mut count = 0;
    for mut example in examples() {
        let Some(bytes) = rewritten(&auditor, &example) else {
            continue;
        };
        count += 1;
        example.bytes = bytes;
        let mut findings = example.look(&auditor);
        fix::propose(&mut findings, &mapping());
        let again: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.fix.is_some())
            .map(|finding| finding.matched.as_str())
            .collect();
        assert_eq!(again, Vec::<&str>::new(), "{}/{}", example.kind, example.path);
    }
    assert!(count > 100, "{count} files were rewritten");
}

/// A text as it was before hosts got their new names, whether it has been rewritten or not.
fn with_old_names(text: &str) -> String {
    let renamed = [
        ("us.new.example/x", "us.gcr.io"),
        ("eu.new.example/x", "eu.gcr.io"),
        ("asia.new.example/x", "asia.gcr.io"),
        ("new.example/old", "gcr.io"),
        // Where a host stands alone.
        ("new.example", "gcr.io"),
        ("registry.k8s.io", "k8s.gcr.io"),
    ];
    renamed
        .iter()
        .fold(text.to_owned(), |text, (new, old)| text.replace(new, old))
}

/// What is rewritten, with what it was before.
fn all_rewritten() -> Vec<(Example, Vec<u8>)> {
    let auditor = Auditor::new(Settings::default());
    let all = examples().into_iter();
    all.filter_map(|example| rewritten(&auditor, &example).map(|bytes| (example, bytes)))
        .collect()
}

#[test]
fn nothing_but_names_of_hosts_is_another_byte() {
    let mut count = 0;
    for (example, after) in all_rewritten() {
        let (Ok(before), Ok(after)) = (str::from_utf8(&example.bytes), str::from_utf8(&after)) else {
            continue;
        };
        assert_ne!(before, after, "{}/{}", example.kind, example.path);
        assert_eq!(
            with_old_names(before),
            with_old_names(after),
            "{}/{}",
            example.kind,
            example.path
        );
        count += 1;
    }
    assert!(count > 100, "{count} files were compared");
}

#[test]
fn other_parsers_find_the_same_structure_but_for_the_references() {
    let mut counts = [0; 4];
    for (example, after) in all_rewritten() {
        let Some((kind, before)) = parsed(&example.name, &example.bytes) else {
            continue;
        };
        let (_, after) = parsed(&example.name, &after)
            .unwrap_or_else(|| panic!("{}/{} is broken", example.kind, example.path));
        assert_eq!(
            renamed(&before),
            renamed(&after),
            "{}/{}",
            example.kind,
            example.path
        );
        counts[kind] += 1;
    }
    assert!(
        counts
            .iter()
            .zip([6, 40, 10, 10])
            .all(|(count, least)| *count >= least),
        "{counts:?}"
    );
}

/// By a parser that is not ours: of JSON, YAML, HCL, or of Dockerfiles; nothing when it is a template, or otherwise not what its name
/// says.
fn parsed(name: &str, bytes: &[u8]) -> Option<(usize, Vec<Value>)> {
    let text = str::from_utf8(bytes).ok()?;
    let file = name.rsplit('/').next()?;
    match name.rsplit('.').next()? {
        "json" => Some((0, vec![serde_json::from_str(text).ok()?])),
        "yaml" | "yml" => Some((1, serde_saphyr::from_multiple(text).ok()?)),
        "tf" | "hcl" | "tfvars" => {
            let body = hcl::parse(text).ok()?;
            Some((2, vec![serde_json::to_value(body).ok()?]))
        }
        _ if file.starts_with("Dockerfile") || file.ends_with(".Dockerfile") => Some((3, instructions(text))),
        _ => None,
    }
}

/// The instructions of a Dockerfile with their arguments, by its reference: lines that end in a backslash go on, and comments and empty
/// lines between them do not count.
fn instructions(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => {
                open.push_str(line);
                let (name, arguments) = open.split_once(char::is_whitespace).unwrap_or((&open, ""));
                found.push(serde_json::json!([name, arguments.trim()]));
                open.clear();
            }
        }
    }
    found
}

/// The same with the old names of hosts, in keys and texts.
fn renamed(documents: &[Value]) -> Vec<Value> {
    fn of(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| (with_old_names(key), of(value)));
                Value::Object(entries.collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(of).collect()),
            Value::String(text) => with_old_names(text).into(),
            other => other.clone(),
        }
    }
    documents.iter().map(of).collect()
}
