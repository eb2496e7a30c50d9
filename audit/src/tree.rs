//! Looks at all files below folders, on all cores.

mod on_disk;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};
use serde::Serialize;

use crate::auditor::{Auditor, FileReport, name_each};
use crate::directory::Directories;
use crate::finding::Finding;
use crate::root::{IGNORE_FILE, Root};

pub use on_disk::OnDisk;

/// A larger file is only asked whether it can have findings: then it is named as one that was not read.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// Free memory that a read finds at least.
const READ_BYTES: usize = 64 << 10;

/// Bytes of a file that are looked at to see whether it is text.
const HEAD_BYTES: usize = 8 << 10;

/// Bytes of a large file that are in memory at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// Bytes that two windows share, so that nothing is lost between them.
const OVERLAP_BYTES: usize = 256;

/// Notes that are kept; more are only counted.
const NOTES_MAX: usize = 1000;

/// How to go through a tree.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    /// Threads that read; 0 for one per core.
    pub threads: usize,
    /// Whether `.gitignore` and its like are heeded. `.lightshipignore` always is.
    pub heeds_gitignore: bool,
    /// Patterns of paths to leave out, as in `.gitignore`.
    pub left_out: Vec<String>,
    /// The same of folders above what is looked at.
    pub left_out_above: Vec<(PathBuf, Vec<String>)>,
    /// Files that are not looked at wherever they stand: what the user named for another purpose.
    pub passed_over: Vec<PathBuf>,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            heeds_gitignore: true,
            left_out: Vec::new(),
            left_out_above: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

/// What was found in many files.
#[derive(Debug, Default)]
pub struct TreeReport {
    /// In the order of paths and places.
    pub findings: Vec<Finding>,
    /// Files that were looked at.
    pub files_scanned: u64,
    /// Their bytes.
    pub bytes_scanned: u64,
    /// Findings that comments switch off.
    pub ignored: usize,
    /// What could not be read, or was passed over though it may have findings.
    pub notes: Vec<Note>,
    /// How many notes there would be.
    pub notes_in_all: usize,
    /// How many files and folders could not be read.
    pub unread: usize,
    /// Those of them that were named themselves, and why.
    pub unread_roots: Vec<Note>,
    /// Files whose names are no UTF-8, by what reports call them.
    pub names: BTreeMap<String, PathBuf>,
}

impl TreeReport {
    /// Adds what another has.
    pub fn add(&mut self, other: TreeReport) {
        self.findings.extend(other.findings);
        self.files_scanned += other.files_scanned;
        self.bytes_scanned += other.bytes_scanned;
        self.ignored += other.ignored;
        self.notes.extend(other.notes);
        self.notes_in_all += other.notes_in_all;
        self.unread += other.unread;
        self.unread_roots.extend(other.unread_roots);
        self.names.extend(other.names);
    }

    /// The file that a finding or a note is of.
    #[must_use]
    pub fn file<'p>(&'p self, path: &'p str) -> &'p Path {
        self.names.get(path).map_or(Path::new(path), PathBuf::as_path)
    }

    /// Adds one file with its size in bytes.
    pub fn add_file(&mut self, path: &str, bytes: u64, file: FileReport) {
        self.files_scanned += 1;
        self.bytes_scanned += bytes;
        self.ignored += file.ignored;
        self.findings.extend(file.findings);
        let skipped = file.skipped.map(|reason| format!("not read: {reason}"));
        for reason in file.remarks.into_iter().chain(skipped) {
            self.notes_in_all += 1;
            if self.notes.len() < NOTES_MAX {
                self.notes.push(Note {
                    path: path.to_owned(),
                    reason,
                    is_failure: false,
                });
            }
        }
    }
}

/// A file or folder that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// Which.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether it may have findings that are not told.
    pub is_failure: bool,
}

/// A way cannot be gone at all.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// What was named is not there.
    #[error("cannot read {}", path.display())]
    Root {
        /// What was named.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pattern to leave out is none.
    #[error("{pattern} is no pattern of paths")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        source: ignore::Error,
    },
}

/// A set of folders and files.
#[derive(Debug)]
pub struct Tree<'t> {
    auditor: &'t Auditor,
    options: &'t TreeOptions,
}

#[derive(Default)]
struct Gathered {
    report: Mutex<TreeReport>,
    files: AtomicU64,
    bytes: AtomicU64,
}

/// What a file is looked at with.
struct Around<'a> {
    gathered: &'a Gathered,
    directories: &'a Directories<'a>,
    /// Its stable name, beside the one that it was found by.
    stable: &'a str,
}

