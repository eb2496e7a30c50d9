//! Real releases of Debian, whole and altered, and releases of the test archive.

use jiff::Timestamp;
use testkit::{Signer, public_key, sign_clear};

use super::*;

const TRIXIE: &[u8] = include_bytes!("../../tests/fixtures/releases/trixie.InRelease");
const TRIXIE_SECURITY: &[u8] = include_bytes!("../../tests/fixtures/releases/trixie-security.InRelease");
const BOOKWORM: &[u8] = include_bytes!("../../tests/fixtures/releases/bookworm.InRelease");

/// Two days after trixie's release file was signed.
const AT: &str = "2026-11-23T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn debian() -> Keyring {
    Keyring::debian().unwrap()
}

fn refusals(result: Result<Verified, VerifyError>) -> Vec<String> {
    match result {
        Err(VerifyError::NoneGood { refusals }) => {
            refusals.into_iter().map(|refusal| refusal.reason).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The position of `needle` in `bytes`.
fn find(bytes: &[u8], needle: &str) -> usize {
    bytes
        .windows(needle.len())
        .position(|window| window == needle.as_bytes())
        .unwrap()
}

#[test]
fn releases_of_debian_are_signed_by_the_keys_we_ship() {
    let signers = |signed| -> Vec<String> {
        let verified = debian().verify_inrelease(signed, at(AT)).unwrap();
        verified.signers.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        signers(TRIXIE),
        [
            "4CB50190207B4758A3F73A796ED0E7B82643E131",
            "B8E5F13176D2A7A75220028078DBA3BC47EF2265",
            "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
        ]
    );
    assert_eq!(signers(TRIXIE_SECURITY).len(), 2);
    assert!(!signers(BOOKWORM).is_empty());
}

#[test]
fn the_text_is_what_was_signed_and_nothing_else() {
    let verified = debian().verify_inrelease(TRIXIE, at(AT)).unwrap();
    assert!(verified.text.starts_with("Origin: Debian\nLabel: Debian\n"));
    assert!(!verified.text.contains("-----"));
    assert!(!verified.text.contains('\r'));
}

#[test]
fn one_altered_byte_of_the_text_is_refused() {
    let mut altered = TRIXIE.to_vec();
    let digest = find(&altered, "main/binary-amd64/Packages.gz") - 80;
    altered[digest] = if altered[digest] == b'0' { b'1' } else { b'0' };
    let reasons = refusals(debian().verify_inrelease(&altered, at(AT)));
    assert_eq!(reasons.len(), 3);
    assert!(
        reasons.iter().all(|reason| reason.contains("altered")),
        "{reasons:?}"
    );
}

#[test]
fn one_altered_byte_in_each_signature_is_refused() {
    let start = find(TRIXIE, "-----BEGIN PGP SIGNATURE-----") + 40;
    let end = find(TRIXIE, "-----END PGP SIGNATURE-----");
    // The armor may break, or a packet, or only a number: whatever it is, nothing is verified by all three.
    for offset in (start..end).step_by(97) {
        let mut altered = TRIXIE.to_vec();
        altered[offset] = if altered[offset] == b'A' { b'B' } else { b'A' };
        if let Ok(verified) = debian().verify_inrelease(&altered, at(AT)) {
            assert!(verified.signers.len() < 3, "offset {offset}");
        }
    }
}

#[test]
fn text_around_the_signed_part_is_refused() {
    let mut before = b"Origin: Evil\n".to_vec();
    before.extend_from_slice(TRIXIE);
    let mut behind = TRIXIE.to_vec();
    behind.extend_from_slice(b"\nOrigin: Evil\n");
    for signed in [before, behind] {
        assert!(matches!(
            debian().verify_inrelease(&signed, at(AT)),
            Err(VerifyError::Syntax { .. })
        ));
    }
}

#[test]
fn a_truncated_file_is_refused() {
    for length in [
        0,
        1,
        100,
        5_000,
        TRIXIE.len() / 2,
        TRIXIE.len() - 100,
        TRIXIE.len() - 30,
    ] {
        assert!(
            debian().verify_inrelease(&TRIXIE[..length], at(AT)).is_err(),
            "{length}"
        );
    }
}

#[test]
fn a_key_that_is_not_in_the_ring_is_not_trusted() {
    let stranger = Keyring::parse(public_key(Signer::Stranger).as_bytes()).unwrap();
    let reasons = refusals(stranger.verify_inrelease(TRIXIE, at(AT)));
    assert!(
        reasons.iter().all(|reason| reason.contains("not trusted")),
        "{reasons:?}"
    );
}

#[test]
fn keys_expire() {
    let reasons = refusals(debian().verify_inrelease(TRIXIE, at("2036-01-01T00:00:00Z")));
    assert!(
        reasons.iter().all(|reason| reason.contains("expired on 20")),
        "{reasons:?}"
    );
    // The newest key is the last to go.
    let late = debian()
        .verify_inrelease(TRIXIE, at("2034-01-01T00:00:00Z"))
        .unwrap();
    assert_eq!(late.signers.len(), 1);
}

#[test]
fn a_signature_from_the_future_is_refused() {
    let reasons = refusals(debian().verify_inrelease(TRIXIE, at("2026-11-01T00:00:00Z")));
    assert!(
        reasons.iter().all(|reason| reason.contains("in the future")),
        "{reasons:?}"
    );
}

#[test]
fn reads_and_verifies_the_test_archive() {
    let ring = Keyring::parse(public_key(Signer::Archive).as_bytes()).unwrap();
    let signed = sign_clear("Origin: Test\n- dashed\n", Signer::Archive, 1_767_225_600);
    let verified = ring.verify_inrelease(signed.as_bytes(), at(AT)).unwrap();
    assert_eq!(verified.text.trim_end(), "Origin: Test\n- dashed");
    assert_eq!(verified.signers, ring.fingerprints());
    let by_stranger = sign_clear("Origin: Test\n", Signer::Stranger, 1_767_225_600);
    assert!(ring.verify_inrelease(by_stranger.as_bytes(), at(AT)).is_err());
}

#[test]
fn an_empty_or_damaged_keyring_is_an_error() {
    assert!(Keyring::parse(b"").is_err());
    assert!(Keyring::parse(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n").is_err());
    assert!(matches!(
        Keyring::parse(&vec![b'x'; KEYRING_BYTES_MAX + 1]),
        Err(KeyringError::TooLarge { .. })
    ));
    assert!(!matches!(
        Keyring::parse(&vec![b'x'; KEYRING_BYTES_MAX]),
        Err(KeyringError::TooLarge { .. })
    ));
}

#[test]
fn the_size_of_a_signed_file_is_limited() {
    let text = |bytes| vec![b'x'; bytes];
    let verify = |bytes| debian().verify_inrelease(&text(bytes), at(AT));
    assert!(matches!(
        verify(SIGNED_BYTES_MAX + 1),
        Err(VerifyError::TooLarge { .. })
    ));
    assert!(matches!(
        verify(SIGNED_BYTES_MAX),
        Err(VerifyError::Syntax { .. })
    ));
}
