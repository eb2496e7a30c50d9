//! Packages with entries and control files that nobody should install.

use archive::tar::{Entry, EntryKind};

use super::{
    CONTROL, chain, control_tar, directory, error_of, file, hardlink, other, read, symlink, tar_of, with_data,
};
use crate::package::Limits;

fn check_refused(entries: &[(Entry, &[u8])], expected: &str) {
    let message = chain(&read(&with_data(entries), &Limits::default()).unwrap_err());
    assert_eq!(
        message,
        format!("entry {} of data.tar: {expected}", entries.len())
    );
}

#[test]
fn refuses_devices_and_pipes() {
    let device = EntryKind::CharDevice { major: 1, minor: 3 };
    check_refused(
        &[other("null", device)],
        "/null is a character device, which a package may not have",
    );
    let device = EntryKind::BlockDevice { major: 8, minor: 0 };
    check_refused(
        &[other("sda", device)],
        "/sda is a block device, which a package may not have",
    );
    check_refused(
        &[other("pipe", EntryKind::Fifo)],
        "/pipe is a named pipe, which a package may not have",
    );
}

#[test]
fn refuses_a_path_that_comes_twice() {
    check_refused(&[file("a", b""), file("a", b"")], "/a comes twice");
    check_refused(&[directory("a"), directory("a")], "/a comes twice");
    check_refused(&[directory("a"), file("a", b"")], "/a comes twice");
    check_refused(&[file("a", b""), symlink("a", "b")], "/a comes twice");
    check_refused(&[file("a", b""), hardlink("a", "a")], "/a comes twice");
}

#[test]
fn refuses_paths_below_links_and_files() {
    check_refused(
        &[symlink("etc", "/real/etc"), file("etc/passwd", b"")],
        "/etc/passwd lies below /etc, which is not a directory",
    );
    check_refused(
        &[file("a", b""), directory("a/b/c")],
        "/a/b/c lies below /a, which is not a directory",
    );
    check_refused(
        &[file("a/b", b""), symlink("a", "/etc")],
        "/a is a symbolic link, and entries before it lie below it",
    );
    // A directory may follow what lies in it.
    assert!(
        read(
            &with_data(&[file("a/b", b""), directory("a")]),
            &Limits::default()
        )
        .is_ok()
    );
}

#[test]
fn refuses_hard_links_to_anything_but_earlier_files() {
    let text = |target: &str| {
        format!("hard link /link has the target /{target}, which is not a file that came before it")
    };
    check_refused(&[hardlink("link", "later")], &text("later"));
    check_refused(&[hardlink("link", "link")], &text("link"));
    check_refused(&[directory("dir"), hardlink("link", "dir")], &text("dir"));
    check_refused(
        &[symlink("sym", "/etc/shadow"), hardlink("link", "sym")],
        &text("sym"),
    );
    let chained = [file("a", b"x"), hardlink("b", "a"), hardlink("c", "b")];
    assert!(read(&with_data(&chained), &Limits::default()).is_ok());
}

#[test]
fn refuses_paths_and_targets_outside_the_root() {
    // The writer does not write such names: change a good one and mend the checksum.
    let renamed = |at: usize, name: &[u8]| {
        let mut bytes = tar_of(&[file("a", b""), hardlink("b", "a")]);
        bytes[at..at + name.len()].copy_from_slice(name);
        let header = &mut bytes[at / 512 * 512..][..512];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        error_of(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &control_tar()),
            ("data.tar", &bytes),
        ])
    };
    assert!(renamed(0, b"/etc/passwd").ends_with("path \"/etc/passwd\" is absolute"));
    assert!(renamed(0, b"./../passwd").ends_with("path \"./../passwd\" has a component \"..\""));
    assert!(renamed(0, b".").ends_with("the root is a file instead of a directory"));
    let message = renamed(512 + 157, b"/etc/shadow");
    assert!(
        message.ends_with("hard link /b has a bad target: path \"/etc/shadow\" is absolute"),
        "{message}"
    );
    assert!(renamed(512 + 157, b"../shadow").ends_with("has a component \"..\""));
    // As dpkg-deb writes targets.
    assert!(renamed(512 + 157, b"./x").contains("hard link /b has the target /x"));
}

// === the control part ===

#[test]
fn refuses_control_parts_that_are_not_a_heap_of_files() {
    let error = |entries: &[(Entry, &[u8])]| {
        error_of(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &tar_of(entries)),
            ("data.tar", &tar_of(&[])),
        ])
    };
    let control = || file("control", CONTROL);
    assert_eq!(error(&[directory("")]), "control.tar has no file \"control\"");
    assert_eq!(
        error(&[control(), control()]),
        "control.tar has the file \"control\" twice"
    );
    assert!(error(&[control(), directory("d")]).starts_with("control.tar has a directory /d"));
    assert!(error(&[control(), file("d/e", b"")]).starts_with("control.tar has a file /d/e"));
    assert!(
        error(&[symlink("control", "/etc/passwd")]).starts_with("control.tar has a symbolic link /control")
    );
    assert!(
        error(&[file("control", b"no colon\n")]).starts_with("the package's control file is damaged: line 1")
    );
}
