//! What one platform of an image consists of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use archive::EntryPath;
use debian::relation::{Relation, Relations};
use sha1::{Digest, Sha1};

use super::{copyright, licence::OtherLicence};
use crate::{
    contents::PackageContents,
    layers::ContentOpener,
    tree::{Content, ContentReader, NodeKind, PieceKind, Tree},
};

/// Everything a bill of materials says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The image.
    pub image: ImageFacts,
    /// Its packages, by name.
    pub packages: Vec<PackageFacts>,
    /// Files that no package has: generated ones and the user's, by path.
    pub files: Vec<FileFacts>,
}

/// The image that the inventory is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Name without variant, such as `cc-debian13`.
    pub name: String,
    /// The variant.
    pub variant: String,
    /// Architecture in OCI's spelling.
    pub architecture: String,
    /// Digest of the manifest of this platform.
    pub manifest_digest: String,
    /// `debian-13`, as package URLs say it.
    pub distribution: String,
    /// When the image was made, by its own word: RFC 3339 in UTC without fractions.
    pub created: String,
}

/// A package in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Debian's architecture, or `all`.
    pub architecture: String,
    /// The source package.
    pub source_name: String,
    /// Version of the source package.
    pub source_version: String,
    /// SHA-256 of the package file, in hex.
    pub sha256: String,
    /// Who looks after it: `Name <address>`.
    pub maintainer: Option<String>,
    /// The upstream page.
    pub homepage: Option<String>,
    /// What it is, in a line.
    pub summary: Option<String>,
    /// What its copyright file says, when a program can read that.
    pub licences: Option<Licences>,
    /// Positions in [`Inventory::packages`] of those that satisfy its dependencies, ascending.
    pub depends_on: Vec<usize>,
    /// Its files in the image, by path.
    pub files: Vec<FileFacts>,
}

/// The licences of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licences {
    /// An SPDX licence expression.
    pub expression: String,
    /// The references in it that are not in SPDX's list, and their texts.
    pub others: BTreeMap<OtherLicence, String>,
}

/// A regular file in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Absolute path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
    /// SHA-1 of the content, in hex: SPDX 2.3 asks for it.
    pub sha1: String,
}

/// What an inventory is taken from.
pub struct InventorySource<'i> {
    /// The finished tree.
    pub tree: &'i Tree,
    /// The packages that [`PieceKind::Package`] counts in.
    pub packages: &'i [Arc<PackageContents>],
    /// Opens files for their SHA-1.
    pub opener: &'i dyn ContentOpener,
    /// Reads copyright files.
    pub reader: &'i dyn ContentReader,
    /// What is known of SHA-1 sums in this run.
    pub sha1_sums: &'i Sha1Sums,
}

/// Why no inventory could be taken.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A file cannot be read.
    #[error("cannot read {path} for the bill of materials")]
    Read {
        /// The path in the image.
        path: EntryPath,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The SHA-1 of contents, each taken once in a run however many images have it.
#[derive(Debug, Default)]
pub struct Sha1Sums(Mutex<HashMap<[u8; 32], [u8; 20]>>);

impl Sha1Sums {
    fn of(&self, content: &Content, opener: &dyn ContentOpener) -> io::Result<[u8; 20]> {
        if let Some(known) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&content.digest)
        {
            return Ok(*known);
        }
        let mut hash = Sha1::new();
        let mut reader = opener.open(content)?;
        let mut buffer = [0; 64 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                length => hash.update(buffer.get(..length).unwrap_or_default()),
            }
        }
        let sum: [u8; 20] = hash.finalize().into();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(content.digest, sum);
        Ok(sum)
    }
}