impl<'t> Tree<'t> {
    /// To be looked at by an auditor.
    #[must_use]
    pub fn new(auditor: &'t Auditor, options: &'t TreeOptions) -> Tree<'t> {
        Tree { auditor, options }
    }

    /// Looks at everything below these. Links are not followed, except when they are named themselves.
    ///
    /// # Errors
    /// When one of them cannot be read at all. What cannot be read below them is told in notes.
    pub fn look(&self, roots: &[PathBuf]) -> Result<TreeReport, TreeError> {
        let gathered = Gathered::default();
        let mut seen = HashSet::new();
        for root in roots {
            opens(root).map_err(|source| TreeError::Root {
                path: root.clone(),
                source,
            })?;
            let walk = walk(root, root, self.options)?;
            let place = Root::of(root, &self.options.left_out_above);
            if !root.canonicalize().is_ok_and(|path| seen.insert(path)) {
                continue;
            }
            let beside = OnDisk::new(Path::new(""), root, self.options);
            let directories = Directories::new(&beside);
            walk.build_parallel().run(|| {
                let mut buffer = Buffer::default();
                let (gathered, directories, place) = (&gathered, &directories, &place);
                Box::new(move |entry| {
                    match entry {
                        Ok(entry) => {
                            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
                            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
                            if place.is_left_out(below, is_folder) {
                                return WalkState::Skip;
                            }
                            let around = Around {
                                gathered,
                                directories,
                                stable: &place.stable(below),
                            };
                            self.visit(&entry, &mut buffer, &around);
                        }
                        Err(error) => gathered.failed(root, error.to_string(), false),
                    }
                    WalkState::Continue
                })
            });
        }
        let mut report = gathered
            .report
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.files_scanned += gathered.files.into_inner();
        report.bytes_scanned += gathered.bytes.into_inner();
        report
            .findings
            .sort_by(|one, other| (&one.path, one.span).cmp(&(&other.path, other.span)));
        // Folders that are named may be in each other.
        report.findings.dedup_by(|one, other| {
            (&one.path, one.span, one.rule.id) == (&other.path, other.span, other.rule.id)
        });
        report.notes.sort();
        report.notes.dedup();
        Ok(report)
    }

    /// Looks at a file.
    fn visit(&self, entry: &DirEntry, buffer: &mut Buffer, around: &Around<'_>) {
        let gathered = around.gathered;
        let is_root = entry.depth() == 0;
        let is_file = is_root || entry.file_type().is_some_and(|kind| kind.is_file());
        if !is_file || is_root && entry.path().is_dir() || self.is_passed_over(entry.path()) {
            return;
        }
        buffer.clear();
        match self.read(entry.path(), buffer) {
            Ok(Read::Whole) => self.file(entry.path(), buffer.bytes(), around),
            Ok(Read::Binary) => gathered.count(buffer.bytes().len() as u64),
            Ok(Read::Large {
                bytes,
                is_of_interest,
            }) => {
                gathered.count(bytes);
                if is_of_interest {
                    let limit = FILE_BYTES_MAX >> 20;
                    let reason =
                        format!("not read, since it has more than {limit} MiB, though it may have findings");
                    gathered.failed(entry.path(), reason, is_root);
                }
            }
            Err(error) => gathered.failed(entry.path(), format!("not read: {error}"), is_root),
        }
    }

    fn is_passed_over(&self, path: &Path) -> bool {
        let same_name = |other: &&PathBuf| other.file_name() == path.file_name();
        let mut alike = self.options.passed_over.iter().filter(same_name).peekable();
        alike.peek().is_some() && {
            let path = path.canonicalize();
            alike.any(|other| matches!((other.canonicalize(), &path), (Ok(one), Ok(other)) if one == *other))
        }
    }

    fn read(&self, path: &Path, buffer: &mut Buffer) -> std::io::Result<Read> {
        let mut file = File::open(path)?;
        buffer.fill(&mut file, HEAD_BYTES)?;
        let head = buffer.bytes();
        let is_wide = matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        if !is_wide && memchr::memchr(0, head).is_some() {
            return Ok(Read::Binary);
        }
        buffer.fill(&mut file, FILE_BYTES_MAX + 1)?;
        if buffer.bytes().len() <= FILE_BYTES_MAX {
            return Ok(Read::Whole);
        }
        self.sift_rest(&mut file, buffer)
    }

    /// Goes through the rest of a large file window by window.
    fn sift_rest(&self, file: &mut File, buffer: &mut Buffer) -> std::io::Result<Read> {
        let mut bytes = buffer.bytes().len() as u64;
        let mut is_of_interest = self.auditor.is_of_interest(buffer.bytes());
        loop {
            buffer.keep_last(OVERLAP_BYTES);
            let kept = buffer.bytes().len();
            buffer.fill(file, WINDOW_BYTES)?;
            let count = buffer.bytes().len() - kept;
            if count == 0 {
                buffer.give_back();
                return Ok(Read::Large {
                    bytes,
                    is_of_interest,
                });
            }
            bytes += count as u64;
            is_of_interest = is_of_interest || self.auditor.is_of_interest(buffer.bytes());
        }
    }

    fn file(&self, path: &Path, bytes: &[u8], around: &Around<'_>) {
        let gathered = around.gathered;
        if !self.auditor.is_of_interest(bytes) {
            gathered.count(bytes.len() as u64);
            return;
        }
        let file = path;
        let path = shown(file);
        let mut found = self.auditor.read(around.directories, &path, bytes);
        name_each(&mut found.findings, around.stable);
        let mut report = gathered.report.lock().unwrap_or_else(PoisonError::into_inner);
        if Path::new(&path) != file.strip_prefix("./").unwrap_or(file) {
            report.names.insert(path.clone(), file.to_owned());
        }
        report.add_file(&path, bytes.len() as u64, found);
    }
}

