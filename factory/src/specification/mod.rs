//! What a user writes about an image.
//!
//! A specification is a YAML file ([`document`], docs/specification.md). It may build on a base, another
//! specification, and has variants. Reading it gives one flat [`Plan`] for each variant:
//!
//! ```
//! use std::path::Path;
//! use factory::specification::Specification;
//!
//! let text = "lightship: 1\nbase: static-debian13\nentrypoint: [/app]\nuser: nonroot\n";
//! let specification = Specification::parse("app.yaml", text, Path::new("."))?;
//! let plan = specification.plan("latest").ok_or("every image has it")?;
//! assert_eq!((plan.name.as_str(), plan.user.as_str()), ("app", "nonroot"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod additions;
mod at;
mod chain;
mod diagnostic;
mod document;
mod merge;
mod parse;
mod plan;
mod values;

use std::io;
use std::path::{Path, PathBuf};

pub use diagnostic::Diagnostic;
pub use parse::{ALIASES_MAX, DEPTH_MAX, DOCUMENT_BYTES_MAX, FORMAT_VERSION, NODES_MAX};
pub use plan::{
    Accounts, Certificate, Directory, Drop, Exclude, Group, LayerPolicy, Link, Move, Plan, Provide, Text,
    UnknownLayerPolicy, User, UserArchive, UserFile, UserRepository, UserTree, VersionOf,
};

/// The variants that the catalogue's images have, in the order in which they are listed.
pub const VARIANTS: [&str; 4] = ["latest", "nonroot", "debug", "debug-nonroot"];

/// Most specifications that one can stand on, itself included.
pub const BASES_MAX: usize = 16;

/// Most variants of an image.
pub const VARIANTS_MAX: usize = 64;

/// A specification with its bases: a plan for each variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Specification {
    /// Name of the image.
    pub name: String,
    /// What the image is for.
    pub description: Option<String>,
    /// One plan for each variant: [`VARIANTS`] first, others by name; `latest` is always there.
    pub plans: Vec<Plan>,
}

impl Specification {
    /// Reads the specification at `path` and the bases that it names.
    ///
    /// # Errors
    /// When a file cannot be read, or with every fault that was found in it.
    pub fn load(path: &Path) -> Result<Self, SpecificationError> {
        chain::load(path)
    }

    /// Reads a specification from text. `file` is what faults call it; bases and files on disk are
    /// looked for from `directory`.
    ///
    /// # Errors
    /// As [`Specification::load`].
    pub fn parse(file: &str, text: &str, directory: &Path) -> Result<Self, SpecificationError> {
        chain::parse(file, text, directory)
    }

    /// The plan of a variant.
    pub fn plan(&self, variant: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.variant == variant)
    }
}

/// The JSON schema of specification files (draft 2020-12), as JSON text with a final newline.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(document::Document);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Why a specification cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecificationError {
    /// A file is not there or cannot be read.
    #[error("cannot read the specification {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such image in the catalogue.
    #[error("there is no image {name} in the catalogue")]
    UnknownImage {
        /// What was asked for.
        name: String,
        /// The nearest name that there is.
        suggestion: Option<&'static str>,
    },
    /// It has faults.
    #[error("the specification {file} has {}", count(faults.len()))]
    Invalid {
        /// The file that was asked for.
        file: String,
        /// The faults, in the order of the text; never empty.
        faults: Vec<Diagnostic>,
    },
}

impl SpecificationError {
    /// The faults with their lines and carets, for people; empty for other errors.
    pub fn render(&self) -> String {
        match self {
            Self::Invalid { faults, .. } => faults
                .iter()
                .map(Diagnostic::render)
                .collect::<Vec<_>>()
                .join("\n"),
            Self::Read { .. } | Self::UnknownImage { .. } => String::new(),
        }
    }
}

fn count(faults: usize) -> String {
    if faults == 1 {
        "a fault".to_owned()
    } else {
        format!("{faults} faults")
    }
}

pub(crate) use diagnostic::suggestion;

#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod tests;
