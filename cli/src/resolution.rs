//! Making a lock from what the archives have now.

use std::sync::Arc;

use archive::Encoder;
use debian::repository::FetchError;
use factory::lock::Lock;
use factory::locking::{self, Failures, LockRequest, Locking, LockingError};
use factory::release::Architecture;
use factory::specification::Plan;

use crate::failure::{Failure, Kind};
use crate::workshop::Workshop;

/// What is to be resolved.
pub(crate) struct Wanted<'w> {
    pub(crate) plans: &'w [Plan],
    pub(crate) architectures: &'w [Architecture],
    pub(crate) keep_going: bool,
    pub(crate) encoder: Encoder,
}

/// A lock of what was wanted.
pub(crate) struct Resolution {
    pub(crate) lock: Lock,
    /// Something was left out, and has been told.
    pub(crate) incomplete: bool,
}

/// Resolves, and tells what is worth knowing about the result.
pub(crate) async fn resolve(wanted: &Wanted<'_>, workshop: &Workshop) -> Result<Resolution, Failure> {
    let request = LockRequest {
        plans: Arc::from(wanted.plans),
        architectures: wanted.architectures.to_vec(),
        encoder: wanted.encoder,
        mirrors: workshop.mirrors.clone(),
        keyring: None,
        failures: if wanted.keep_going {
            Failures::KeepGoing
        } else {
            Failures::Stop
        },
    };
    let services = Locking {
        archives: workshop.archives(),
        progress: workshop.progress.clone(),
    };
    let outcome = locking::lock(&request, &services).await.map_err(failure)?;
    for note in &outcome.locked.notes {
        if note.is_warning() {
            workshop.warn(&note.to_string());
        } else if workshop.verbose > 0 {
            workshop.note(&note.to_string());
        }
    }
    for skipped in &outcome.skipped {
        let told = failure_text(&skipped.reason);
        workshop.warn(&format!(
            "{} {} is left out: {told}",
            skipped.release, skipped.architecture
        ));
    }
    Ok(Resolution {
        lock: outcome.locked.lock,
        incomplete: !outcome.skipped.is_empty(),
    })
}

/// What the user wrote is wrong, or something outside is.
fn failure(error: LockingError) -> Failure {
    match error {
        LockingError::Unresolved(_)
        | LockingError::Keys { .. }
        | LockingError::KeyFile { .. }
        | LockingError::Address { .. }
        | LockingError::Ambiguous { .. } => Failure::new(Kind::Usage, "cannot resolve the packages", error),
        LockingError::Fetch { ref source, .. } => {
            let hint = hint(source);
            let failure = Failure::outside("cannot resolve the packages", error);
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
        LockingError::Index { .. } | LockingError::Interrupted => {
            Failure::outside("cannot resolve the packages", error)
        }
    }
}

/// What can be done about an archive that cannot be read.
fn hint(error: &FetchError) -> Option<&'static str> {
    match error {
        FetchError::IndexMismatch { .. } => Some(
            "the mirror lags behind what it signs; try another one with --mirror, or build the other architectures \
             with --keep-going",
        ),
        FetchError::Older { .. } => {
            Some("if you went back to an older mirror or snapshot on purpose, say --allow-older-release")
        }
        FetchError::Expired { .. } => {
            Some("try another mirror with --mirror, and look whether this machine's clock is right")
        }
        FetchError::Offline { .. } => Some("run once without --offline"),
        FetchError::Transport { .. } => Some(
            "look whether the network is there; --mirror names another mirror, --offline uses what is in the cache",
        ),
        _ => None,
    }
}

fn failure_text(error: &LockingError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
