//! `audit --verify`: whether references still lead somewhere, and what becomes of them does already.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use audit::finding::{Finding, Resolution, Resolves};
use client::registry::{CredentialStore, Intent, Registries};
use futures_util::stream::{self, StreamExt as _};
use oci::Reference;

use crate::failure::Failure;
use crate::output;
use crate::registry_options::RegistryOptions;
use crate::runtime;
use crate::settings::Settings;

/// References that are asked for at once.
const AT_ONCE: usize = 8;

/// How long a registry may take for an answer, its tokens included; a host that takes longer is asked for nothing more.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Asks for each reference without variables, or whose variables have one value each, and for each that one becomes: once as nobody and once with the user's credentials.
pub(super) fn ask(
    findings: &mut [Finding],
    registry: &RegistryOptions,
    settings: &Settings,
) -> Result<(), Failure> {
    let asked = Asked {
        nobody: registry.registries_as(settings, CredentialStore::empty())?,
        user: registry.registries(settings)?,
        silent: Mutex::default(),
        is_quiet: settings.quiet,
    };
    let references = findings.iter().flat_map(|finding| {
        let target = finding.target.as_ref().map(|target| target.reference.as_str());
        [finding.used_reference(), target]
    });
    let references: BTreeMap<String, Reference> = references
        .filter_map(|text| {
            let reference = parsed(text?)?;
            Some((reference.to_string(), reference))
        })
        .collect();
    let hosts: BTreeSet<&str> = references.values().map(Reference::host).collect();
    if !settings.quiet {
        let (count, hosts) = (references.len(), hosts.into_iter().collect::<Vec<_>>().join(", "));
        output::talk(&format!("asking for {count} references: {hosts}"));
    }
    let answers = runtime::block_on(async {
        let asked = &asked;
        let answers = stream::iter(references)
            .map(|(name, reference)| async move { (name, asked.resolves(&reference).await) });
        answers
            .buffer_unordered(AT_ONCE)
            .collect::<BTreeMap<_, _>>()
            .await
    })?;
    let answer = |text: &str| answers.get(&parsed(text)?.to_string()).cloned();
    for finding in findings {
        finding.resolves = finding.used_reference().and_then(answer);
        if let Some(target) = &mut finding.target {
            target.resolves = answer(&target.reference);
        }
    }
    Ok(())
}

fn parsed(text: &str) -> Option<Reference> {
    text.parse().ok()
}

/// Who asks, and what is known of those who are asked.
struct Asked {
    nobody: Registries,
    user: Registries,
    /// Hosts that did not answer in time.
    silent: Mutex<HashSet<String>>,
    is_quiet: bool,
}

impl Asked {
    async fn resolves(&self, reference: &Reference) -> Resolves {
        let (anonymously, nobody) = self.one(&self.nobody, reference).await;
        let (as_user, user) = self.one(&self.user, reference).await;
        Resolves {
            anonymously,
            as_user,
            reason: nobody.or(user),
        }
    }

    /// What a registry says, and why it says nothing.
    async fn one(&self, registries: &Registries, reference: &Reference) -> (Resolution, Option<String>) {
        let host = reference.host();
        let silence = || {
            let seconds = ANSWER_MAX.as_secs();
            (
                Resolution::Unreachable,
                Some(format!("no answer in {seconds} seconds")),
            )
        };
        if self.lock().contains(host) {
            return silence();
        }
        match tokio::time::timeout(ANSWER_MAX, head(registries, reference)).await {
            Ok(answer) => answer,
            Err(_) => {
                if self.lock().insert(host.to_owned()) && !self.is_quiet {
                    output::talk(&format!("{host} does not answer, and is asked for nothing more"));
                }
                silence()
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn head(registries: &Registries, reference: &Reference) -> (Resolution, Option<String>) {
    let api = match registries.api(reference.host()) {
        Ok(api) => api,
        Err(error) => return (Resolution::Unreachable, Some(error.to_string())),
    };
    let digest = reference.digest().map(ToString::to_string);
    let tag = reference.tag().map(ToString::to_string);
    let wanted = digest.or(tag).unwrap_or_else(|| "latest".to_owned());
    match api.repository(reference.name(), Intent::Pull).head(&wanted).await {
        Ok(Some(_)) => (Resolution::Yes, None),
        Ok(None) => (Resolution::No, None),
        Err(error) => match error.status() {
            Some(401 | 403) => (Resolution::Refused, None),
            Some(404) => (Resolution::No, None),
            _ if error.login_host().is_some() => (Resolution::Refused, None),
            _ => {
                let mut reason = error.to_string();
                let mut cause = error.source();
                while let Some(inner) = cause {
                    reason = inner.to_string();
                    cause = inner.source();
                }
                (Resolution::Unreachable, Some(reason))
            }
        },
    }
}
