//! Files of a Git repository as they are in a revision, or staged, without a checkout.
//!
//! Git itself is asked: it is there wherever there is a repository, and knows every format that it ever had.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ignore::gitignore::Gitignore;

use crate::auditor::Auditor;
use crate::directory::{self, Directories, Files};
use crate::root::{IGNORE_FILE, matcher};
use crate::tree::{FILE_BYTES_MAX, Note, TreeOptions, TreeReport, told};

/// Most files of one revision.
const FILES_MAX: usize = 10_000_000;

/// Which state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A commit, branch, tag or tree.
    Revision(String),
    /// What the next commit would have of the files that it changes.
    Staged,
}

/// A state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// Git cannot be run.
    #[error("cannot run git")]
    Git(#[source] std::io::Error),
    /// There is no repository.
    #[error("{} is in no Git repository", path.display())]
    NoRepository {
        /// What was named.
        path: PathBuf,
    },
    /// Nothing of that name is in the revision.
    #[error("there is no {path} in it")]
    NotThere {
        /// What was named, from the top of the repository.
        path: String,
    },
    /// Git refused.
    #[error("git says: {0}")]
    Refused(String),
    /// The name of the revision is not one.
    #[error("{0:?} cannot be a revision")]
    Name(String),
    /// Git said something that it should not.
    #[error("git said something unexpected about {0}")]
    Answer(String),
}

struct Entry {
    object: String,
    path: String,
    /// Whether it is looked at, and not only there for others.
    is_asked_for: bool,
}

/// A place in a repository, whether or not it is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The top of the repository.
    pub top: PathBuf,
    /// What is looked at, from there, with slashes; empty for all of it.
    pub below: String,
}

impl Place {
    /// Of a path; what of it is not checked out is taken as it is written.
    ///
    /// # Errors
    /// When git cannot be run, or there is no repository.
    pub fn of(path: &Path) -> Result<Place, RevisionError> {
        let folder = path
            .ancestors()
            .map(|above| {
                if above.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    above
                }
            })
            .find(|above| above.is_dir())
            .unwrap_or(Path::new("."));
        let rest = path.strip_prefix(folder).unwrap_or(path);
        let refused = |error| match error {
            RevisionError::Refused(_) => RevisionError::NoRepository {
                path: path.to_owned(),
            },
            other => other,
        };
        let said = ask(folder, &["rev-parse", "--show-toplevel", "--show-prefix"]).map_err(refused)?;
        let mut lines = said.lines();
        let top = lines.next().filter(|top| !top.is_empty());
        let top = top.ok_or_else(|| RevisionError::NoRepository {
            path: path.to_owned(),
        })?;
        let rest = told(rest.as_os_str().as_encoded_bytes()).replace(std::path::MAIN_SEPARATOR, "/");
        let below = format!("{}{rest}", lines.next().unwrap_or_default());
        Ok(Place {
            top: PathBuf::from(top),
            below: below.trim_end_matches('/').to_owned(),
        })
    }

    fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.below.as_str());
        self.below.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Looks at the files of a place in some state; paths are those from the top of the repository. What `.lightshipignore` there,
