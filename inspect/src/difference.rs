//! What two images differ in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use oci::ImageConfig;
use serde::Serialize;

use crate::ImageView;
use crate::packages::{Package, PackagesError, packages};
use crate::view::{FileFacts, FileKind, LayerFacts};
use crate::visible;

/// What two images differ in; each list holds differences alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDifference {
    /// Digest of the first image's manifest.
    pub before: String,
    /// Digest of the second image's manifest.
    pub after: String,
    /// Packages that were added, removed, or have another version.
    pub packages: Vec<PackageDifference>,
    /// Files that were added, removed or changed.
    pub files: Vec<FileDifference>,
    /// Fields of the configuration.
    pub config: Vec<FieldDifference>,
    /// Layers, from the bottom up, by position.
    pub layers: Vec<LayerDifference>,
    /// Compressed size of all layers, whether it differs or not.
    pub compressed_bytes: Sizes,
    /// Uncompressed size of all layers, whether it differs or not.
    pub unpacked_bytes: Sizes,
}

/// A size in both images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// In the first.
    pub before: u64,
    /// In the second.
    pub after: u64,
}

/// A package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageDifference {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its version in the first image; none if it is not there.
    pub before: Option<String>,
    /// Its version in the second image; none if it is not there.
    pub after: Option<String>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path, lossily as text.
    pub path: String,
    /// What it is in the first image; none if it is not there.
    pub before: Option<FileSummary>,
    /// What it is in the second image; none if it is not there.
    pub after: Option<FileSummary>,
    /// What differs; empty for one that was added or removed.
    pub changed: Vec<Aspect>,
}

/// What is told of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSummary {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Permissions in octal, four digits.
    pub mode: String,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of content.
    pub size: u64,
    /// Modification time, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Where a symbolic link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// In what a file can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// What it is.
    Type,
    /// Its bytes.
    Content,
    /// Its permissions.
    Mode,
    /// Its owner or group.
    Owner,
    /// Where a symbolic link leads, or the numbers of a device.
    Link,
    /// Its modification time; only when asked for.
    Time,
}

/// A field of the configuration that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// Its name, such as `env PATH` or `user`.
    pub field: String,
    /// Its value in the first image.
    pub before: Option<String>,
    /// Its value in the second image.
    pub after: Option<String>,
}

/// Layers at one position that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerDifference {
    /// The position, from 0 at the bottom.
    pub position: usize,
    /// The first image's layer there.
    pub before: Option<LayerSize>,
    /// The second image's layer there.
    pub after: Option<LayerSize>,
}

/// A layer and its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerSize {
    /// Digest of the blob.
    pub digest: String,
    /// Digest of its tar archive.
    pub diff_id: String,
    /// Size of the blob.
    pub compressed_bytes: u64,
    /// Size of its tar archive.
    pub unpacked_bytes: u64,
}

/// What to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DifferenceOptions {
    /// Modification times of files.
    pub times: Times,
}

/// Whether modification times count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// They do not: two builds of one thing seldom have the same.
    #[default]
    Ignore,
    /// They do.
    Compare,
}

impl ImageDifference {
    /// Compares two images.
    ///
    /// # Errors
    /// When the records of packages of either cannot be read.
    pub async fn between(
        before: &ImageView,
        after: &ImageView,
        options: DifferenceOptions,
    ) -> Result<Self, PackagesError> {
        let sum = |view: &ImageView, size: fn(&LayerFacts) -> u64| {
            view.layers().iter().map(size).fold(0, u64::saturating_add)
        };
        let sizes = |size: fn(&LayerFacts) -> u64| Sizes {
            before: sum(before, size),
            after: sum(after, size),
        };
        Ok(Self {
            before: before.descriptor().digest.to_string(),
            after: after.descriptor().digest.to_string(),
            packages: compare_packages(packages(before).await?, packages(after).await?),
            files: compare_files(before, after, options),
            config: compare_configs(before.config(), after.config()),
            layers: compare_layers(before.layers(), after.layers()),
            compressed_bytes: sizes(|layer| layer.descriptor.size),
            unpacked_bytes: sizes(|layer| layer.unpacked_bytes),
        })
    }

