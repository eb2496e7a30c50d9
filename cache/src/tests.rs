//! What the cache promises.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::{Cache, CacheError, Key, Shelf, TEMPORARY};

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("below")).unwrap();
    (directory, cache)
}

#[test]
fn a_key_never_leads_out_of_its_directory() {
    for bad in [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "../x",
        "a\0b",
        "ü",
        &"x".repeat(201),
    ] {
        assert!(Key::new(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "sha256-00ff", "libc6_2.41-12+deb13u1~x", &"x".repeat(200)] {
        assert!(Key::new(good).is_ok(), "{good:?}");
    }
}

#[test]
fn an_unfinished_write_leaves_nothing() {
    let (_directory, cache) = cache();
    let key = Key::new("k").unwrap();
    let mut writer = cache.writer(Shelf::Layers).unwrap();
    writer.write_all(b"half").unwrap();
    assert!(cache.open_file(Shelf::Layers, &key).unwrap().is_none());
    drop(writer);
    assert_eq!(std::fs::read_dir(cache.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn reads_up_to_the_limit_and_refuses_one_byte_more() {
    let (_directory, cache) = cache();
    let key = Key::new("k").unwrap();
    cache.insert(Shelf::Indexes, &key, b"12345").unwrap();
    assert_eq!(cache.read(Shelf::Indexes, &key, 5).unwrap().unwrap(), b"12345");
    assert!(matches!(
        cache.read(Shelf::Indexes, &key, 4),
        Err(CacheError::TooLarge { limit_bytes: 4, .. })
    ));
}

#[test]
fn cleaning_a_shelf_leaves_the_others() {
    let (_directory, cache) = cache();
    let key = Key::new("abc").unwrap();
    cache.insert(Shelf::Layers, &key, b"layer").unwrap();
    cache.insert(Shelf::Packages, &key, b"package").unwrap();
    let freed = cache.clean(&[Shelf::Layers]).unwrap();
    assert_eq!((freed.files, freed.bytes), (1, 5));
    assert!(cache.open_file(Shelf::Layers, &key).unwrap().is_none());
    assert!(cache.open_file(Shelf::Packages, &key).unwrap().is_some());
    let usage = cache.usage().unwrap();
    let packages = usage.iter().find(|usage| usage.shelf == Shelf::Packages).unwrap();
    assert_eq!((packages.files, packages.bytes), (1, 7));
}

#[test]
fn a_lock_is_held_by_one_at_a_time() {
    let (_directory, cache) = cache();
    let key = Key::new("k").unwrap();
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let _guard = cache.lock(Shelf::Packages, &key).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                thread::sleep(Duration::from_millis(2));
                inside.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
}

#[test]
fn a_file_from_elsewhere_on_the_file_system_is_adopted_whole() {
    let (_directory, cache) = cache();
    let key = Key::new("k").unwrap();
    let guard = cache.lock(Shelf::Packages, &key).unwrap();
    let partial = cache.partial(Shelf::Packages, &key, &guard).unwrap();
    std::fs::write(&partial, b"whole").unwrap();
    cache.adopt(Shelf::Packages, &key, &partial).unwrap();
    assert!(!partial.exists());
    assert_eq!(cache.read(Shelf::Packages, &key, 10).unwrap().unwrap(), b"whole");
}

#[test]
fn what_killed_processes_left_is_removed_unless_another_may_be_writing_it() {
    let directory = tempfile::tempdir().unwrap();
    let left = directory.path().join(TEMPORARY).join(".tmpleft");
    let user = Cache::open(directory.path().to_path_buf()).unwrap();
    std::fs::write(&left, b"half").unwrap();
    let second = Cache::open(directory.path().to_path_buf()).unwrap();
    assert!(left.exists());
    drop((user, second));
    Cache::open(directory.path().to_path_buf()).unwrap();
    assert!(!left.exists());
}