/// and the options, leave out is left out.
///
/// # Errors
/// When git cannot be run, or does not know the state.
pub fn look(
    auditor: &Auditor,
    place: &Place,
    state: &State,
    options: &TreeOptions,
) -> Result<TreeReport, RevisionError> {
    let repository = &place.top;
    let mut entries = match state {
        State::Revision(name) => tree(repository, name)?,
        State::Staged => staged(repository)?,
    };
    let is_held = entries.iter().any(|entry| place.holds(&entry.path));
    if !is_held && matches!(state, State::Revision(_)) && !place.below.is_empty() {
        return Err(RevisionError::NotThere {
            path: place.below.clone(),
        });
    }
    let left_out = left_out(place, options);
    let passed_over: Vec<PathBuf> = options
        .passed_over
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    // What is left out is no part of its directory; what is elsewhere may be one, and is not looked at.
    entries.retain(|entry| {
        let path = repository.join(&entry.path);
        !left_out.iter().any(|patterns| {
            path.starts_with(patterns.path())
                && patterns.matched_path_or_any_parents(&path, false).is_ignore()
        })
    });
    for entry in &mut entries {
        let is_passed_over = passed_over.contains(&repository.join(&entry.path));
        entry.is_asked_for &= place.holds(&entry.path) && !is_passed_over;
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let files = Snapshot {
        entries,
        objects: Mutex::new(Objects::open(repository)?),
    };
    let directories = Directories::new(&files);
    let mut report = TreeReport::default();
    let mut content = Vec::new();
    for entry in files.entries.iter().filter(|entry| entry.is_asked_for) {
        let size = files.objects().read(&entry.object, &mut content)?;
        if size > FILE_BYTES_MAX as u64 {
            let reason = format!("not read, since it has more than {} MiB", FILE_BYTES_MAX >> 20);
            report.notes_in_all += 1;
            report.unread += 1;
            report.notes.push(Note {
                path: entry.path.clone(),
                reason,
                is_failure: true,
            });
            report.files_scanned += 1;
            report.bytes_scanned += size;
            continue;
        }
        let found = auditor.file_in(&directories, &entry.path, &content);
        report.add_file(&entry.path, size, found);
    }
    Ok(report)
}

/// All files of a state, by their paths.
struct Snapshot {
    entries: Vec<Entry>,
    objects: Mutex<Objects>,
}

impl Snapshot {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first entry whose path does not come before this.
    fn first(&self, path: &str) -> usize {
        self.entries.partition_point(|entry| entry.path.as_str() < path)
    }
}

impl Files for Snapshot {
    fn entries(&self, folder: &str) -> Vec<directory::Entry> {
        let prefix = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let mut found = Vec::new();
        let mut at = self.first(&prefix);
        while let Some(entry) = self.entries.get(at) {
            let Some(below) = entry.path.strip_prefix(&prefix) else {
                break;
            };
            let (name, is_folder) = below
                .split_once('/')
                .map_or((below, false), |(name, _)| (name, true));
            if found.len() >= directory::ENTRIES_MAX {
                break;
            }
            found.push(directory::Entry {
                name: name.to_owned(),
                is_folder,
            });
            at = match is_folder {
                // What is in the folder comes before what follows a slash.
                true => self.first(&format!("{prefix}{name}0")),
                false => at + 1,
            };
        }
        found
    }

    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>> {
        let entry = self
            .entries
            .get(self.first(path))
            .filter(|entry| entry.path == path)?;
        let mut content = Vec::new();
        let size = self.objects().read(&entry.object, &mut content).ok()?;
        (size <= bytes_max.min(FILE_BYTES_MAX) as u64).then_some(content)
    }
}

/// What is left out, by which folder says so.
fn left_out(place: &Place, options: &TreeOptions) -> Vec<Gitignore> {
    let ignored = std::fs::read_to_string(place.top.join(IGNORE_FILE)).unwrap_or_default();
    let ignored: Vec<String> = ignored.lines().map(str::to_owned).collect();
    let here = place.top.join(&place.below);
    let lists = [(place.top.clone(), ignored), (here, options.left_out.clone())];
    let above = options.left_out_above.iter().map(|(folder, patterns)| {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        (folder, patterns.clone())
    });
    let all = lists.into_iter().chain(above);
    all.filter_map(|(folder, patterns)| matcher(&folder, &patterns))
        .collect()
}

fn tree(repository: &Path, name: &str) -> Result<Vec<Entry>, RevisionError> {
    if name.is_empty() || name.starts_with('-') {
        return Err(RevisionError::Name(name.to_owned()));
    }
    let listed = ask(repository, &["ls-tree", "-r", "-z", "--full-tree", name])?;
    // MODE SP TYPE SP OBJECT TAB PATH
    let entries = records(&listed).filter_map(|record| {
        let (head, path) = record.split_once('\t')?;
        let mut words = head.split(' ');
        let (mode, kind, object) = (words.next()?, words.next()?, words.next()?);
        (kind == "blob" && mode != "120000").then(|| Entry {
            object: object.to_owned(),
            path: path.to_owned(),
            is_asked_for: true,
        })
    });
    Ok(entries.take(FILES_MAX).collect())
}

fn staged(repository: &Path) -> Result<Vec<Entry>, RevisionError> {
    let names = ask(
        repository,
        &[
            "diff",
            "--cached",
            "--name-only",
            "--diff-filter=ACMRT",
            "--no-renames",
            "-z",
        ],
    )?;
    let changed: std::collections::HashSet<String> = records(&names).map(str::to_owned).collect();
    let listed = ask(repository, &["ls-files", "--stage", "--full-name", "-z", ":/"])?;
    // MODE SP OBJECT SP STAGE TAB PATH
    let entries = records(&listed).filter_map(|record| {
        let (head, path) = record.split_once('\t')?;
        let mut words = head.split(' ');
        let (mode, object) = (words.next()?, words.next()?);
        mode.starts_with("100").then(|| Entry {
            object: object.to_owned(),
            path: path.to_owned(),
            is_asked_for: changed.contains(path),
        })
    });
    Ok(entries.take(FILES_MAX).collect())
}

fn records(listed: &str) -> impl Iterator<Item = &str> {
    listed.split('\0').filter(|record| !record.is_empty())
}

fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).stderr(Stdio::piped());
    command
}

fn ask(repository: &Path, words: &[&str]) -> Result<String, RevisionError> {
    let output = git(repository).args(words).output().map_err(RevisionError::Git)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(RevisionError::Refused(
            said.lines().next().unwrap_or_default().to_owned(),
        ));
    }
    Ok(told(&output.stdout))
}

/// `git cat-file --batch`: objects by name, one after the other.
struct Objects {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Objects {
    fn open(repository: &Path) -> Result<Objects, RevisionError> {
        let mut command = git(repository);
        command
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .stderr(Stdio::null())
            .spawn()
            .map_err(RevisionError::Git)?;
        let closed = || RevisionError::Answer("its output".to_owned());
        Ok(Objects {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().ok_or_else(closed)?),
            child,
        })
    }

