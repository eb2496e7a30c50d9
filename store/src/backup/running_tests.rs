//! The directory for backups of a running registry.

use std::fs;
use std::sync::Mutex;

use super::directory::named;
use super::tests::World;
use super::*;
use crate::conformance::at;

impl World {
    pub(super) fn backups(&self) -> BackupDirectory {
        BackupDirectory::new(Arc::clone(&self.data), self.at("backups"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("backups")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "lightship.lock").collect();
        names.sort();
        names
    }
}

pub(super) fn unwatched() -> Watch {
    Arc::new(|_| {})
}

#[tokio::test]
async fn backups_of_a_running_registry_have_names_of_their_own() {
    let world = World::new().await;
    world.push("one").await;
    let backups = world.backups();
    let nowhere = backups.make_backup(unwatched(), at(1000)).await;
    assert!(matches!(nowhere, Err(BackupError::NoDirectory)));
    assert!(!world.at("backups").exists());
    fs::create_dir(world.at("backups")).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let watch: Watch = Arc::new(move |advance| telling.lock().unwrap().push(advance));
    let first = backups.make_backup(watch, at(1000)).await.unwrap();
    assert_eq!(first.name, "lightship-19700101T001640Z");
    assert_eq!((first.copied.objects, first.copied.bytes), (1, 5000));
    let all = Extent {
        objects: 1,
        bytes: 5000,
    };
    assert_eq!(
        *told.lock().unwrap(),
        [Advance {
            done: all,
            total: all
        }]
    );
    world.push("two").await;
    let second = backups.make_backup(unwatched(), at(1000)).await.unwrap();
    assert_eq!(second.name, "lightship-19700101T001640Z-2");
    assert_eq!(second.copied.linked, 2);
    assert_eq!(world.names(), [first.name.as_str(), second.name.as_str()]);
    world.check_backup(&format!("backups/{}", first.name));
    restore(&world.at("backups").join(second.name), &world.at("new"), None).unwrap();
    world.check("new", &["one", "two"]).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(world.at("backups").join(first.name))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o700, "it holds secrets");
}

#[tokio::test]
async fn of_two_backups_at_once_the_second_is_told() {
    let world = World::new().await;
    world.push("one").await;
    fs::create_dir(world.at("backups")).unwrap();
    let (second, path) = (Arc::new(Mutex::new(None)), world.at("backups"));
    let telling = Arc::clone(&second);
    let watch: Watch = Arc::new(move |_| {
        let nothing = |_: &BackupOptions| Err(BackupError::NoDirectory);
        *telling.lock().unwrap() = Some(named(&path, unwatched(), at(1), &nothing));
    });
    world.backups().make_backup(watch, at(1000)).await.unwrap();
    let refused = second.lock().unwrap().take().unwrap();
    assert!(matches!(refused, Err(BackupError::Busy)));
    assert_eq!(world.names(), ["lightship-19700101T001640Z"]);
}

#[tokio::test]
async fn a_backup_that_was_broken_off_is_none_and_goes_before_the_next() {
    let world = World::new().await;
    for number in 0..4 {
        world.push(&format!("n{number}")).await;
    }
    fs::create_dir(world.at("backups")).unwrap();
    let backups = world.backups();
    for cut in 1..=4 {
        // Whatever was written until then stays as it is, as after a kill.
        let dies: Watch = Arc::new(move |advance: Advance| assert!(advance.done.objects < cut, "killed"));
        assert!(backups.make_backup(dies, at(1000)).await.is_err());
        let left = world.names();
        assert_eq!(left, ["lightship-19700101T001640Z.unfinished"]);
        let restored = restore(&world.at("backups").join(&left[0]), &world.at("new"), None);
        assert!(matches!(restored, Err(BackupError::NotABackup { .. })));
        match cut % 2 {
            0 => assert_eq!(backups.clear().await.unwrap(), 1),
            _ => {
                let made = backups.make_backup(unwatched(), at(1000)).await.unwrap();
                fs::remove_dir_all(world.at("backups").join(made.name)).unwrap();
            }
        }
        assert_eq!(world.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_backup_without_room_says_so_and_leaves_nothing() {
    let world = World::new().await;
    for number in 0..4 {
        world.push(&format!("n{number}")).await;
    }
    fs::create_dir(world.at("backups")).unwrap();
    for room in 0..4 {
        let copying = Copying::of(&world.data);
        let left = std::cell::Cell::new(room);
        let full = || match left.get() {
            0 => Err(std::io::ErrorKind::StorageFull.into()),
            count => {
                left.set(count - 1);
                Ok(())
            }
        };
        let made = named(&world.at("backups"), unwatched(), at(1000), &|options| {
            copying.make_while(options, at(1000), &full)
        });
        let error = made.unwrap_err();
        assert!(
            matches!(error, BackupError::Store(StoreError::Full { .. })),
            "{error}"
        );
        assert_eq!(error.to_string(), "no room left to copy an object");
        assert_eq!(world.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_backup_that_nobody_waits_for_breaks_off() {
    let world = World::new().await;
    for number in 0..4 {
        world.push(&format!("n{number}")).await;
    }
    fs::create_dir(world.at("backups")).unwrap();
    let (reached, mut is_reached) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let watch: Watch = Arc::new(move |advance: Advance| {
        reached.send(advance.done.objects).unwrap();
        let _ = goes_on.lock().unwrap().recv();
    });
    let backups = world.backups();
    let making = tokio::spawn(async move { backups.make_backup(watch, at(1000)).await });
    assert_eq!(is_reached.recv().await, Some(1));
    making.abort();
    assert!(making.await.unwrap_err().is_cancelled());
    drop(go_on);
    // Not the fourth one: the channel is closed when the work has ended.
    while let Some(objects) = is_reached.recv().await {
        assert!(objects < 3, "it goes on");
    }
    let backups = world.backups();
    while backups.clear().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_directory_that_vanishes_does_not_come_back_as_half_a_backup() {
    let world = World::new().await;
    for number in 0..4 {
        world.push(&format!("n{number}")).await;
    }
    let backups = world.at("backups");
    fs::create_dir(&backups).unwrap();
    let (gone, mounted) = (world.at("gone"), backups.clone());
    let watch: Watch = Arc::new(move |advance: Advance| {
        // As when its disk is taken away, and only the place is left where it was mounted.
        if advance.done.objects == 1 {
            fs::rename(&mounted, &gone).unwrap();
            fs::create_dir(&mounted).unwrap();
        }
    });
    let made = world.backups().make_backup(watch, at(1000)).await;
    assert!(matches!(made, Err(BackupError::Store(_))), "{made:?}");
    assert_eq!(world.names(), Vec::<String>::new());
}
