//! Where the content of repositories comes from, kept in memory: each read by tag asks.
//!
//! Every change of a repository through this process forgets it. A look-up that began before such a change does not bring the
//! old state back.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use store::{Mode, RepositoryPath, StoreError};

use crate::registry::Registry;

/// Repositories that are remembered; with one more all are looked up again.
const REPOSITORIES_MAX: usize = 10_000;

/// Modes by repository.
#[derive(Default)]
pub(crate) struct Modes(RwLock<State>);

#[derive(Default)]
struct State {
    modes: HashMap<RepositoryPath, Arc<Mode>>,
    /// How often one was forgotten.
    forgotten: u64,
}

impl Modes {
    fn get(&self, path: &RepositoryPath) -> Result<Arc<Mode>, u64> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.modes.get(path).cloned().ok_or(state.forgotten)
    }

    fn keep(&self, path: &RepositoryPath, mode: &Arc<Mode>, forgotten: u64) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.forgotten != forgotten {
            return;
        }
        if state.modes.len() >= REPOSITORIES_MAX {
            state.modes.clear();
        }
        state.modes.insert(path.clone(), Arc::clone(mode));
    }

    /// To be called after a repository was made, changed or removed, and before that is answered.
    pub(crate) fn forget(&self, path: &RepositoryPath) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.forgotten += 1;
        state.modes.remove(path);
    }
}

impl Registry {
    /// Where the content of a repository comes from; from pushes where there is no such repository yet.
    pub(crate) async fn mode_of(&self, path: &RepositoryPath) -> Result<Arc<Mode>, StoreError> {
        let forgotten = match self.modes().get(path) {
            Ok(mode) => return Ok(mode),
            Err(forgotten) => forgotten,
        };
        // What is not there is looked up again each time: whoever asks could else fill the memory with names.
        let Some(repository) = self.metadata().repository(path).await? else {
            return Ok(Arc::new(Mode::Standard));
        };
        let mode = Arc::new(repository.mode);
        self.modes().keep(path, &mode, forgotten);
        Ok(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_that_is_older_than_a_change_is_not_kept() {
        let (modes, path) = (
            Modes::default(),
            "projects/p/locations/l/repositories/r".parse().unwrap(),
        );
        let Err(before) = modes.get(&path) else {
            panic!("nothing was kept");
        };
        modes.forget(&path);
        modes.keep(&path, &Arc::new(Mode::Standard), before);
        assert!(modes.get(&path).is_err());
        let now = modes.get(&path).unwrap_err();
        modes.keep(&path, &Arc::new(Mode::Standard), now);
        assert!(modes.get(&path).is_ok());
        modes.forget(&path);
        assert!(modes.get(&path).is_err());
    }
}
