//! Ctrl-C while something is done that should end well: it is noted, and whoever works looks between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Whether the user, or who ends processes, wants an end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    is_wanted: Arc<AtomicBool>,
}

impl Interruption {
    /// Hears from now on, to the end of the process.
    pub(crate) fn heard() -> Result<Interruption, Failure> {
        let interruption = Interruption::default();
        let failed = |error| Failure::outside("cannot wait for signals", error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let within = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        drop(within);
        let is_wanted = Arc::clone(&interruption.is_wanted);
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            is_wanted.store(true, Ordering::SeqCst);
        });
        Ok(interruption)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }
}
