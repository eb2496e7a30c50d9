//! Passwords and key files of accounts.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::{Fingerprint, HashingMemory, KeyFile, NONCE_BYTES, PublicKey, verify_password};
use store::Account;

use super::remembered::Verified;
use super::{Attempt, Known, principal_of};
use crate::refusal::Refusal;
use crate::registry::Registry;

/// What is said of an account.
pub(super) enum Claim<'c> {
    Password { name: &'c str, password: &'c str },
    KeyFile { file: Arc<KeyFile>, json: &'c str },
}

impl Claim<'_> {
    fn account(&self) -> &str {
        match self {
            Self::Password { name, .. } => name,
            Self::KeyFile { file, .. } => &file.account,
        }
    }
}

/// An attempt that is being verified. Whoever goes away meanwhile has failed: else attempts would cost nothing to those who
/// do not wait for the answer.
struct Tried<'t> {
    of: &'t Registry,
    at: (&'t str, IpAddr),
    is_open: AtomicBool,
}

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if self.is_open.load(Ordering::Relaxed) {
            let (name, address) = self.at;
            let now = self.of.now().as_second();
            self.of.authentication().slow_down.failed(name, address, now);
        }
    }
}

impl Registry {
    /// Whose account it is.
    pub(super) async fn log_in(
        &self,
        claim: &Claim<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<Known>, Refusal> {
        let authentication = self.authentication();
        let (name, now) = (claim.account(), self.now().as_second());
        let fingerprint = match claim {
            Claim::Password { name, password } => {
                authentication.fingerprints.of(&["password", name, password])
            }
            Claim::KeyFile { json, .. } => authentication.fingerprints.of(&["key file", json]),
        };
        let account = attempt.memory.account(self.metadata(), name).await?;
        let account = account.filter(|account| !account.disabled);
        if let (Some(account), Some(verified)) =
            (&account, authentication.remembered.believed(&fingerprint, now))
            && account.generation == verified.generation
            && name == verified.account
        {
            return Ok(known(account, verified.expires));
        }
        self.may_try(&fingerprint, name, attempt)?;
        let tried = Tried {
            of: self,
            at: (name, attempt.address),
            is_open: AtomicBool::new(false),
        };
        let waits = || {
            self.may_try(&fingerprint, name, attempt)?;
            tried.is_open.store(true, Ordering::Relaxed);
            Ok(())
        };
        let verified = match claim {
            Claim::Password { password, .. } => {
                let hash = account.as_ref().and_then(|account| account.password_hash.clone());
                let password = (*password).to_owned();
                let work =
                    move |memory: &mut HashingMemory| verify_password(&password, hash.as_deref(), memory);
                authentication.gate.run(waits, work).await?.then_some(None)
            }
            Claim::KeyFile { file, .. } => self.prove(file, account.is_some(), waits).await?,
        };
        tried.is_open.store(false, Ordering::Relaxed);
        match (account, verified) {
            (Some(account), Some(expires)) => {
                authentication.slow_down.succeeded(name, attempt.address);
                let verified = Verified {
                    account: name.to_owned(),
                    generation: account.generation,
                    expires,
                };
                authentication.remembered.keep(fingerprint, verified, now);
                Ok(known(&account, expires))
            }
            _ => {
                authentication.remembered.forget(&fingerprint);
                authentication.slow_down.failed(name, attempt.address, now);
                Err(Refusal::LoginFailed {
                    account: name.to_owned(),
                })
            }
        }
    }

    /// Whether a password for `name` may be tried elsewhere now: what is guessed there on our word is guessed here.
    pub(crate) fn may_guess(&self, name: &str, address: IpAddr) -> bool {
        let now = self.now().as_second();
        self.authentication().slow_down.wait(name, address, now).is_none()
    }

    /// Takes back that a log-in failed here: the old registry that answers knows them.
    pub(super) fn forgive(&self, refusal: &Refusal, address: IpAddr) {
        if let Refusal::LoginFailed { account } = refusal {
            self.authentication().slow_down.forgive(account, address);
        }
    }

    /// Whether this may be tried now.
    fn may_try(&self, fingerprint: &Fingerprint, name: &str, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        let (authentication, now) = (self.authentication(), self.now().as_second());
        if authentication.remembered.recognises(fingerprint, now) {
            return Ok(());
        }
        match authentication.slow_down.wait(name, attempt.address, now) {
            Some(after_seconds) => Err(Refusal::LoginSlowed {
                after_seconds: after_seconds.unsigned_abs(),
            }),
            None => Ok(()),
        }
    }

    /// Whether a key file is that of a key of its account; if so, when the key expires, if ever.
    async fn prove(
        &self,
        file: &Arc<KeyFile>,
        has_account: bool,
        waits: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Option<Option<i64>>, Refusal> {
        let keys = match has_account {
            true => self.metadata().keys(&file.account).await?,
            false => Vec::new(),
        };
        let now = self.now();
        let key = keys
            .into_iter()
            .find(|key| key.id == file.id)
            .filter(|key| !key.disabled && key.expires.is_none_or(|expires| now < expires));
        let mut nonce = [0; NONCE_BYTES];
        self.entropy().fill(&mut nonce);
        let expires = key
            .as_ref()
            .map(|key| key.expires.map(|expires| expires.as_second()));
        let file = Arc::clone(file);
        let work = move |_: &mut HashingMemory| {
            let public = key.and_then(|key| PublicKey::from_pem(&key.public_key).ok());
            match public {
                Some(public) => file.proves(&public, &nonce),
                // The work is done all the same, under its own public half.
                None => {
                    let _ = file.public_key().map(|public| file.proves(&public, &nonce));
                    false
                }
            }
        };
        let proved = self.authentication().gate.run(waits, work).await?;
        Ok(expires.filter(|_| proved))
    }
}

/// Somebody of an account here. What they are given ends with the key that they showed, if that does.
fn known(account: &Account, expires: Option<i64>) -> Arc<Known> {
    Arc::new(Known {
        generation: Some(account.generation),
        expires,
        ..Known::whole(principal_of(account))
    })
}
