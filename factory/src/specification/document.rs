//! The shape of a specification file, as serde reads it and as the JSON schema tells it.
//!
//! Only the shape is decided here; the values are checked where they are merged into a plan.

use std::collections::BTreeMap;
use std::mem;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, Scalar};

/// Names with texts; null takes an inherited entry away.
pub(crate) type Entries = BTreeMap<String, At<Option<Scalar>>>;

/// Defines the two mappings that share the settings of an image: the file itself and a variant in it.
/// (`#[serde(flatten)]` would do it, but it loses the lines and columns of everything inside.)
macro_rules! with_settings {
    ($( $(#[$attribute:meta])* $field:ident: $type:ty, )*) => {
        /// A specification: an image and its variants.
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct Document {
            /// Version of this format; always the first key. This is version 1.
            #[schemars(range(min = 1, max = 1))]
            #[allow(dead_code, reason = "read before the rest of the document, from its first line")]
            pub(crate) lightship: u32,
            /// Name of the image; without it, the name of the file without its suffix.
            pub(crate) name: Option<At<String>>,
            /// What the image is for, in a sentence.
            pub(crate) description: Option<At<String>>,
            /// What the image builds on: a NAME of the catalogue, or the path of another specification
            /// (with a slash or a YAML suffix), from this file's directory. Without it, nothing.
            pub(crate) base: Option<At<String>>,
            /// The Debian release, `debian12` or `debian13`; inherited from the base, else the newest.
            pub(crate) release: Option<At<String>>,
            /// Architectures by their OCI names; without it, the base's, else all of the release.
            pub(crate) architectures: Option<At<Vec<At<String>>>>,
            /// How the image is cut into layers: `per-package`, `budget:N` (2 to 127) or `single`.
            pub(crate) layers: Option<At<String>>,
            /// Until when the image gets security updates; without it, the release's dates.
            pub(crate) support: Option<SupportEntry>,
            /// Additional APT archives.
            #[serde(default)]
            pub(crate) repositories: Vec<RepositoryEntry>,
            /// Variants by name: settings on top of those of the image. `latest` is the image itself.
            #[serde(default)]
            pub(crate) variants: BTreeMap<String, At<VariantDocument>>,
            $( $(#[$attribute])* #[serde(default)] pub(crate) $field: $type, )*
        }

        /// A variant: what differs from the image itself.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(crate) struct VariantDocument {
            /// Other variants whose settings come first, in this order.
            #[serde(default)]
            pub(crate) extends: Vec<At<String>>,
            $( $(#[$attribute])* #[serde(default)] pub(crate) $field: $type, )*
        }

        /// What both have in common.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Settings {
            $( pub(crate) $field: $type, )*
        }

        impl Document {
            /// Takes the settings out.
            pub(crate) fn take_settings(&mut self) -> Settings {
                Settings { $( $field: mem::take(&mut self.$field), )* }
            }
        }

        impl VariantDocument {
            /// The settings.
            pub(crate) fn into_settings(self) -> Settings {
                Settings { $( $field: self.$field, )* }
            }
        }
    };
}

with_settings! {
    /// Debian packages; their dependencies come along. `NAME`, or a relation as in control files:
    /// `NAME (>= VERSION)`, `NAME | OTHER`.
    packages: Vec<At<String>>,
    /// Packages that are left out though something depends on them.
    exclude: Vec<ExcludeEntry>,
    /// Packages that count as installed without being there.
    provide: Vec<ProvideEntry>,
    /// Files of packages that are left out.
    drop: Vec<DropEntry>,
    /// Users and groups.
    accounts: AccountsEntry,
    /// Fields of `/usr/lib/os-release`; null takes one away.
    os_release: Entries,
    /// Environment variables. `${NAME}` stands for the value so far; null takes a variable away.
    environment: Entries,
    /// Variables and annotations that carry a package's version.
    versions: Vec<VersionEntry>,
    /// Who the process runs as: a name of `accounts` or a number, optionally `:GROUP`.
    user: Option<At<Scalar>>,
    /// The directory in which the process starts.
    workdir: Option<At<String>>,
    /// The program and its first arguments.
    entrypoint: Option<At<Vec<At<Scalar>>>>,
    /// Default arguments.
    cmd: Option<At<Vec<At<Scalar>>>>,
    /// Labels of the configuration; null takes one away.
    labels: Entries,
    /// Annotations of manifests and index; null takes one away.
    annotations: Entries,
    /// Directories that are meant to be mounted.
    volumes: Vec<At<String>>,
    /// Ports that are listened on: `8080`, `53/udp`, `8000-8010/tcp`.
    ports: Vec<At<Scalar>>,
    /// The signal that asks the process to stop: `SIGTERM` or a number.
    stop_signal: Option<At<Scalar>>,
    /// Directories.
    directories: Vec<DirectoryEntry>,
    /// Files from disk, or with their text here.
    files: Vec<FileEntry>,
    /// Directories from disk with all that is in them.
    trees: Vec<TreeEntry>,
    /// Symbolic links.
    links: Vec<LinkEntry>,
    /// Paths of packages that go elsewhere.
    moves: Vec<MoveEntry>,
    /// Certificate authorities beyond Debian's; they go into the PEM bundle and the Java keystore.
    certificates: Vec<CertificateEntry>,
    /// Archives by URL and SHA-256, unpacked into the image.
    archives: Vec<ArchiveEntry>,
}

/// The end of support.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SupportEntry {
    /// The last day with security updates for every architecture, `YYYY-MM-DD`.
    pub(crate) full: At<String>,
    /// The last day for the architectures of long-term support.
    pub(crate) long_term: Option<At<String>>,
}

/// An additional APT archive.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RepositoryEntry {
    /// Its name in the lock.
    pub(crate) name: At<String>,
    /// The directory above `dists/`: `https:`, `http:` or `file:`.
    pub(crate) uri: At<String>,
    /// The suite.
    pub(crate) suite: At<String>,
    /// The components.
    pub(crate) components: At<Vec<At<String>>>,
    /// The OpenPGP keys that may sign it: a file, or the armoured text.
    #[serde(alias = "signed_by")]
    pub(crate) signed_by: At<String>,
    /// The packages that may come from it; without it, any.
    #[serde(default)]
    pub(crate) packages: Vec<At<String>>,
}

/// A package that is left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExcludeEntry {
    /// The package, real or virtual.
    pub(crate) package: At<String>,
    /// Deny only these packages their wish for it; if another one needs it, it comes in.
    #[serde(default)]
    pub(crate) from: Vec<At<String>>,
    /// Why the image works without it.
    pub(crate) reason: At<String>,
}

/// A package that counts as installed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProvideEntry {
    /// The package, real or virtual.
    pub(crate) package: At<String>,
    /// Its version, for relations that ask for one.
    pub(crate) version: Option<At<Scalar>>,
    /// What takes its place.
    pub(crate) reason: At<String>,
}