/// Takes the inventory of an image.
///
/// # Errors
/// When a file of the tree cannot be read.
pub fn take_inventory(image: ImageFacts, source: &InventorySource<'_>) -> Result<Inventory, InventoryError> {
    let (mut by_package, files) = files(source)?;
    let dependencies = Dependencies::new(source.packages);
    let mut packages = Vec::with_capacity(source.packages.len());
    // By name, whatever the order of layers is.
    let mut order: Vec<usize> = (0..source.packages.len()).collect();
    order.sort_by_key(|&index| source.packages.get(index).map(|package| package.name.clone()));
    let position_of: HashMap<usize, usize> = order.iter().copied().zip(0..).collect();
    for index in order {
        let Some(package) = source.packages.get(index) else {
            continue;
        };
        let control = debian::control::Paragraph::parse(&package.control).ok();
        let field = |name| {
            control
                .as_ref()
                .and_then(|control| control.field(name))
                .map(str::to_owned)
        };
        let mut depends_on: Vec<usize> = dependencies
            .of(package)
            .iter()
            .filter_map(|index| position_of.get(index).copied())
            .collect();
        depends_on.sort_unstable();
        packages.push(PackageFacts {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            source_name: package.source_name.clone(),
            source_version: package.source_version.clone(),
            sha256: hex(&package.sha256),
            maintainer: field("Maintainer"),
            homepage: field("Homepage"),
            summary: field("Description").map(|text| text.lines().next().unwrap_or_default().to_owned()),
            licences: licences(&package.name, source)?,
            depends_on,
            files: by_package.remove(&index).unwrap_or_default(),
        });
    }
    Ok(Inventory {
        image,
        packages,
        files,
    })
}

type FilesByPackage = HashMap<usize, Vec<FileFacts>>;

fn files(source: &InventorySource<'_>) -> Result<(FilesByPackage, Vec<FileFacts>), InventoryError> {
    let (mut by_package, mut others) = (FilesByPackage::new(), Vec::new());
    for (path, node) in source.tree.iter() {
        if !matches!(node.kind, NodeKind::File(_) | NodeKind::Hardlink(_)) {
            continue;
        }
        let Some(content) = source.tree.file(path) else {
            continue;
        };
        let sha1 = source
            .sha1_sums
            .of(content, source.opener)
            .map_err(|error| InventoryError::Read {
                path: path.clone(),
                source: error,
            })?;
        let facts = FileFacts {
            path: path.to_string(),
            sha256: hex(&content.digest),
            sha1: hex(&sha1),
        };
        match source.tree.piece(node.piece).map(|piece| piece.kind) {
            Some(PieceKind::Package(index)) => by_package.entry(index).or_default().push(facts),
            _ => others.push(facts),
        }
    }
    Ok((by_package, others))
}

/// What the package's copyright file says; its directory may be a link to another package's.
fn licences(package: &str, source: &InventorySource<'_>) -> Result<Option<Licences>, InventoryError> {
    let Ok(path) = EntryPath::parse(format!("usr/share/doc/{package}/copyright").as_bytes()) else {
        return Ok(None);
    };
    let Ok(path) = source.tree.resolve(&path, crate::tree::Last::Follow) else {
        return Ok(None);
    };
    let Some(content) = source.tree.file(&path) else {
        return Ok(None);
    };
    if content.size > COPYRIGHT_BYTES_MAX {
        return Ok(None);
    }
    let bytes = source
        .reader
        .read(content, COPYRIGHT_BYTES_MAX)
        .map_err(|error| InventoryError::Read {
            path: path.clone(),
            source: error,
        })?;
    Ok(copyright::read(&bytes).map(|read| Licences {
        expression: read.expression,
        others: read.others,
    }))
}

/// The largest copyright file that is read: several times Debian's largest.
const COPYRIGHT_BYTES_MAX: u64 = 8 << 20;

/// Which packages of the image satisfy which dependency.
struct Dependencies {
    /// Packages by their own name and by what they provide.
    providers: HashMap<String, Vec<usize>>,
}

impl Dependencies {
    fn new(packages: &[Arc<PackageContents>]) -> Self {
        let mut providers: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            providers
                .entry(package.name.clone())
                .or_default()
                .insert(0, index);
            for provided in relations(package, "Provides") {
                providers
                    .entry(provided.name.to_string())
                    .or_default()
                    .push(index);
            }
        }
        Self { providers }
    }

    /// Versions are not compared again: the lock was resolved with them.
    fn of(&self, package: &PackageContents) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for field in ["Pre-Depends", "Depends"] {
            for relation in relations(package, field) {
                if let Some(index) = self
                    .providers
                    .get(relation.name.as_str())
                    .and_then(|indexes| indexes.first())
                {
                    found.insert(*index);
                }
            }
        }
        found
    }
}

/// All relations of a field, alternatives beside each other; none when the field cannot be read.
fn relations(package: &PackageContents, field: &str) -> Vec<Relation> {
    let relations = debian::control::Paragraph::parse(&package.control)
        .ok()
        .and_then(|control| control.field(field)?.parse::<Relations>().ok());
    relations
        .into_iter()
        .flat_map(|relations| relations.0)
        .flat_map(|dependency| dependency.alternatives)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
