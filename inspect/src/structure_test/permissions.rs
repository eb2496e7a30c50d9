//! Kind and permissions of a file as Go's `FileMode.String()` prints them.

use super::file_system::{FileKind, FileStatus};

/// Nine permission letters after letters for the kind and for the setuid, setgid and sticky bits; unlike `ls`, Go
/// puts those bits in front (`dtrwxrwxrwx` for `/tmp`) and writes `L` for a symbolic link.
pub(super) fn go_file_mode(status: &FileStatus) -> String {
    let mut out = String::with_capacity(13);
    match status.kind {
        FileKind::Directory => out.push('d'),
        FileKind::Symlink => out.push('L'),
        FileKind::BlockDevice => out.push('D'),
        FileKind::CharDevice => out.push_str("Dc"),
        FileKind::Fifo => out.push('p'),
        FileKind::File => {}
    }
    // Go's order of the letters: d a l T L D p S u g c t; a device's `c` stands behind u and g.
    let bits = [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')];
    out.extend(
        bits.iter()
            .filter(|(bit, _)| status.mode & bit != 0)
            .map(|(_, letter)| letter),
    );
    if out.is_empty() {
        out.push('-');
    }
    let letters = "rwxrwxrwx".chars().enumerate();
    out.extend(letters.map(|(index, letter)| {
        if status.mode & (0o400 >> index) == 0 {
            '-'
        } else {
            letter
        }
    }));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: FileKind, mode: u32, expected: &str) {
        assert_eq!(
            go_file_mode(&FileStatus {
                kind,
                mode,
                uid: 0,
                gid: 0
            }),
            expected
        );
    }

    #[test]
    fn prints_what_go_prints() {
        check(FileKind::File, 0o644, "-rw-r--r--");
        check(FileKind::Directory, 0o700, "drwx------");
        check(FileKind::Directory, 0o1777, "dtrwxrwxrwx");
        check(FileKind::Symlink, 0o777, "Lrwxrwxrwx");
        check(FileKind::File, 0o4755, "urwxr-xr-x");
        check(FileKind::File, 0o6711, "ugrwx--x--x");
        check(FileKind::CharDevice, 0o666, "Dcrw-rw-rw-");
        check(FileKind::Fifo, 0o600, "prw-------");
    }
}
