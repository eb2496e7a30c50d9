use super::*;
use crate::conformance::Counter;

#[test]
fn a_session_is_of_one_package_alone() {
    let session = UploadKey::session(&Counter::default());
    assert_ne!(
        UploadKey::of(&session, "a").unwrap(),
        UploadKey::of(&session, "b").unwrap()
    );
    assert!(UploadKey::of("../../etc/passwd", "a").is_err());
}