    /// Whether nothing differs: the same packages, files, configuration and layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.files.is_empty() && self.config.is_empty() && self.layers.is_empty()
    }

    /// Writes it for people: one line for each difference, `-` removed, `+` added, `~` changed.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if self.is_empty() {
            return writeln!(out, "no difference");
        }
        self.write_packages(out)?;
        self.write_files(out)?;
        heading(out, "configuration", self.config.len())?;
        for field in &self.config {
            let name = format!("{}:", field.field);
            change(out, &name, field.before.as_deref(), field.after.as_deref())?;
        }
        self.write_layers(out)
    }

    fn write_packages(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        heading(out, "packages", self.packages.len())?;
        for package in &self.packages {
            let (before, after) = (package.before.as_deref(), package.after.as_deref());
            change(out, &package.name, before, after)?;
        }
        Ok(())
    }

    fn write_files(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        heading(out, "files", self.files.len())?;
        for file in &self.files {
            let path = visible(&file.path);
            match (&file.before, &file.after) {
                (Some(before), Some(after)) => {
                    let changes: Vec<String> = file
                        .changed
                        .iter()
                        .map(|aspect| aspect.between(before, after))
                        .collect();
                    writeln!(out, "  ~ {path} ({})", visible(&changes.join(", ")))?;
                }
                (Some(_), None) => writeln!(out, "  - {path}")?,
                (None, _) => writeln!(out, "  + {path}")?,
            }
        }
        Ok(())
    }

    fn write_layers(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        heading(out, "layers", self.layers.len())?;
        let size = |layer: &Option<LayerSize>| match layer {
            Some(layer) => format!("{} {} bytes", short(&layer.digest), layer.compressed_bytes),
            None => "none".to_owned(),
        };
        for layer in &self.layers {
            writeln!(
                out,
                "  ~ {}: {} → {}",
                layer.position,
                size(&layer.before),
                size(&layer.after)
            )?;
        }
        let Sizes { before, after } = self.compressed_bytes;
        writeln!(out, "size: {before} → {after} bytes compressed")?;
        let Sizes { before, after } = self.unpacked_bytes;
        writeln!(out, "      {before} → {after} bytes unpacked")
    }
}

impl Aspect {
    /// The change in a few words.
    fn between(self, before: &FileSummary, after: &FileSummary) -> String {
        let link = |file: &FileSummary| file.link.clone().unwrap_or_default();
        match self {
            Self::Type => format!("{} → {}", before.kind, after.kind),
            Self::Content if before.size == after.size => "content".to_owned(),
            Self::Content => format!("content, {} → {} bytes", before.size, after.size),
            Self::Mode => format!("mode {} → {}", before.mode, after.mode),
            Self::Owner => format!(
                "owner {}:{} → {}:{}",
                before.uid, before.gid, after.uid, after.gid
            ),
            Self::Link => format!("link {} → {}", link(before), link(after)),
            Self::Time => format!("time {} → {}", before.mtime, after.mtime),
        }
    }
}

/// A digest as people tell them apart: algorithm and twelve digits.
fn short(digest: &str) -> &str {
    let end = digest.find(':').map_or(0, |colon| colon + 1) + 12;
    digest.get(..end).unwrap_or(digest)
}

fn heading(out: &mut dyn fmt::Write, title: &str, differences: usize) -> fmt::Result {
    if differences == 0 {
        Ok(())
    } else {
        writeln!(out, "{title}: {differences}")
    }
}

fn change(out: &mut dyn fmt::Write, name: &str, before: Option<&str>, after: Option<&str>) -> fmt::Result {
    let (name, after) = (visible(name), after.map(visible));
    match (before.map(visible), after) {
        (Some(before), Some(after)) => writeln!(out, "  ~ {name} {before} → {after}"),
        (Some(before), None) => writeln!(out, "  - {name} {before}"),
        (None, after) => writeln!(out, "  + {name} {}", after.unwrap_or_default()),
    }
}