/// A way through a folder; what is left out is told below `root`.
fn walk(folder: &Path, root: &Path, options: &TreeOptions) -> Result<WalkBuilder, TreeError> {
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false)
        .git_ignore(options.heeds_gitignore)
        .git_exclude(options.heeds_gitignore)
        .git_global(false)
        .parents(options.heeds_gitignore)
        .require_git(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .follow_links(false)
        .threads(options.threads)
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    if !options.left_out.is_empty() {
        let mut overrides = ignore::overrides::OverrideBuilder::new(root);
        for pattern in &options.left_out {
            // An override names what is wanted, so what is not wanted begins with a mark.
            overrides
                .add(&format!("!{pattern}"))
                .map_err(|source| TreeError::Pattern {
                    pattern: pattern.clone(),
                    source,
                })?;
        }
        let built = overrides.build().map_err(|source| TreeError::Pattern {
            pattern: options.left_out.join(" "),
            source,
        })?;
        walk.overrides(built);
    }
    Ok(walk)
}

enum Read {
    Whole,
    Binary,
    Large { bytes: u64, is_of_interest: bool },
}

/// What was read of a file. Its memory is used again for the next one.
#[derive(Default)]
struct Buffer {
    memory: Vec<u8>,
    length: usize,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }

    /// Reads on, until there are `wanted` bytes or more, or the file ends.
    fn fill(&mut self, file: &mut File, wanted: usize) -> std::io::Result<()> {
        while self.length < wanted {
            if self.memory.len() < self.length + READ_BYTES {
                self.memory
                    .resize((2 * self.length).max(self.length + READ_BYTES), 0);
            }
            let free = self.memory.get_mut(self.length..).unwrap_or_default();
            match file.read(free) {
                Ok(0) => return Ok(()),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    /// Forgets all but so many bytes.
    fn keep_last(&mut self, count: usize) {
        let from = self.length.saturating_sub(count);
        self.memory.copy_within(from..self.length, 0);
        self.length -= from;
    }

    /// Gives the memory of a large file back.
    fn give_back(&mut self) {
        self.memory = Vec::new();
        self.length = 0;
    }
}

impl Gathered {
    fn count(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something could not be read, which may have been named itself.
    fn failed(&self, path: &Path, reason: String, is_root: bool) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let note = Note {
            path: shown(path),
            reason,
            is_failure: true,
        };
        report.unread += 1;
        report.notes_in_all += 1;
        if is_root {
            report.unread_roots.push(note.clone());
        }
        if report.notes.len() < NOTES_MAX {
            report.notes.push(note);
        }
    }
}

/// Whether what was named can be read at all.
fn opens(root: &Path) -> std::io::Result<()> {
    match std::fs::metadata(root)?.is_dir() {
        true => std::fs::read_dir(root).map(|_| ()),
        false => File::open(root).map(|_| ()),
    }
}

/// A path as reports name it: with slashes, and without a `./` before it.
fn shown(path: &Path) -> String {
    let below = path.strip_prefix("./").ok();
    let path = below
        .filter(|below| !below.as_os_str().is_empty())
        .unwrap_or(path);
    let name = told(path.as_os_str().as_encoded_bytes());
    match std::path::MAIN_SEPARATOR {
        '/' => name,
        other => name.replace(other, "/"),
    }
}

/// A name as text: bytes that are no UTF-8 as `\xFF`.
pub(crate) fn told(name: &[u8]) -> String {
    let chunks = name.utf8_chunks();
    chunks.fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests;
