use proptest::prelude::*;

use super::*;

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn digest(number: u8) -> Digest {
    Digest::sha256_of(&[number])
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, "a", "b").unwrap()
}

#[test]
fn what_was_noted_is_known_to_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    assert!(!journal.was_begun());
    journal
        .upload_opened(&name("x"), &digest(1), "http://h/1")
        .unwrap();
    journal
        .upload_opened(&name("x"), &digest(2), "http://h/2")
        .unwrap();
    journal.blob_done(&name("x"), &digest(1)).unwrap();
    journal.manifest_done(&name("y"), &digest(3)).unwrap();
    journal.tag_done(&name("y"), "v1", &digest(3)).unwrap();
    journal.tag_done(&name("y"), "v1", &digest(4)).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let journal = open(dir.path());
    assert!(journal.was_begun());
    assert!(journal.has_blob(&name("x"), &digest(1)) && !journal.has_blob(&name("y"), &digest(1)));
    assert_eq!(journal.repository_with(&digest(1)), Some(name("x")));
    assert_eq!(journal.open_upload(&digest(1)), None);
    assert_eq!(journal.open_upload(&digest(2)).unwrap().address, "http://h/2");
    assert!(journal.has_manifest(&name("y"), &digest(3)));
    assert_eq!(journal.tag(&name("y"), "v1"), Some(digest(4)));
    journal.lost(&name("y")).unwrap();
    drop(journal);
    let journal = open(dir.path());
    assert!(!journal.has_manifest(&name("y"), &digest(3)) && journal.has_blob(&name("x"), &digest(1)));
}

#[test]
fn one_process_at_a_time_and_one_move_for_each_journal() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    assert!(matches!(
        Journal::open(dir.path(), "a", "b"),
        Err(JournalError::Busy { .. })
    ));
    drop(journal);
    assert!(matches!(
        Journal::open(dir.path(), "a", "c"),
        Err(JournalError::Other { .. })
    ));
    std::fs::write(dir.path().join("journal"), "something else\n").unwrap();
    assert!(matches!(
        Journal::open(dir.path(), "a", "b"),
        Err(JournalError::NotAJournal { .. })
    ));
}

#[test]
fn links_are_not_followed_and_nothing_behind_them_is_changed() {
    for name in ["lock", "journal", "manifests"] {
        let dir = tempfile::tempdir().unwrap();
        let (inside, elsewhere) = (dir.path().join("journal-dir"), dir.path().join("precious"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&elsewhere, "precious").unwrap();
        let link = inside.join(name);
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let refused = Journal::open(&inside, "a", "b").unwrap_err();
        assert!(
            matches!(&refused, JournalError::Io { path, .. } if *path == link),
            "{refused:?}"
        );
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "precious");
        // Nor is anything made where one leads.
        std::fs::remove_file(&elsewhere).unwrap();
        assert!(Journal::open(&inside, "a", "b").is_err());
        assert!(!elsewhere.exists());
        std::fs::remove_file(&link).unwrap();
        open(&inside);
    }
}

#[test]
fn files_that_are_not_of_a_journal_stay_as_they_are() {
    let kept = |name: &str, content: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), content).unwrap();
        if name != "journal" {
            std::fs::write(dir.path().join("journal"), "notes\n").unwrap();
        }
        let opened = Journal::open(dir.path(), "a", "b");
        assert!(
            matches!(opened, Err(JournalError::NotAJournal { .. })),
            "{opened:?}"
        );
        assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), content);
    };
    kept("journal", "notes without an end");
    kept("journal", &"long ".repeat(10_000));
    kept("lock", "somebody's");
    kept("manifests", "somebody's\n");
}

#[test]
fn a_first_line_that_was_cut_off_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).blob_done(&name("x"), &digest(1)).unwrap();
    let path = dir.path().join("journal");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, bytes.get(..30).unwrap()).unwrap();
    let journal = open(dir.path());
    assert!(!journal.was_begun() && !journal.has_blob(&name("x"), &digest(1)));
    journal.blob_done(&name("x"), &digest(2)).unwrap();
    drop(journal);
    assert!(open(dir.path()).has_blob(&name("x"), &digest(2)));
}

proptest! {
    #[test]
    fn a_torn_tail_loses_only_itself(cut in 0_usize..1200, junk in proptest::collection::vec(any::<u8>(), 0..60)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = open(dir.path());
        let mut ends = Vec::new();
        for number in 0..8 {
            journal.blob_done(&name("x"), &digest(number)).unwrap();
            ends.push(std::fs::metadata(&path).unwrap().len() as usize);
        }
        drop(journal);
        let mut bytes = std::fs::read(&path).unwrap();
        let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes.truncate(cut.max(header));
        let whole = ends.iter().filter(|end| **end <= bytes.len()).count();
        bytes.extend(junk);
        std::fs::write(&path, &bytes).unwrap();
        let journal = open(dir.path());
        for number in 0..8_u8 {
            prop_assert_eq!(journal.has_blob(&name("x"), &digest(number)), usize::from(number) < whole);
        }
        journal.tag_done(&name("x"), "after", &digest(1)).unwrap();
        drop(journal);
        prop_assert_eq!(open(dir.path()).tag(&name("x"), "after"), Some(digest(1)));
    }

    #[test]
    fn a_changed_byte_adds_nothing(at in 80_usize..1200, value in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = open(dir.path());
        for number in 0..8 {
            journal.blob_done(&name("x"), &digest(number)).unwrap();
        }
        drop(journal);
        let mut bytes = std::fs::read(&path).unwrap();
        let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let at = at.max(header);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        std::fs::write(&path, &bytes).unwrap();
        let journal = open(dir.path());
        let known = journal.state().repositories.get(&name("x")).map_or(0, |done| done.blobs.len());
        let right = (0..8).filter(|number| journal.has_blob(&name("x"), &digest(*number))).count();
        prop_assert_eq!(known, right);
        prop_assert!(journal.state().repositories.len() <= 1);
    }
}
