//! The file store over a disk that loses everything not yet synced.

use std::collections::HashMap;
use std::io::ErrorKind;

use bytes::Bytes;
use oci::Digest;

use super::simulated::{Fault, SimulatedDisk};
use super::*;
use crate::conformance::{Counter, Dice, bytes_of, no_redirects};

const RUNS: u64 = 1000;

/// Store, what was answered, and what was asked to be removed.
struct World {
    disk: SimulatedDisk,
    entropy: Counter,
    answered: HashMap<StorageKey, Vec<u8>>,
}

impl World {
    async fn push(&mut self, store: &FileBlobStore, dice: &mut Dice) -> Result<(), StoreError> {
        let content: Vec<u8> = (0..dice.below(2000)).map(|_| dice.below(255) as u8 + 1).collect();
        let upload = UploadKey::of(&UploadKey::session(&self.entropy), "p").unwrap();
        store.begin(&upload).await?;
        let mut at = 0;
        while at < content.len() {
            let mut append = store.append(&upload, at as u64).await?;
            let end = content.len().min(at + 1 + dice.below(900));
            append.write(Bytes::copy_from_slice(&content[at..end])).await?;
            at = append.finish().await? as usize;
        }
        let key = StorageKey::new(&Digest::sha256_of(&content), &self.entropy);
        let size = content.len() as u64;
        let sealed = store.seal(&upload, &key, size).await;
        // A client tries again, and is told that all is well only if it is.
        let sealed = match sealed {
            Err(error) if dice.below(2) == 0 => store.seal(&upload, &key, size).await.map_err(|_| error),
            sealed => sealed,
        };
        sealed?;
        self.answered.insert(key, content);
        Ok(())
    }

    async fn remove_one(&mut self, store: &FileBlobStore, dice: &mut Dice) -> Result<(), StoreError> {
        let mut keys: Vec<StorageKey> = self.answered.keys().cloned().collect();
        keys.sort();
        if keys.is_empty() {
            return Ok(());
        }
        // From here on it may be there or not.
        let key = keys.swap_remove(dice.below(keys.len()));
        self.answered.remove(&key);
        store.remove(&key).await
    }

    async fn check(&self, store: &FileBlobStore, when: &str) {
        for (key, content) in &self.answered {
            let size = content.len() as u64;
            let read = store.read(key, size, ByteRange::all(size)).await;
            let read = read.unwrap_or_else(|error| panic!("{when}: {error}"));
            assert!(bytes_of(read, &no_redirects).await == *content, "{when}");
        }
    }

    /// One life of the process, to its end by a fault or by itself.
    async fn live(&mut self, dice: &mut Dice, fault: Fault) -> Result<(), StoreError> {
        self.disk.fail_at(1 + dice.below(120) as u64, fault);
        let store = FileBlobStore::on(Box::new(self.disk.clone()))?;
        for _ in 0..10 {
            let done = match dice.below(8) {
                0 => self.remove_one(&store, dice).await,
                1 => store.objects(None, 100).await.map(drop),
                _ => self.push(&store, dice).await,
            };
            if let (Err(error), Fault::Error(kind)) = (done, fault) {
                let is_full = matches!(error, StoreError::Full { .. });
                assert_eq!(is_full, kind == ErrorKind::StorageFull, "{error:?}");
                // What was there is served all the same, and the next push goes well.
                self.check(&store, "after a fault").await;
                self.push(&store, dice).await?;
            }
            if self.disk.is_off() {
                break;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_was_sealed_is_whole_after_a_loss_of_power_at_any_moment() {
    for seed in 0..RUNS {
        let mut dice = Dice::new(seed);
        let mut world = World {
            disk: SimulatedDisk::default(),
            entropy: Counter::default(),
            answered: HashMap::new(),
        };
        for life in 0..3 {
            let fault = match dice.below(5) {
                0 => Fault::Error(ErrorKind::StorageFull),
                1 => Fault::Error(ErrorKind::Other),
                _ => Fault::Off,
            };
            // A store that cannot be opened tells so; the next life tries again.
            let lived = world.live(&mut dice, fault).await;
            assert!(
                lived.is_ok() || !world.disk.is_off() || matches!(fault, Fault::Off),
                "{lived:?}"
            );
            let loses_power = dice.below(3) > 0;
            world.disk.restart(loses_power, &mut dice);
            let store = FileBlobStore::on(Box::new(world.disk.clone())).unwrap();
            world.check(&store, &format!("run {seed}, life {life}")).await;
        }
    }
}
