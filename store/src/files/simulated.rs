//! A disk in memory that forgets what was not synced, and fails when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::disk::{Disk, Growing, Readable};
use crate::conformance::Dice;

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// Writes wait until it is false.
    held_up: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    /// Names as processes see them.
    live: BTreeMap<PathBuf, Entry>,
    /// Names as they are after a loss of power.
    durable: BTreeMap<PathBuf, Entry>,
    clock: Duration,
    calls: u64,
    /// At which call what happens.
    fault: Option<(u64, Fault)>,
    is_off: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Entry {
    Directory,
    File(usize),
}

#[derive(Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: the pages count as clean and will never be written.
    is_lost: bool,
    written: Duration,
}

/// What happens at some call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The power goes: this call does half of what it should, and all later ones fail.
    Off,
    /// The call fails. A write has written half.
    Error(io::ErrorKind),
}

impl SimulatedDisk {
    /// Something happens at the `calls`th call from now on.
    pub(crate) fn fail_at(&self, calls: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.calls + calls, fault));
    }

    /// Writes wait until this is dropped.
    pub(crate) fn hold_up(&self) -> HeldUp {
        self.held_up.store(true, Ordering::SeqCst);
        HeldUp(Arc::clone(&self.held_up))
    }

    /// Whether the power went.
    pub(crate) fn is_off(&self) -> bool {
        self.state().is_off
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.state().clock += time;
    }

    /// The processes end, and with the power everything that was not synced, or only some of it.
    pub(crate) fn restart(&self, loses_power: bool, dice: &mut Dice) {
        let mut state = self.state();
        state.fault = None;
        state.is_off = false;
        if loses_power {
            state.lose_power(dice);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Counts a call, and fails if it is time to.
    fn call(&self) -> Result<MutexGuard<'_, State>, (MutexGuard<'_, State>, io::Error)> {
        let mut state = self.state();
        state.calls += 1;
        let calls = state.calls;
        let error = match state.fault {
            _ if state.is_off => io::Error::other("the power is off"),
            Some((at, Fault::Off)) if calls >= at => {
                state.is_off = true;
                io::Error::other("the power went")
            }
            Some((at, Fault::Error(kind))) if calls == at => kind.into(),
            _ => return Ok(state),
        };
        Err((state, error))
    }

    fn plain(&self) -> io::Result<MutexGuard<'_, State>> {
        self.call().map_err(|(_, error)| error)
    }
}

impl State {
    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.live.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn has_parent(&self, path: &Path) -> bool {
        let parent = path.parent().unwrap_or(Path::new(""));
        parent == Path::new("") || self.live.get(parent) == Some(&Entry::Directory)
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        let paths: BTreeSet<PathBuf> = self.live.keys().chain(self.durable.keys()).cloned().collect();
        let (live, durable) = (std::mem::take(&mut self.live), std::mem::take(&mut self.durable));
        // Parents come before their children, and what is in a directory that is gone is gone.
        for path in paths {
            let side = if dice.below(2) == 0 { &live } else { &durable };
            if let Some(entry) = side.get(&path).copied().filter(|_| self.has_parent(&path)) {
                self.live.insert(path, entry);
            }
        }
        self.durable = self.live.clone();
        for inode in &mut self.inodes {
            let (synced, written) = (inode.durable.len(), inode.live.len());
            let kept = synced + dice.below(written.saturating_sub(synced) + 1);
            let mut bytes = inode.durable.clone();
            bytes.extend(inode.live.get(synced..kept).unwrap_or_default());
            // A block that was allocated and never written.
            if kept > synced && dice.below(3) == 0 {
                let torn = synced + dice.below(kept - synced);
                bytes.get_mut(torn..).unwrap().fill(0);
            }
            inode.live = bytes.clone();
            inode.durable = bytes;
            inode.is_lost = false;
        }
    }
}

/// See [`SimulatedDisk::hold_up`].
pub(crate) struct HeldUp(Arc<AtomicBool>);

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

struct Handle {
    disk: SimulatedDisk,
    inode: usize,
}

impl Growing for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.disk.held_up.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (mut state, count, result) = match self.disk.call() {
            Ok(state) => (state, bytes.len(), Ok(())),
            Err((state, error)) => (state, bytes.len() / 2, Err(error)),
        };
        let clock = state.clock;
        let inode = &mut state.inodes[self.inode];
        inode.live.extend(&bytes[..count]);
        inode.written = clock;
        result
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.plain()?.inodes[self.inode].live.len() as u64)
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        let mut state = self.plain()?;
        if state.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.has_parent(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (inode, written) = (state.inodes.len(), state.clock);
        state.inodes.push(Inode {
            written,
            ..Inode::default()
        });
        state.live.insert(path.to_owned(), Entry::File(inode));
        let disk = self.clone();
        Ok(Box::new(Handle { disk, inode }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        let inode = self.plain()?.file(path)?;
        let disk = self.clone();
        Ok(Box::new(Handle { disk, inode }))
    }

    fn read(&self, path: &Path) -> io::Result<Readable> {
        let state = self.plain()?;
        let inode = state.file(path)?;
        Ok(Readable::Memory(state.inodes[inode].live.clone()))
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.plain()?;
        let inode = state.file(path).ok();
        Ok(inode.map(|inode| state.inodes[inode].live.len() as u64))
    }

    fn idle(&self, path: &Path) -> io::Result<Option<Duration>> {
        let state = self.plain()?;
        let inode = state.file(path).ok();
        Ok(inode.map(|inode| state.clock - state.inodes[inode].written))
    }

    fn renew(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain()?;
        let (inode, clock) = (state.file(path)?, state.clock);
        state.inodes[inode].written = clock;
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let (mut state, result) = match self.call() {
            Ok(state) => (state, Ok(())),
            Err((state, error)) => (state, Err(error)),
        };
        let inode = state.file(path)?;
        let inode = &mut state.inodes[inode];
        inode.is_lost |= result.is_err();
        if !inode.is_lost {
            inode.durable = inode.live.clone();
        }
        result
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain()?;
        let inside = |entry: &Path| entry.parent() == Some(path);
        let now: Vec<_> = state.live.iter().filter(|(entry, _)| inside(entry)).collect();
        let now: Vec<_> = now
            .into_iter()
            .map(|(path, entry)| (path.clone(), *entry))
            .collect();
        state.durable.retain(|entry, _| !inside(entry));
        state.durable.extend(now);
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain()?;
        if !state.has_parent(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.live.entry(path.to_owned()).or_insert(Entry::Directory);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.plain()?;
        let inode = state.file(from)?;
        if !state.has_parent(to) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.live.remove(from);
        state.live.insert(to.to_owned(), Entry::File(inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.plain()?;
        Ok(state.file(path).is_ok() && state.live.remove(path).is_some())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.plain()?;
        let names = state.live.keys().filter(|entry| entry.parent() == Some(path));
        Ok(names
            .filter_map(|entry| Some(entry.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn room(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
