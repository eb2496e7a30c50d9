//! Packages, a plan and contents for the unit tests of this module and of [`crate::tree`].

use std::io;
use std::sync::Arc;

use archive::{EntryPath, tar};

use super::{Context, EmulationError, Report, apply};
use crate::contents::{PackageContents, PackageEntry};
use crate::release::{Architecture, Release};
use crate::specification::{Accounts, LayerPolicy, Plan};
use crate::tree::{
    Assembled, Content, ContentReader, ContentSource, DiskLimits, Inputs, Last, NodeKind, Tree, TreeError,
    assemble,
};

/// The newest InRelease of every sample.
pub(crate) const DATE: i64 = 1_790_000_000;

/// A package under construction; its files' bytes are kept beside its entries.
#[derive(Clone)]
pub(crate) struct Sample {
    contents: PackageContents,
    bytes: Vec<u8>,
}

pub(crate) fn package(name: &str) -> Sample {
    Sample {
        contents: PackageContents {
            name: name.to_owned(),
            version: "1.0-1".to_owned(),
            architecture: "amd64".to_owned(),
            source_name: name.to_owned(),
            source_version: "1.0-1".to_owned(),
            sha256: [0; 32],
            control: format!("Package: {name}\nVersion: 1.0-1\n").into_bytes(),
            md5sums: None,
            conffiles: None,
            entries: Vec::new(),
        },
        bytes: Vec::new(),
    }
}

impl Sample {
    pub(crate) fn control(mut self, line: &str) -> Self {
        self.contents.control.extend_from_slice(line.as_bytes());
        self.contents.control.push(b'\n');
        self
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.directory_with(path, 0o755, 0)
    }

    pub(crate) fn directory_with(self, path: &str, mode: u32, gid: u64) -> Self {
        self.entry(path, tar::EntryKind::Directory, mode, gid, b"")
    }

    pub(crate) fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(path, tar::EntryKind::File, 0o644, 0, bytes)
    }

    pub(crate) fn file_with(self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.entry(path, tar::EntryKind::File, mode, 0, bytes)
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.entry(
            path,
            tar::EntryKind::Symlink {
                target: target.as_bytes().into(),
            },
            0o777,
            0,
            b"",
        )
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(
            path,
            tar::EntryKind::Hardlink { target: at(target) },
            0o644,
            0,
            b"",
        )
    }

    pub(crate) fn elf(mut self, facts: crate::contents::ElfFacts) -> Self {
        if let Some(last) = self.contents.entries.last_mut() {
            last.elf = Some(facts);
        }
        self
    }

    fn entry(mut self, path: &str, kind: tar::EntryKind, mode: u32, gid: u64, bytes: &[u8]) -> Self {
        let is_file = matches!(kind, tar::EntryKind::File);
        let size = bytes.len() as u64;
        let entry = tar::Entry {
            path: at(path),
            kind,
            mode,
            uid: 0,
            gid,
            mtime: 1_000_000_000,
            size,
        };
        self.contents.entries.push(PackageEntry {
            entry,
            digest: is_file.then(|| Content::memory(bytes).digest),
            offset: self.bytes.len() as u64,
            elf: None,
        });
        self.bytes.extend_from_slice(bytes);
        self
    }
}

/// Some packages and a plan, from which trees are made.
pub(crate) struct World {
    pub(crate) packages: Vec<Arc<PackageContents>>,
    spools: Vec<Vec<u8>>,
    pub(crate) plan: Plan,
}

pub(crate) fn world(samples: impl IntoIterator<Item = Sample>) -> World {
    let (packages, spools) = samples
        .into_iter()
        .map(|sample| (Arc::new(sample.contents), sample.bytes))
        .unzip();
    World {
        packages,
        spools,
        plan: plan(Release::Debian13),
    }
}

impl World {
    pub(crate) fn assemble(&self) -> Result<Assembled, TreeError> {
        assemble(&self.inputs())
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            packages: &self.packages,
            plan: &self.plan,
            archives: &[],
            architecture: Architecture::Amd64,
            date: DATE,
            limits: DiskLimits::default(),
        }
    }

    /// The tree after all emulations.
    pub(crate) fn complete(&self) -> Result<(Tree, Report), EmulationError> {
        let assembled = self.assemble()?;
        let mut tree = assembled.tree;
        let report = apply(&mut tree, &self.context(), assembled.unmatched_drops)?;
        Ok((tree, report))
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            packages: &self.packages,
            plan: &self.plan,
            architecture: Architecture::Amd64,
            date: DATE,
            reader: self,
        }
    }

    /// The text of a file, wherever links lead.
    pub(crate) fn text(&self, tree: &Tree, path: &str) -> String {
        let real = tree.resolve(&at(path), Last::Follow).unwrap();
        let content = tree.file(&real).unwrap_or_else(|| panic!("no file {path}"));
        String::from_utf8(self.read(content, u64::MAX).unwrap()).unwrap()
    }
}

impl ContentReader for World {
    fn read(&self, content: &Content, limit_bytes: u64) -> io::Result<Vec<u8>> {
        if content.size > limit_bytes {
            return Err(io::Error::other("too large"));
        }
        match &content.source {
            ContentSource::Package { package, offset } => {
                let start = usize::try_from(*offset).unwrap();
                let end = start + usize::try_from(content.size).unwrap();
                Ok(self.spools[*package][start..end].to_vec())
            }
            ContentSource::Memory(bytes) => Ok(bytes.to_vec()),
            ContentSource::Disk(path) => std::fs::read(path),
            ContentSource::Archive { .. } => Err(io::Error::other("no archives here")),
        }
    }
}

/// A line for every node, in the form of `ls -l` where that is short.
pub(crate) fn listing(tree: &Tree) -> Vec<String> {
    tree.iter()
        .map(|(path, node)| match &node.kind {
            NodeKind::Directory => format!("{path}/"),
            NodeKind::File(_) => path.to_string(),
            NodeKind::Symlink(target) => format!("{path} -> {}", String::from_utf8_lossy(target)),
            NodeKind::Hardlink(first) => format!("{path} == {first}"),
        })
        .collect()
}

/// The lines of a listing that begin with `start`.
pub(crate) fn listing_of(tree: &Tree, start: &str) -> Vec<String> {
    listing(tree)
        .into_iter()
        .filter(|line| line.starts_with(start))
        .collect()
}

pub(crate) fn at(path: &str) -> EntryPath {
    EntryPath::parse_absolute(path.as_bytes()).unwrap()
}

/// A plan that adds nothing.
pub(crate) fn plan(release: Release) -> Plan {
    Plan {
        name: "sample".to_owned(),
        variant: "latest".to_owned(),
        description: None,
        release,
        architectures: vec![Architecture::Amd64],
        roots: Vec::new(),
        exclude: Vec::new(),
        provide: Vec::new(),
        drop: Vec::new(),
        repositories: Vec::new(),
        accounts: Accounts::default(),
        homes: Vec::new(),
        directories: Vec::new(),
        os_release: std::collections::BTreeMap::new(),
        environment: std::collections::BTreeMap::new(),
        versions: Vec::new(),
        user: "0".to_owned(),
        workdir: "/".to_owned(),
        entrypoint: None,
        cmd: None,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        volumes: Vec::new(),
        ports: Vec::new(),
        stop_signal: None,
        files: Vec::new(),
        trees: Vec::new(),
        archives: Vec::new(),
        links: Vec::new(),
        moves: Vec::new(),
        certificates: Vec::new(),
        layers: LayerPolicy::PerPackage,
        support: release.support(),
    }
}