/// Files of packages that are left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DropEntry {
    /// Absolute globs: `*` and `?` within a name, `**` across directories, `[a-z]`, `{a,b}`.
    pub(crate) paths: At<Vec<At<String>>>,
    /// Why nothing misses them.
    pub(crate) reason: At<String>,
}

/// Users and groups.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct AccountsEntry {
    /// Users; one with an inherited name replaces it.
    pub(crate) users: Vec<UserEntry>,
    /// Groups; one with an inherited name replaces it.
    pub(crate) groups: Vec<GroupEntry>,
}

/// A user.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UserEntry {
    /// Login name.
    pub(crate) name: At<String>,
    /// User number.
    pub(crate) uid: At<u32>,
    /// Number of the primary group; without it, the user number.
    pub(crate) gid: Option<At<u32>>,
    /// The comment; without it, the name.
    pub(crate) gecos: Option<At<String>>,
    /// Home directory; without it, `/nonexistent`, and none is made.
    pub(crate) home: Option<At<String>>,
    /// Mode of the home directory, which is made; without it, `0700`.
    pub(crate) home_mode: Option<At<Scalar>>,
    /// Login shell; without it, `/sbin/nologin`.
    pub(crate) shell: Option<At<String>>,
}

/// A group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GroupEntry {
    /// Name.
    pub(crate) name: At<String>,
    /// Group number.
    pub(crate) gid: At<u32>,
    /// Users who have it as an additional group.
    #[serde(default)]
    pub(crate) members: Vec<At<String>>,
}

