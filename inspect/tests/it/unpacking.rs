//! Images as files of this machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use archive::tar::EntryKind;
use inspect::view::Owners;

use crate::sample::{Item, dir, file, hardlink, link, special, view};

fn with_mode((mut entry, content): Item, mode: u32) -> Item {
    entry.mode = mode;
    entry.mtime = 1_000_000_000;
    (entry, content)
}

#[tokio::test]
async fn files_links_modes_and_times_are_those_of_the_image() {
    let big = vec![b'x'; 600_000];
    let view = view(&[
        &[
            with_mode(dir("/locked"), 0o555),
            with_mode(file("/locked/suid", b"s"), 0o4755),
            file("/big", &big),
            hardlink("/big2", "/big"),
            link("/out", "/etc/hostname"),
            special("/pipe", EntryKind::Fifo),
        ],
        &[
            file("/small", b"new"),
            hardlink("/small2", "/small"),
            file("/out2/x", b"implied"),
        ],
    ])
    .await;
    let target = tempfile::tempdir().unwrap();
    view.unpack(target.path(), Owners::Caller).unwrap();
    let at = |name: &str| target.path().join(name);
    let metadata = |name: &str| fs::symlink_metadata(at(name)).unwrap();
    assert_eq!(fs::read(at("big")).unwrap(), big);
    assert_eq!(metadata("big").ino(), metadata("big2").ino());
    assert_eq!(metadata("small").ino(), metadata("small2").ino());
    assert_eq!(metadata("locked").permissions().mode() & 0o7777, 0o555);
    assert_eq!(metadata("locked/suid").permissions().mode() & 0o7777, 0o4755);
    assert_eq!(
        (metadata("locked").mtime(), metadata("locked/suid").mtime()),
        (1_000_000_000, 1_000_000_000)
    );
    assert_eq!(fs::read_link(at("out")).unwrap().to_str(), Some("/etc/hostname"));
    assert_eq!(fs::read(at("out2/x")).unwrap(), b"implied");
    assert!(!at("pipe").exists());
}
