//! What is found in the corpus is what its labels say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use audit::directory::Directories;
use audit::source::SourceText;
use audit::tree::OnDisk;
use audit::{Auditor, Finding, Rule, Settings, Severity, TreeOptions};

/// A file of the corpus: its kind, its path below the kind, and the path that its project would know it by.
pub(crate) struct Example {
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// The folder of its project.
    project: PathBuf,
}

impl Example {
    /// What it has as a file of its project.
    pub(crate) fn look(&self, auditor: &Auditor) -> Vec<Finding> {
        let files = OnDisk::new(&self.project, &self.project, &TreeOptions::default());
        auditor
            .file_in(&Directories::new(&files), &self.name, &self.bytes)
            .findings
    }
}

pub(crate) fn examples() -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut examples = Vec::new();
    for file in files(&root) {
        let below = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let (kind, path) = below.split_once('/').unwrap();
        if let Some((project, name)) = path.split_once('/') {
            examples.push(Example {
                project: root.join(kind).join(project),
                kind: kind.to_owned(),
                path: path.to_owned(),
                name: name.to_owned(),
                bytes: fs::read(&file).unwrap(),
            });
        }
    }
    examples
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let below = entries.into_iter();
    below
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// What stands where: a path, a line, a rule.
type Place = (String, usize, String);

/// What a label, or a finding, says besides; `-` where there is nothing.
#[derive(Debug)]
struct Details {
    class: String,
    reference: String,
    /// What stands there in the file; of findings only.
    matched: String,
}

/// What is where in a kind.
type Places = BTreeMap<Place, Vec<Details>>;

/// Labels by kind: `PATH:LINE RULE CLASS REFERENCE`, where the last is the rest of the line.
fn labels() -> BTreeMap<String, Places> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut labels: BTreeMap<String, Places> = BTreeMap::new();
    for folder in fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("labels")) else {
            continue;
        };
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        let labels = labels.entry(kind.clone()).or_default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            let (place, rule) = (words.next().unwrap(), words.next().unwrap());
            let (path, number) = place.rsplit_once(':').unwrap();
            assert!(folder.join(path).is_file(), "{kind}: {line}");
            assert!(Rule::by_id(&rule).is_some(), "{kind}: {line}");
            let details = Details {
                class: words.next().unwrap(),
                reference: words.next().unwrap(),
                matched: String::new(),
            };
            let place = (path.to_owned(), number.parse().unwrap(), rule);
            labels.entry(place).or_default().push(details);
        }
    }
    labels
}

fn details(finding: &Finding) -> Details {
    let class = finding.class.map(|class| serde_json::to_value(class).unwrap());
    let class = class.as_ref().and_then(serde_json::Value::as_str);
    Details {
        class: class.unwrap_or("-").to_owned(),
        reference: finding.reference.clone().unwrap_or_default(),
        matched: finding.matched.clone(),
    }
}

/// Whether a finding is what a label says. A label names what is put together, or what stands there; the end of a pattern is
/// part of neither for some rules.
fn fits(label: &Details, found: &Details) -> bool {
    let bare = |text: &str| text.trim_end_matches(['*', '/', '.', '-']).to_owned();
    let named = bare(&label.reference);
    label.class == found.class
        && (named.is_empty() || named == bare(&found.reference) || named == bare(&found.matched))
}

/// The aims: of every kind, and of all together.
const KIND_LEAST: f64 = 0.95;
const ALL_LEAST: f64 = 0.98;

#[test]
fn what_is_found_is_what_the_labels_say() {
    let (labels, found) = (labels(), found());
    let nothing = BTreeMap::new();
    let (mut right_in_all, mut found_in_all, mut labelled_in_all) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (kind, seen) in &found {
        let wanted = labels.get(kind).unwrap_or(&nothing);
        let right = seen.keys().filter(|place| wanted.contains_key(*place)).count();
        wrong.extend(unlike(seen, wanted).map(|told| format!("{kind}: {told}")));
        for (part, whole, what) in [(right, seen.len(), "precision"), (right, wanted.len(), "recall")] {
            if ratio(part, whole) < KIND_LEAST {
                wrong.push(format!("{kind}: {what} {part}/{whole}"));
            }
        }
        right_in_all += right;
        found_in_all += seen.len();
        labelled_in_all += wanted.len();
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        ratio(right_in_all, found_in_all) >= ALL_LEAST,
        "precision {right_in_all}/{found_in_all}"
    );
    assert!(
        ratio(right_in_all, labelled_in_all) >= ALL_LEAST,
        "recall {right_in_all}/{labelled_in_all}"
    );
}

#[test]
fn the_corpus_has_many_files_and_a_quarter_of_them_have_nothing() {
    let labels = labels();
    let examples = examples();
    let kinds: BTreeSet<&str> = examples.iter().map(|example| example.kind.as_str()).collect();
    let is_labelled = |example: &Example| {
        let labels = labels.get(&example.kind).into_iter().flat_map(BTreeMap::keys);
        labels.into_iter().any(|(path, ..)| *path == example.path)
    };
    let silent = examples.iter().filter(|example| !is_labelled(example)).count();
    assert!(
        examples.len() >= 300 && kinds.len() >= 25 && silent * 4 >= examples.len(),
        "{} files, {} kinds, {silent} silent",
        examples.len(),
        kinds.len()
    );
}

/// What is found, but for mere mentions, by kind.
fn found() -> BTreeMap<String, Places> {
    let auditor = Auditor::new(Settings::default());
    let mut found: BTreeMap<String, Places> = BTreeMap::new();
    for example in examples() {
        let findings = example.look(&auditor);
        let places = found.entry(example.kind).or_default();
        let source = SourceText::decode(&example.bytes);
        for finding in findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
        {
            let text = source.as_ref().unwrap().text();
            let there = text.get(finding.span.start..finding.span.end);
            assert!(
                there.is_some_and(|there| !there.is_empty()),
                "{}: {finding:?}",
                example.path
            );
            let rule = finding.rule.id.to_owned();
            let place = (example.path.clone(), finding.start.line, rule);
            places.entry(place).or_default().push(details(finding));
        }
    }
    found
}

/// Labels of places that are found, but not as the label says.
fn unlike<'p>(seen: &'p Places, wanted: &'p Places) -> impl Iterator<Item = String> + 'p {
    wanted.iter().filter_map(|(place, labels)| {
        let there = seen.get(place)?;
        let is_there = |label: &&Details| there.iter().any(|found| fits(label, found));
        let label = labels.iter().find(|label| !is_there(label))?;
        Some(format!("{place:?} is {there:?}, should be {label:?}"))
    })
}

/// Where each is found once, what it is and how it reads: across files, where it stands says little.
#[test]
fn what_files_put_together_reads_as_the_labels_say() {
    const KIND: &str = "directories";
    let labels = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(KIND)
        .join("labels");
    let text = fs::read_to_string(labels).unwrap();
    let wanted: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let auditor = Auditor::new(Settings::default());
    let mut found = Vec::new();
    for example in examples().iter().filter(|example| example.kind == KIND) {
        let findings = example.look(&auditor);
        let counted = findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info);
        found.extend(counted.map(|finding| {
            let class = finding.class.map_or_else(
                || "-".to_owned(),
                |class| serde_json::to_value(class).unwrap().as_str().unwrap().to_owned(),
            );
            let reference = finding.reference.as_deref().unwrap_or("-");
            let (path, line, rule) = (&example.path, finding.start.line, finding.rule.id);
            format!("{path}:{line} {rule} {class} {reference}")
        }));
    }
    let once: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(once, wanted);
    assert_eq!(once.len(), found.len());
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}
