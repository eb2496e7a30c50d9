//! A directory laid out as a mirror, with real files of Debian in it.

use std::fs;
use std::path::{Path, PathBuf};

use debian::repository::PackageFile;
use tempfile::TempDir;
use testkit::TestServer;

pub(crate) const INRELEASE: &[u8] = include_bytes!("../fixtures/trixie-updates/InRelease");
pub(crate) const INDEX_XZ: &[u8] = include_bytes!("../fixtures/trixie-updates/Packages.xz");
pub(crate) const DEB: &[u8] = include_bytes!("../fixtures/trixie-updates/tzdata-legacy.deb");

pub(crate) const SUITE: &str = "trixie-updates";
pub(crate) const INRELEASE_PATH: &str = "/debian/dists/trixie-updates/InRelease";
pub(crate) const INDEX_PATH: &str = "/debian/dists/trixie-updates/main/binary-amd64/Packages.xz";
pub(crate) const BY_HASH_PATH: &str = "/debian/dists/trixie-updates/main/binary-amd64/by-hash/SHA256/\
     eea860c5dea11680e64299adb2736c2367c4235763a66f2b70ca61ce1b51978a";
pub(crate) const POOL_PATH: &str = "pool/main/t/tzdata/tzdata-legacy_2026f-0+deb13u1_all.deb";

/// While the release of the fixture is valid.
pub(crate) const NOW: &str = "2026-11-23T12:00:00Z";

/// The parent of `debian/`, with the suite trixie-updates as it was on 2026-11-22.
pub(crate) struct Mirror {
    directory: TempDir,
}

impl Mirror {
    pub(crate) fn whole() -> Mirror {
        let mirror = Mirror {
            directory: tempfile::tempdir().unwrap(),
        };
        mirror.put(INRELEASE_PATH, INRELEASE);
        mirror.put(INDEX_PATH, INDEX_XZ);
        mirror.put(BY_HASH_PATH, INDEX_XZ);
        mirror.put(&format!("/debian/{POOL_PATH}"), DEB);
        mirror
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.file(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.file(path)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn serve(&self) -> TestServer {
        TestServer::start(self.directory.path().to_path_buf())
    }

    fn file(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }
}

/// The package of the fixture, as the signed index lists it.
pub(crate) fn package() -> PackageFile {
    let digest = "92bb8f5ee8f87e6ee641ec3b24876d2d83b64dd1d7fe864b1cceac4cea7f1549";
    let mut sha256 = [0; 32];
    for (at, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digest[at * 2..at * 2 + 2], 16).unwrap();
    }
    PackageFile {
        path: POOL_PATH.to_owned(),
        size: 186_704,
        sha256,
    }
}

/// `bytes` with one bit of the byte at `offset` turned.
pub(crate) fn altered(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset] ^= 1;
    bytes
}
