//! Breaking off what nobody waits for any more.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a backup goes on.
#[derive(Default)]
pub(crate) struct Breaking {
    is_over: AtomicBool,
    /// Ends what is under way and does not ask.
    end: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Breaking {
    /// # Errors
    /// When it does not.
    pub(super) fn go_on(&self) -> io::Result<()> {
        match self.is_over.load(Ordering::Relaxed) {
            true => Err(io::Error::new(io::ErrorKind::Interrupted, "nobody waits for it")),
            false => Ok(()),
        }
    }

    /// Does work that does not ask whether to go on, and that `end` ends.
    pub(crate) fn ended_by<T>(&self, end: Box<dyn Fn() + Send>, work: impl FnOnce() -> T) -> T {
        self.set(Some(end));
        let done = work();
        self.set(None);
        done
    }

    fn set(&self, end: Option<Box<dyn Fn() + Send>>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

/// Breaks off when it is dropped.
pub(super) struct BreakOff(pub(super) Arc<Breaking>);

impl Drop for BreakOff {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        let end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = &*end {
            end();
        }
    }
}
