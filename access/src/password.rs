//! Passwords: argon2id hashes in PHC string format.

use argon2::password_hash::{Output, PasswordHash, PasswordHasher as _, Salt, SaltString};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};

/// Longest password that is taken.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Bytes of a salt, which are to be random.
pub const SALT_BYTES: usize = 16;
/// Most memory that a hash on file may ask for, in KiB: one that asks for more is not verified.
pub const MEMORY_KIB_MAX: u32 = 256 << 10;
/// Most passes that a hash on file may ask for.
pub const PASSES_MAX: u32 = 16;

/// A password was not hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is empty or too long.
    #[error("a password has 1 to {PASSWORD_BYTES_MAX} bytes")]
    Length,
    /// The hash failed, for want of memory.
    #[error("the password cannot be hashed: {reason}")]
    Hash {
        /// What the hash said.
        reason: String,
    },
}

/// The hash of a password, at OWASP's parameters for argon2id (19 MiB, two passes).
///
/// # Errors
/// See [`PasswordError`].
pub fn hash_password(password: &str, salt: &[u8; SALT_BYTES]) -> Result<String, PasswordError> {
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Length);
    }
    let failed = |error: argon2::password_hash::Error| PasswordError::Hash {
        reason: error.to_string(),
    };
    let salt = SaltString::encode_b64(salt).map_err(failed)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(failed)
}

/// The memory that a hash is computed in, to be used again: some 20 MiB, which an allocator does not get back in one
/// piece when they are freed.
#[derive(Default)]
pub struct HashingMemory(Vec<Block>);

impl HashingMemory {
    fn blocks(&mut self, params: &Params) -> &mut [Block] {
        let count = params.block_count();
        // What a hash on file once asked for beyond the others is not kept for ever.
        if self.0.len() != count {
            self.0 = vec![Block::default(); count];
        }
        &mut self.0
    }
}

impl std::fmt::Debug for HashingMemory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HashingMemory(…)")
    }
}

/// Whether a password is that of the hash. Without a hash, the work is done all the same, so that the time does not tell
/// whether there is an account; the answer is no.
///
/// Takes some 20 ms, and as much of `memory` as the hash says.
#[must_use]
pub fn verify_password(password: &str, hash: Option<&str>, memory: &mut HashingMemory) -> bool {
    let known = hash
        .and_then(|hash| PasswordHash::new(hash).ok())
        .filter(is_bounded);
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    match known {
        Some(hash) => is_of(password, &hash, memory).unwrap_or(false),
        None => {
            let (argon2, mut nothing) = (Argon2::default(), [0; 32]);
            let blocks = memory.blocks(argon2.params());
            let _ = argon2.hash_password_into_with_memory(
                password.as_bytes(),
                &[0; SALT_BYTES],
                &mut nothing,
                blocks,
            );
            false
        }
    }
}

/// None when something of the hash is missing.
fn is_of(password: &str, hash: &PasswordHash<'_>, memory: &mut HashingMemory) -> Option<bool> {
    let (expected, salt) = (hash.hash?, hash.salt?);
    let version = match hash.version {
        Some(version) => Version::try_from(version).ok()?,
        None => Version::default(),
    };
    let params = Params::try_from(hash).ok()?;
    let (mut salt_bytes, mut actual) = ([0; Salt::MAX_LENGTH], vec![0; expected.len()]);
    let salt = salt.decode_b64(&mut salt_bytes).ok()?;
    let blocks = memory.blocks(&params);
    Argon2::new(Algorithm::Argon2id, version, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut actual, blocks)
        .ok()?;
    // Compared in constant time.
    Some(Output::new(&actual).ok()? == expected)
}

fn is_bounded(hash: &PasswordHash<'_>) -> bool {
    hash.algorithm == ARGON2ID_IDENT
        && Params::try_from(hash)
            .is_ok_and(|params| params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(password: &str, hash: Option<&str>) -> bool {
        verify_password(password, hash, &mut HashingMemory::default())
    }

    #[test]
    fn memory_that_was_used_for_another_password_changes_nothing() {
        let mut memory = HashingMemory::default();
        let hash = hash_password("correct horse", &[7; SALT_BYTES]).unwrap();
        for _ in 0..2 {
            assert!(!verify_password("other", Some(&hash), &mut memory));
            assert!(!verify_password("correct horse", None, &mut memory));
            assert!(verify_password("correct horse", Some(&hash), &mut memory));
        }
    }

    #[test]
    fn a_password_is_that_of_its_own_hash_only() {
        let hash = hash_password("correct horse", &[7; SALT_BYTES]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verified("correct horse", Some(&hash)));
        assert!(!verified("correct horsf", Some(&hash)));
        assert!(!verified("", Some(&hash)));
        assert!(!verified("correct horse", None));
        assert!(!verified("correct horse", Some("correct horse")));
        assert_ne!(hash, hash_password("correct horse", &[8; SALT_BYTES]).unwrap());
    }

    #[test]
    fn passwords_are_as_long_as_they_may_be_and_no_longer() {
        let longest = "a".repeat(PASSWORD_BYTES_MAX);
        let hash = hash_password(&longest, &[0; SALT_BYTES]).unwrap();
        assert!(verified(&longest, Some(&hash)));
        assert_eq!(
            hash_password(&format!("{longest}a"), &[0; SALT_BYTES]),
            Err(PasswordError::Length)
        );
        assert!(hash_password("", &[0; SALT_BYTES]).is_err());
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_not_worked_on() {
        let hash = |memory: u32, passes: u32| {
            format!(
                "$argon2id$v=19$m={memory},t={passes},p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            )
        };
        let bounded = |text: &str| is_bounded(&PasswordHash::new(text).unwrap());
        assert!(bounded(&hash(MEMORY_KIB_MAX, PASSES_MAX)));
        assert!(!bounded(&hash(MEMORY_KIB_MAX + 1, 2)));
        assert!(!bounded(&hash(19456, PASSES_MAX + 1)));
        assert!(!bounded(&hash(19456, 2).replace("argon2id", "argon2d")));
    }
}
