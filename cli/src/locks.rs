//! Reading, using and writing locks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use archive::Encoder;
use cache::{Key, Shelf};
use factory::build::ImageRequest;
use factory::lock::{LOCK_BYTES_MAX, Lock};
use factory::release::Architecture;
use factory::specification::Plan;

use crate::failure::{Failure, Kind};
use crate::resolution;
use crate::selection::LockPlace;
use crate::workshop::Workshop;

/// The key of the lock of catalogue images in the cache.
const CATALOGUE_KEY: &str = "catalogue.lock";

/// The lock that a build wants.
pub(crate) struct LockWish<'w> {
    pub(crate) place: &'w LockPlace,
    pub(crate) images: &'w [ImageRequest],
    /// Nothing may be resolved.
    pub(crate) locked: bool,
    /// Architectures that cannot be resolved are left out.
    pub(crate) keep_going: bool,
    /// The compressor that was asked for; none: the lock's.
    pub(crate) encoder: Option<Encoder>,
}

/// A lock that fits, and the compressor to build with.
pub(crate) struct ForBuild {
    pub(crate) lock: Lock,
    pub(crate) encoder: Encoder,
}

/// The lock for a build: the one that is there when it fits, else that one with what was missing resolved anew.
pub(crate) async fn for_build(wish: &LockWish<'_>, workshop: &Workshop) -> Result<ForBuild, Failure> {
    let existing = read(wish.place, workshop)?;
    let existing = existing
        .map(|lock| with_encoder(lock, wish, workshop))
        .transpose()?
        .flatten();
    let why = match &existing {
        Some(found) => match misfit(&found.lock, wish.images) {
            None => return existing.ok_or_else(|| Failure::stated(Kind::Bug, "the lock is lost")),
            Some(why) => why,
        },
        None => format!("there is no lock at {}", wish.place.describe(workshop)),
    };
    if wish.locked {
        return Err(Failure::usage(format!("cannot build from the lock: {why}"))
            .hint("`lightship lock` makes the lock; without --locked, build does so itself"));
    }
    workshop.note(&format!("{why}: resolving packages"));
    let encoder = existing
        .as_ref()
        .map(|found| found.encoder)
        .or(wish.encoder)
        .unwrap_or(Encoder::Gzip);
    let lacking: Vec<&ImageRequest> = wish
        .images
        .iter()
        .filter(|image| {
            existing
                .as_ref()
                .is_none_or(|found| misfit(&found.lock, std::slice::from_ref(image)).is_some())
        })
        .collect();
    let plans: Vec<Plan> = lacking.iter().map(|image| image.plan.clone()).collect();
    let architectures: BTreeSet<Architecture> = lacking
        .iter()
        .flat_map(|image| image.architectures.iter().copied())
        .collect();
    let architectures: Vec<Architecture> = architectures.into_iter().collect();
    let wanted = resolution::Wanted {
        plans: &plans,
        architectures: &architectures,
        keep_going: wish.keep_going,
        encoder,
    };
    let resolved = resolution::resolve(&wanted, workshop).await?;
    let lock = existing.map_or_else(
        || resolved.lock.clone(),
        |found| found.lock.updated(&resolved.lock),
    );
    write(wish.place, &lock, workshop)?;
    Ok(ForBuild { lock, encoder })
}

/// The lock with its compressor. One that was made with another compressor than asked for is used all the same
/// where nothing says otherwise: packages do not depend on it.
fn with_encoder(lock: Lock, wish: &LockWish<'_>, workshop: &Workshop) -> Result<Option<ForBuild>, Failure> {
    let encoder = check_ids(&lock, wish.place, workshop)?;
    match wish.encoder {
        Some(asked) if asked != encoder && wish.locked => Err(Failure::usage(format!(
            "the lock is for {}, and --compression asks for {}",
            encoder.id(),
            asked.id()
        ))
        .hint("leave --compression away, or make the lock anew")),
        Some(asked) if asked != encoder => Ok(Some(ForBuild {
            lock: Lock {
                encoder: asked.id().to_owned(),
                ..lock
            },
            encoder: asked,
        })),
        _ => Ok(Some(ForBuild { lock, encoder })),
    }
}

/// Refuses a lock whose ids this release does not have.
pub(crate) fn check_ids(lock: &Lock, place: &LockPlace, workshop: &Workshop) -> Result<Encoder, Failure> {
    lock.check_ids().map_err(|error| {
        Failure::new(
            Kind::Usage,
            format!("cannot use {}", place.describe(workshop)),
            error,
        )
        .hint("build with that release, or move to this one with `lightship lock --update`")
    })
}

/// Why `lock` does not fit `images`, in words; none when it does.
fn misfit(lock: &Lock, images: &[ImageRequest]) -> Option<String> {
    images
        .iter()
        .find_map(|image| lock.satisfies([&image.plan], &image.architectures).err())
        .map(|why| why.to_string())
}

/// Reads the lock at `place`, if there is one.
pub(crate) fn read(place: &LockPlace, workshop: &Workshop) -> Result<Option<Lock>, Failure> {
    let name = place.describe(workshop);
    let bytes = match place {
        LockPlace::File(path) => read_file(path),
        LockPlace::Cache => workshop
            .cache
            .read(Shelf::Locks, &key()?, LOCK_BYTES_MAX as u64)
            .map_err(io::Error::other),
    };
    let bytes = bytes.map_err(|error| Failure::outside(format!("cannot read {name}"), error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let lock = Lock::parse(&bytes).map_err(|error| {
        Failure::new(Kind::Usage, format!("cannot use {name}"), error)
            .hint("take it from version control again, or remove it and run `lightship lock`")
    })?;
    Ok(Some(lock))
}

fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // One byte more than a lock may have: the parser then says so.
    file.take(LOCK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes the lock, whole or not at all.
pub(crate) fn write(place: &LockPlace, lock: &Lock, workshop: &Workshop) -> Result<(), Failure> {
    let text = lock.to_text();
    let written = match place {
        LockPlace::Cache => {
            let stored = workshop.cache.insert(Shelf::Locks, &key()?, text.as_bytes());
            stored.map(drop).map_err(io::Error::other)
        }
        LockPlace::File(path) => write_file(path, text.as_bytes()),
    };
    written.map_err(|error| Failure::outside(format!("cannot write {}", place.describe(workshop)), error))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".lightship")
        .permissions(readable())
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A lock is to be committed and read by others; temporary files are private unless told otherwise.
fn readable() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o644)
}

fn key() -> Result<Key, Failure> {
    Key::new(CATALOGUE_KEY).map_err(|error| Failure::bug("the lock in the cache has no name", error))
}

impl LockPlace {
    /// The lock's place, for people.
    pub(crate) fn describe(&self, workshop: &Workshop) -> String {
        match (self, key()) {
            (LockPlace::File(path), _) => path.display().to_string(),
            (LockPlace::Cache, Ok(key)) => workshop.cache.path(Shelf::Locks, &key).display().to_string(),
            (LockPlace::Cache, Err(_)) => "the cache".to_owned(),
        }
    }
}
