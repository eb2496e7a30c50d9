//! The audit log: lines in a file that is rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::failure::Failure;

/// Where it is and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditFile {
    pub(crate) path: PathBuf,
    /// Beyond it a new file is begun.
    pub(crate) bytes_max: u64,
    /// Old files that are kept beside the current one.
    pub(crate) files_max: usize,
}

impl AuditFile {
    pub(crate) const BYTES_MAX: u64 = 64 << 20;
    pub(crate) const FILES_MAX: usize = 10;

    /// Opens it to go on at its end.
    pub(crate) fn open(&self) -> io::Result<AuditWriter> {
        let file = self.append()?;
        let written = file.metadata()?.len();
        Ok(AuditWriter {
            of: self.clone(),
            file,
            written,
        })
    }

    pub(crate) fn unusable(&self, error: io::Error) -> Failure {
        Failure::outside(
            format!("cannot write the audit log {}", self.path.display()),
            error,
        )
    }

    /// It names who did what: nobody but its owner and its group reads it.
    fn append(&self) -> io::Result<File> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&self.path)
    }

    fn old(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Writes whole lines.
#[derive(Debug)]
pub(crate) struct AuditWriter {
    of: AuditFile,
    file: File,
    written: u64,
}

impl AuditWriter {
    /// Appends a line, after a rotation where it would not fit. A line is never split between files, and one that
    /// was written is with the system, so that the death of the program does not lose it.
    pub(crate) fn write(&mut self, line: &str) -> io::Result<()> {
        if self.written > 0 && self.written + line.len() as u64 > self.of.bytes_max {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.written += line.len() as u64;
        Ok(())
    }

    /// The oldest goes, the others move on by one. Renaming writes over what has the new name.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.of.files_max).rev() {
            match fs::rename(self.of.old(number), self.of.old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.of.path, self.of.old(1))?;
        self.file = self.of.append()?;
        self.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rotated_by_size_and_old_files_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let audit = AuditFile {
            path: directory.path().join("audit.jsonl"),
            bytes_max: 10,
            files_max: 2,
        };
        for (line, first) in [
            ("1234\n", 1),
            ("5678\n", 1),
            ("9\n", 2),
            ("abcdefghijklmnop\n", 3),
            ("q\n", 4),
        ] {
            // Opened again each time, as after a restart.
            audit.open().unwrap().write(line).unwrap();
            let files = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(files, first.min(3), "{line}");
        }
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(audit.path.clone()), "q\n");
        assert_eq!(read(audit.old(1)), "abcdefghijklmnop\n");
        assert_eq!(read(audit.old(2)), "9\n");
    }
}
