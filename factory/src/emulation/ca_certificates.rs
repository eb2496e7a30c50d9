//! `ca-certificates.postinst`, `update-ca-certificates` and `openssl rehash`: the bundle of authorities
//! that most programs read, the single files, and the names by which OpenSSL looks them up.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use archive::EntryPath;
use sha2::{Digest as _, Sha256};

use super::generated::{Generated, ROOT, at, read};
use super::{Context, EmulationError, Report};
use crate::certificates::{Certificate, CertificateError, PEM_BYTES_MAX, parse_pem};
use crate::specification::Text;
use crate::tree::{Last, Tree};

/// Makes bundle and links, and returns the certificates in the order of the bundle.
pub(super) fn apply(
    tree: &mut Tree,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Vec<Certificate>, EmulationError> {
    add_users(tree, context)?;
    let packaged = context.has_package("ca-certificates");
    let mut paths = if packaged {
        enabled(tree, context, report)?
    } else {
        Vec::new()
    };
    paths.extend(certificate_files(tree, &at(LOCAL_DIRECTORY)?));
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let mut certificates = Vec::new();
    // By the digest of the file, since the links lead to the same files again.
    let mut parsed: HashMap<[u8; 32], Vec<Certificate>> = HashMap::new();
    let mut bundle = Vec::new();
    let mut links = Vec::new();
    for path in &paths {
        let Some(bytes) = read(tree, context, path, PEM_BYTES_MAX as u64)? else {
            continue;
        };
        match parse_pem(&bytes) {
            Ok(found) => {
                certificates.extend_from_slice(&found);
                parsed.insert(Sha256::digest(&bytes).into(), found);
            }
            Err(error) => report
                .warnings
                .push(format!("{path} cannot be used as certificates: {error}")),
        }
        bundle.extend_from_slice(&bytes);
        if bytes.last().is_some_and(|&last| last != b'\n') {
            bundle.push(b'\n');
        }
        // A link to a file that was dropped would lead to nothing.
        if is_file(tree, path)? {
            links.push((link_name(path), path.to_string()));
        }
    }
    let mut generated = Generated::new(tree, PIECE, context);
    if packaged {
        // With the mode of /usr/local, which is root's own without staff-group-for-usr-local.
        generated.directory(LOCAL_DIRECTORY, 0o755, ROOT)?;
    }
    for (name, target) in links {
        generated.link_at(&at(DIRECTORY)?.join(&name)?, target.as_bytes())?;
    }
    generated.replacement(&at(BUNDLE)?, 0o644, bundle)?;
    add_hash_links(tree, context, parsed)?;
    Ok(certificates)
}

/// Puts the specification's certificates where an administrator would, one per file. Anything else in
/// the PEM text, which has been known to be a private key, stays out.
fn add_users(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    for user in &context.plan.certificates {
        let text = match &user.pem {
            Text::Inline(text) => text.clone().into_bytes(),
            Text::Disk(path) => read_disk(&user.name, path)?,
        };
        let found = parse_pem(&text).map_err(|source| EmulationError::UserCertificate {
            name: user.name.clone(),
            source,
        })?;
        let mut generated = Generated::new(tree, PIECE, context);
        for (index, certificate) in found.iter().enumerate() {
            let suffix = if found.len() > 1 {
                format!("-{}", index + 1)
            } else {
                String::new()
            };
            let path = format!("{LOCAL_DIRECTORY}/{}{suffix}.crt", user.name);
            generated.file(&path, 0o644, certificate.pem.as_bytes())?;
        }
    }
    Ok(())
}

fn read_disk(name: &str, path: &Path) -> Result<Vec<u8>, EmulationError> {
    use std::io::Read as _;

    let unreadable = |source| EmulationError::UserCertificateFile {
        name: name.to_owned(),
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(PEM_BYTES_MAX as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() > PEM_BYTES_MAX {
        let source = CertificateError::TooLong;
        return Err(EmulationError::UserCertificate {
            name: name.to_owned(),
            source,
        });
    }
    Ok(text)
}

/// The files that `/etc/ca-certificates.conf` enables. Without one of the user's, it is made and
/// enables all that packages have, which is the answer to debconf's question that nobody is asked.
fn enabled(
    tree: &mut Tree,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Vec<EntryPath>, EmulationError> {
    let directory = at(SHARED_DIRECTORY)?;
    let mut names: Vec<String> = Vec::new();
    for path in certificate_files(tree, &directory) {
        let path = path.to_string();
        names.extend(
            path.strip_prefix(SHARED_DIRECTORY)
                .map(|name| name.trim_start_matches('/').to_owned()),
        );
    }
    names.sort_unstable();
    let mut text = String::from(CONFIGURATION_HEAD);
    for name in &names {
        text.push_str(name);
        text.push('\n');
    }
    Generated::new(tree, PIECE, context).file(CONFIGURATION, 0o644, text)?;
    let text = read(tree, context, &at(CONFIGURATION)?, PEM_BYTES_MAX as u64)?.unwrap_or_default();
    let mut paths = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if line.is_empty() || line.starts_with('#') || line.starts_with('!') {
            continue;
        }
        let path = directory.join(line.as_bytes())?;
        if is_file(tree, &path)? || tree.dropped_file(&path).is_some() {
            paths.push(path);
        } else {
            report
                .warnings
                .push(format!("{path} not found, but listed in {CONFIGURATION}"));
        }
    }
    Ok(paths)
}

fn is_file(tree: &Tree, path: &EntryPath) -> Result<bool, EmulationError> {
    Ok(tree.file(&tree.resolve(path, Last::Follow)?).is_some())
}

/// All files named `*.crt` below a directory, by path, also those that were dropped: who drops them
/// wants the bundle alone.
fn certificate_files(tree: &Tree, directory: &EntryPath) -> Vec<EntryPath> {
    let present = tree
        .below(directory)
        .map(|(path, _)| path)
        .filter(|path| is_file(tree, path).unwrap_or(false));
    let mut paths: Vec<EntryPath> = present
        .chain(tree.dropped_below(directory))
        .filter(|path| path.as_bytes().ends_with(b".crt"))
        .cloned()
        .collect();
    // `sort` compares whole paths bytewise, which differs from our order by components.
    paths.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    paths
}

/// `update-ca-certificates` replaces what shells stumble over.
fn link_name(path: &EntryPath) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default();
    let stem = name.strip_suffix(b".crt").unwrap_or(name);
    let replaced = stem.iter().map(|byte| match byte {
        b' ' | b',' => b'_',
        b'(' | b')' => b'=',
        other => *other,
    });
    replaced.chain(*b".pem").collect()
}

/// `openssl rehash`: every file of the directory with exactly one certificate gets a link named by the
/// hash of its subject, and a number where subjects collide. Equal certificates get one link.
fn add_hash_links(
    tree: &mut Tree,
    context: &Context<'_>,
    mut parsed: HashMap<[u8; 32], Vec<Certificate>>,
) -> Result<(), EmulationError> {
    let directory = at(DIRECTORY)?;
    let mut names: Vec<EntryPath> = tree
        .children(&directory)
        .map(|(path, _)| path.clone())
        .filter(has_certificate_suffix)
        .collect();
    names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut links = Vec::new();
    for path in names.into_iter().filter(|path| path.to_string() != BUNDLE) {
        let real = tree.resolve(&path, Last::Follow)?;
        let Some(digest) = tree.file(&real).map(|content| content.digest) else {
            continue;
        };
        let found = match parsed.entry(digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let bytes = read(tree, context, &path, PEM_BYTES_MAX as u64)?.unwrap_or_default();
                new.insert(parse_pem(&bytes).unwrap_or_default())
            }
        };
        let [certificate] = found.as_slice() else { continue };
        let Some(hash) = certificate.subject_hash() else {
            continue;
        };
        if seen.insert(certificate.der.clone()) {
            let number = taken.entry(hash).or_default();
            links.push((
                format!("{hash:08x}.{number}"),
                path.file_name().unwrap_or_default().to_vec(),
            ));
            *number += 1;
        }
    }
    let mut generated = Generated::new(tree, PIECE, context);
    for (name, target) in links {
        generated.link_at(&directory.join(name.as_bytes())?, &target)?;
    }
    Ok(())
}

fn has_certificate_suffix(path: &EntryPath) -> bool {
    [&b".pem"[..], b".crt", b".cer", b".crl"]
        .iter()
        .any(|suffix| path.as_bytes().ends_with(suffix))
}

const PIECE: &str = "ca-certificates";
const DIRECTORY: &str = "/etc/ssl/certs";
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const SHARED_DIRECTORY: &str = "/usr/share/ca-certificates";
const LOCAL_DIRECTORY: &str = "/usr/local/share/ca-certificates";
const CONFIGURATION: &str = "/etc/ca-certificates.conf";
const CONFIGURATION_HEAD: &str = "\
# This file lists certificates that you wish to use or to ignore to be
# installed in /etc/ssl/certs.
# update-ca-certificates(8) will update /etc/ssl/certs by reading this file.
#
# This is autogenerated by dpkg-reconfigure ca-certificates.
# Certificates should be installed under /usr/share/ca-certificates
# and files with extension '.crt' is recognized as available certs.
#
# line begins with # is comment.
# line begins with ! is certificate filename to be deselected.
#
";
