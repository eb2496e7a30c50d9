use std::sync::Arc;

use super::*;
use crate::conformance::{MetadataWorld, metadata_contract};

fn on_sqlite() -> MetadataWorld {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
    MetadataWorld {
        store: Arc::new(store),
        _keep: Box::new(directory),
    }
}

metadata_contract!(on_sqlite());

#[test]
fn a_newer_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.sqlite");
    drop(SqliteMetadata::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(matches!(
        SqliteMetadata::open(&path),
        Err(StoreError::Newer { found: 99, known: 4 })
    ));
}
