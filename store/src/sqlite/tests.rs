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
        Err(StoreError::Newer { found: 99, known: 5 })
    ));
}

#[test]
fn a_statement_is_compiled_once_however_often_its_values_change() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteMetadata::open(&directory.path().join("metadata.sqlite")).unwrap();
    let compiled_again = store.look_up(|connection| {
        let mut compiled_again = 0;
        for name in ["a", "b", "c"] {
            let mut statement = connection.prepare_cached(blobs::LINKED).unwrap();
            assert!(!statement.exists([name, name, name]).unwrap());
            compiled_again = statement.get_status(rusqlite::StatementStatus::RePrepare);
        }
        Ok(compiled_again)
    });
    assert_eq!(compiled_again.unwrap(), 0);
}