    /// Reads an object; returns its size. Of one that is too large nothing is kept.
    fn read(&mut self, object: &str, content: &mut Vec<u8>) -> Result<u64, RevisionError> {
        let unexpected = || RevisionError::Answer(object.to_owned());
        let input = self.input.as_mut().ok_or_else(unexpected)?;
        writeln!(input, "{object}").map_err(RevisionError::Git)?;
        let mut head = Vec::new();
        let mut bounded = self.output.by_ref().take(HEAD_BYTES_MAX);
        bounded.read_until(b'\n', &mut head).map_err(RevisionError::Git)?;
        let head = String::from_utf8_lossy(&head);
        let size = head
            .trim_end()
            .rsplit(' ')
            .next()
            .and_then(|size| size.parse::<u64>().ok());
        let size = size.ok_or_else(unexpected)?;
        content.clear();
        let mut body = self.output.by_ref().take(size.saturating_add(1));
        if size > FILE_BYTES_MAX as u64 {
            std::io::copy(&mut body, &mut std::io::sink()).map_err(RevisionError::Git)?;
        } else {
            body.read_to_end(content).map_err(RevisionError::Git)?;
            content.pop();
        }
        Ok(size)
    }
}

const HEAD_BYTES_MAX: u64 = 256;

impl Drop for Objects {
    fn drop(&mut self) {
        // Its input ends, and so does git.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn run(repository: &Path, words: &[&str]) {
        let named = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let done = git(repository).args(named).args(words).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn revisions_and_what_is_staged_are_read_without_a_checkout() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |path: &str, text: &str| std::fs::write(root.join(path), text).unwrap();
        run(root, &["init", "-q"]);
        write("a", "gcr.io/p/committed\n");
        write("b c", "gcr.io/p/other\n");
        run(root, &["add", "."]);
        run(root, &["commit", "-q", "-m", "first"]);
        write("a", "gcr.io/p/staged\n");
        run(root, &["add", "a"]);
        write("a", "nothing");
        std::fs::remove_file(root.join("b c")).unwrap();
        let auditor = Auditor::new(Settings::default());
        let found = |state: State| -> Vec<String> {
            let place = Place::of(root).unwrap();
            let report = look(&auditor, &place, &state, &TreeOptions::default()).unwrap();
            let shown = report
                .findings
                .into_iter()
                .map(|finding| format!("{} {}", finding.path, finding.matched));
            shown.collect()
        };
        assert_eq!(
            found(State::Revision("HEAD".to_owned())),
            ["a gcr.io/p/committed", "b c gcr.io/p/other"]
        );
        assert_eq!(found(State::Staged), ["a gcr.io/p/staged"]);
        let place = Place::of(root).unwrap();
        let options = TreeOptions::default();
        let unknown = look(&auditor, &place, &State::Revision("nothing".to_owned()), &options);
        assert!(matches!(unknown, Err(RevisionError::Refused(_))));
        let option = look(&auditor, &place, &State::Revision("--help".to_owned()), &options);
        assert!(matches!(option, Err(RevisionError::Name(_))));
    }
    #[test]
    fn only_what_was_named_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        run(root, &["init", "-q"]);
        for path in ["sub/a", "sub/vendor/b", "subway", "gone/c"] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), "gcr.io/p/i\n").unwrap();
        }
        run(root, &["add", "."]);
        run(root, &["commit", "-q", "-m", "first"]);
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        let auditor = Auditor::new(Settings::default());
        let head = State::Revision("HEAD".to_owned());
        let found = |path: &str, options: &TreeOptions| -> Vec<String> {
            let place = Place::of(&root.join(path)).unwrap();
            let report = look(&auditor, &place, &head, options).unwrap();
            report.findings.into_iter().map(|finding| finding.path).collect()
        };
        let all = TreeOptions::default();
        assert_eq!(found("", &all), ["gone/c", "sub/a", "sub/vendor/b", "subway"]);
        assert_eq!(found("sub", &all), ["sub/a", "sub/vendor/b"]);
        assert_eq!(found("sub/a", &all), ["sub/a"]);
        assert_eq!(found("gone", &all), ["gone/c"]);
        let less = TreeOptions {
            left_out: vec!["/vendor/".to_owned()],
            ..TreeOptions::default()
        };
        assert_eq!(found("sub", &less), ["sub/a"]);
        std::fs::write(root.join(".lightshipignore"), "sub/vendor\n").unwrap();
        assert_eq!(found("sub", &all), ["sub/a"]);
        let place = Place::of(&root.join("nowhere")).unwrap();
        assert!(matches!(
            look(&auditor, &place, &head, &all),
            Err(RevisionError::NotThere { .. })
        ));
        let outside = tempfile::tempdir().unwrap();
        assert!(matches!(
            Place::of(outside.path()),
            Err(RevisionError::NoRepository { .. })
        ));
    }
}
