//! The ids that decide the bytes of an image, and the releases of the program that have them.

use std::fmt;

use archive::Encoder;

use super::Lock;
use crate::emulation::EMULATION_ID;

/// This release of the program.
pub(super) const THIS_RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Ids that a release had and this one no longer has, with the last release that has them. An id goes
/// in here in the commit that takes it out of the code.
const LEFT_BEHIND: &[(&str, &str)] = &[];

/// What an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Compression.
    Encoder,
    /// Everything that generates or rewrites files.
    Emulation,
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoder => "encoder",
            Self::Emulation => "emulation",
        })
    }
}

/// A lock asks for an encoder or emulation that this release does not have; another would give other
/// digests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock asks for {kind} {id:?}, which lightship {this} does not have; lightship {release} has it")]
pub struct UnknownId {
    /// Which of the two.
    pub kind: IdKind,
    /// The id in the lock.
    pub id: String,
    /// This release.
    pub this: &'static str,
    /// The release that has it: from the table of ids, else the one that wrote the lock.
    pub release: String,
}

impl Lock {
    /// Whether this release has the encoder and the emulation that the lock was made with.
    ///
    /// # Errors
    /// When it has not, with the release that has them.
    pub fn check_ids(&self) -> Result<Encoder, UnknownId> {
        let unknown = |kind, id: &str| UnknownId {
            kind,
            id: id.to_owned(),
            this: THIS_RELEASE,
            release: release_of(id).unwrap_or(&self.written_by).to_owned(),
        };
        let encoder = Encoder::from_id(&self.encoder).map_err(|_| unknown(IdKind::Encoder, &self.encoder))?;
        if self.emulation != EMULATION_ID {
            return Err(unknown(IdKind::Emulation, &self.emulation));
        }
        Ok(encoder)
    }
}

fn release_of(id: &str) -> Option<&'static str> {
    LEFT_BEHIND
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, release)| *release)
}

#[cfg(test)]
mod tests {
    use super::super::tests::small_lock;
    use super::*;

    #[test]
    fn an_id_of_another_release_is_refused_with_its_release() {
        let mut lock = small_lock();
        assert!(lock.check_ids().is_ok());
        lock.written_by = "9.0.0".to_owned();
        lock.emulation = "emulation-99".to_owned();
        let error = lock.check_ids().expect_err("is refused");
        assert_eq!((error.kind, error.release.as_str()), (IdKind::Emulation, "9.0.0"));
        lock.encoder = "gzip-other".to_owned();
        assert_eq!(lock.check_ids().expect_err("is refused").kind, IdKind::Encoder);
    }
}
