//! Certificates in files, and whether these have changed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use registry::{Certificates, PemPair};

use crate::configuration::Tls;
use crate::failure::{Failure, Kind};

/// A chain in PEM has some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

const CHECK: Duration = Duration::from_secs(60);

/// Where the pairs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// Certificate and key of each.
    pairs: Vec<(PathBuf, PathBuf)>,
    /// How often it is looked whether they have changed.
    pub(crate) check: Duration,
}

impl CertificateFiles {
    /// None without a certificate.
    pub(crate) fn of(tls: Tls) -> Result<Option<CertificateFiles>, Failure> {
        let first = match (tls.certificate, tls.key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if tls.further.is_empty() => return Ok(None),
            (Some(_), None) => return Err(Failure::usage("tls.certificate is configured without tls.key")),
            (None, _) => return Err(Failure::usage("tls is configured without tls.certificate")),
        };
        let further = tls.further.into_iter().map(|pair| (pair.certificate, pair.key));
        Ok(Some(CertificateFiles {
            pairs: std::iter::once(first).chain(further).collect(),
            check: tls.check_seconds.map_or(CHECK, |check| check.seconds()),
        }))
    }

    /// What is in them now.
    pub(crate) fn read(&self) -> Result<Vec<PemPair>, Failure> {
        let pair = |(certificate, key): &(PathBuf, PathBuf)| {
            Ok(PemPair {
                certificate: read(certificate)?,
                key: read(key)?,
            })
        };
        self.pairs.iter().map(pair).collect()
    }

    /// Reads and checks them.
    pub(crate) fn open(&self) -> Result<(Arc<Certificates>, Vec<PemPair>), Failure> {
        let pairs = self.read()?;
        let certificates = Certificates::new(&pairs).map_err(|error| self.unusable(error))?;
        Ok((Arc::new(certificates), pairs))
    }

    /// Why they are not taken, with the names of the files.
    pub(crate) fn unusable(&self, error: registry::TlsError) -> Failure {
        let names = self
            .pairs
            .iter()
            .map(|(certificate, key)| format!("{} with {}", certificate.display(), key.display()));
        let names = names.collect::<Vec<_>>().join(", ");
        Failure::new(
            Kind::Usage,
            format!("cannot use the certificates ({names})"),
            error,
        )
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .and_then(|_| match bytes.len() as u64 > FILE_BYTES_MAX {
            true => Err(io::Error::other("it is too long for a certificate or a key")),
            false => Ok(()),
        });
    match result {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::new(
            Kind::Usage,
            format!("cannot read {}", path.display()),
            error,
        )),
    }
}
