//! `ca-certificates-java.postinst`: the keystore of authorities that every Java of the image uses; and
//! the system preferences of `openjdk-N-jre-headless.postinst`.

use super::generated::{Generated, ROOT, at};
use super::{Context, EmulationError};
use crate::certificates::Certificate;
use crate::keystore::{self, TrustedCertificate};
use crate::tree::{NodeKind, Tree};

pub(super) fn apply(
    tree: &mut Tree,
    context: &Context<'_>,
    certificates: &[Certificate],
) -> Result<(), EmulationError> {
    let runtime = context.packages.iter().any(|package| is_runtime(&package.name));
    let wanted = runtime || is_expected(tree)?;
    if wanted && !certificates.is_empty() {
        Generated::new(tree, "java-keystore", context).file(KEYSTORE, 0o644, keystore(certificates))?;
    }
    if runtime {
        let mut java = Generated::new(tree, "java", context);
        java.directory("/etc/.java", 0o755, ROOT)?;
        java.directory("/etc/.java/.systemPrefs", 0o755, ROOT)?;
        java.empty_file("/etc/.java/.systemPrefs/.system.lock", 0o644, ROOT)?;
        java.empty_file("/etc/.java/.systemPrefs/.systemRootModFile", 0o644, ROOT)?;
    }
    Ok(())
}

/// Whether a Java that is no package of Debian, or not there yet, expects the keystore: its directory is
/// there (`ca-certificates-java` has it, and a specification may), or some link leads to it.
fn is_expected(tree: &Tree) -> Result<bool, EmulationError> {
    let leads_there =
        |kind: &NodeKind| matches!(kind, NodeKind::Symlink(target) if &**target == KEYSTORE.as_bytes());
    Ok(
        tree.is_directory(&at("/etc/ssl/certs/java")?)
            || tree.iter().any(|(_, node)| leads_there(&node.kind)),
    )
}

fn is_runtime(package: &str) -> bool {
    package.starts_with("openjdk-") && package.ends_with("-jre-headless")
}

/// As distroless makes it: the name of an entry is the certificate's subject, its date the beginning
/// of validity, so the same certificates give the same bytes. Sorted by name.
fn keystore(certificates: &[Certificate]) -> Vec<u8> {
    let mut trusted: Vec<TrustedCertificate<'_>> = certificates
        .iter()
        .map(|certificate| TrustedCertificate {
            alias: certificate.canonical_subject(),
            date: certificate.not_before(),
            der: &certificate.der,
        })
        .collect();
    trusted.sort_by(|one, other| (&one.alias, one.der).cmp(&(&other.alias, other.der)));
    trusted.dedup_by(|one, other| one.der == other.der);
    keystore::encode(&trusted, "changeit")
}

const KEYSTORE: &str = "/etc/ssl/certs/java/cacerts";