fn compare_packages(before: Vec<Package>, after: Vec<Package>) -> Vec<PackageDifference> {
    let by_name = |packages: Vec<Package>| -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut map: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for package in packages {
            map.entry((package.name, package.architecture))
                .or_default()
                .insert(package.version);
        }
        map
    };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<&(String, String)> = before.keys().chain(after.keys()).collect();
    let versions = |versions: Option<&BTreeSet<String>>| {
        versions.map(|versions| versions.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    let difference = |key: &(String, String)| PackageDifference {
        name: key.0.clone(),
        architecture: key.1.clone(),
        before: versions(before.get(key)),
        after: versions(after.get(key)),
    };
    names
        .into_iter()
        .map(difference)
        .filter(|package| package.before != package.after)
        .collect()
}

fn compare_files(before: &ImageView, after: &ImageView, options: DifferenceOptions) -> Vec<FileDifference> {
    let mut differences = Vec::new();
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    // Both are in the order of paths.
    loop {
        let (one, other) = match (left.peek(), right.peek()) {
            (None, None) => return differences,
            (Some(_), None) => (left.next(), None),
            (None, Some(_)) => (None, right.next()),
            (Some((one, _)), Some((other, _))) => match one.cmp(other) {
                std::cmp::Ordering::Less => (left.next(), None),
                std::cmp::Ordering::Greater => (None, right.next()),
                std::cmp::Ordering::Equal => (left.next(), right.next()),
            },
        };
        let changed = match (one, other) {
            (Some((_, one)), Some((_, other))) => aspects(one, other, options),
            _ => Vec::new(),
        };
        let Some((path, _)) = one.or(other) else { continue };
        if one.is_none() || other.is_none() || !changed.is_empty() {
            differences.push(FileDifference {
                path: path.to_string(),
                before: one.map(|(_, facts)| FileSummary::of(facts)),
                after: other.map(|(_, facts)| FileSummary::of(facts)),
                changed,
            });
        }
    }
}

fn aspects(before: &FileFacts, after: &FileFacts, options: DifferenceOptions) -> Vec<Aspect> {
    let is_same_type = std::mem::discriminant(&before.kind) == std::mem::discriminant(&after.kind);
    let differs = [
        (Aspect::Type, !is_same_type),
        (Aspect::Content, is_same_type && before.digest != after.digest),
        (
            Aspect::Mode,
            is_same_type && before.mode != after.mode && !is_symlink(before),
        ),
        (Aspect::Owner, (before.uid, before.gid) != (after.uid, after.gid)),
        (Aspect::Link, is_same_type && before.kind != after.kind),
        (
            Aspect::Time,
            options.times == Times::Compare && before.mtime != after.mtime,
        ),
    ];
    differs
        .into_iter()
        .filter_map(|(aspect, differs)| differs.then_some(aspect))
        .collect()
}

/// The mode of a symbolic link means nothing.
fn is_symlink(facts: &FileFacts) -> bool {
    matches!(facts.kind, FileKind::Symlink { .. })
}

impl FileSummary {
    /// What is told of that file.
    #[must_use]
    pub fn of(facts: &FileFacts) -> Self {
        Self {
            kind: facts.kind.name(),
            mode: format!("{:04o}", facts.mode),
            uid: facts.uid,
            gid: facts.gid,
            size: facts.size,
            mtime: facts.mtime,
            link: match &facts.kind {
                FileKind::Symlink { target } => Some(String::from_utf8_lossy(target).into_owned()),
                FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
                    Some(format!("{major}:{minor}"))
                }
                _ => None,
            },
        }
    }
}

fn compare_configs(before: &ImageConfig, after: &ImageConfig) -> Vec<FieldDifference> {
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let difference = |name: &String| FieldDifference {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    names
        .into_iter()
        .map(difference)
        .filter(|field| field.before != field.after)
        .collect()
}

/// Every field that a container can notice, as text.
fn fields(config: &ImageConfig) -> BTreeMap<String, String> {
    let container = &config.config;
    let list = |words: &Vec<String>| format!("{words:?}");
    let set = |names: &BTreeSet<String>| {
        Some(names.iter().cloned().collect::<Vec<_>>().join(" ")).filter(|names| !names.is_empty())
    };
    let single = [
        ("platform", Some(config.platform().to_string())),
        ("created", config.created.clone()),
        ("author", config.author.clone()),
        ("user", container.user.clone()),
        ("workdir", container.working_dir.clone()),
        ("entrypoint", container.entrypoint.as_ref().map(list)),
        ("cmd", container.cmd.as_ref().map(list)),
        ("shell", container.shell.as_ref().map(list)),
        ("stop signal", container.stop_signal.clone()),
        ("ports", set(&container.exposed_ports)),
        ("volumes", set(&container.volumes)),
    ];
    let single = single
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let environment = container.env.iter().map(|line| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (format!("env {name}"), value.to_owned())
    });
    let labels = container
        .labels
        .iter()
        .map(|(name, value)| (format!("label {name}"), value.clone()));
    single.chain(environment).chain(labels).collect()
}

fn compare_layers(before: &[LayerFacts], after: &[LayerFacts]) -> Vec<LayerDifference> {
    let size = |layer: &LayerFacts| LayerSize {
        digest: layer.descriptor.digest.to_string(),
        diff_id: layer.diff_id.to_string(),
        compressed_bytes: layer.descriptor.size,
        unpacked_bytes: layer.unpacked_bytes,
    };
    (0..before.len().max(after.len()))
        .map(|position| LayerDifference {
            position,
            before: before.get(position).map(size),
            after: after.get(position).map(size),
        })
        .filter(|layer| layer.before != layer.after)
        .collect()
}