/// A variable or annotation with the version of a package.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct VersionEntry {
    /// The package.
    pub(crate) package: At<String>,
    /// The environment variable.
    pub(crate) environment: Option<At<String>>,
    /// The annotation.
    pub(crate) annotation: Option<At<String>>,
}

/// A directory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DirectoryEntry {
    /// Where.
    pub(crate) path: At<String>,
    /// Permissions; without it, `0755`.
    pub(crate) mode: Option<At<Scalar>>,
    /// `USER[:GROUP]`, names of `accounts` or numbers; without it, root.
    pub(crate) owner: Option<At<Scalar>>,
}

/// A file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FileEntry {
    /// Where it goes.
    pub(crate) path: At<String>,
    /// The file on disk, from the specification's directory; either this or `text`.
    pub(crate) from: Option<At<String>>,
    /// Its text; either this or `from`.
    pub(crate) text: Option<At<String>>,
    /// Permissions; without it, `0755` for a file that can be executed on disk, else `0644`.
    pub(crate) mode: Option<At<Scalar>>,
    /// `USER[:GROUP]`, names of `accounts` or numbers; without it, root.
    pub(crate) owner: Option<At<Scalar>>,
}

/// A directory from disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TreeEntry {
    /// Where its content goes.
    pub(crate) path: At<String>,
    /// The directory on disk, from the specification's directory.
    pub(crate) from: At<String>,
    /// Permissions of its files; as for a file.
    pub(crate) mode: Option<At<Scalar>>,
    /// `USER[:GROUP]` of everything in it; without it, root.
    pub(crate) owner: Option<At<Scalar>>,
}

/// A symbolic link.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LinkEntry {
    /// Where it lies.
    pub(crate) path: At<String>,
    /// What it points to.
    pub(crate) target: At<String>,
}

/// A path that goes elsewhere.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MoveEntry {
    /// Where the package puts it (`/bin` and `/lib` count as `/usr/bin` and `/usr/lib`).
    pub(crate) from: At<String>,
    /// Where the image has it.
    pub(crate) to: At<String>,
}

/// Certificates of authorities.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CertificateEntry {
    /// Name of the file in the image, without `.crt`; without it, that of `from`.
    pub(crate) name: Option<At<String>>,
    /// The PEM file, from the specification's directory; either this or `text`.
    pub(crate) from: Option<At<String>>,
    /// The PEM text; either this or `from`.
    pub(crate) text: Option<At<String>>,
}

/// An archive that is unpacked into the image.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ArchiveEntry {
    /// For which architectures it is; without it, all.
    #[serde(default)]
    pub(crate) architectures: Vec<At<String>>,
    /// `https:` or `http:`, or a path from the specification's directory; tar in any compression.
    pub(crate) url: At<String>,
    /// SHA-256 of the archive, 64 hex digits.
    pub(crate) sha256: At<Scalar>,
    /// How many leading components its paths lose.
    #[serde(default)]
    pub(crate) strip: Option<At<u32>>,
    /// Globs over its paths after stripping; without it, everything.
    #[serde(default)]
    pub(crate) select: Vec<At<String>>,
    /// Where its content goes.
    pub(crate) path: At<String>,
    /// Permissions of its files; without it, the archive's own.
    pub(crate) mode: Option<At<Scalar>>,
    /// `USER[:GROUP]` of everything in it; without it, root.
    pub(crate) owner: Option<At<Scalar>>,
}
