//! Finds what in a source tree still depends on a container registry, and changes it.
//!
//! A file goes through stations that know nothing of each other: [`sift`] says from its bytes alone whether it can have a
//! finding; [`source`] decodes it; [`kind`] says what it is; [`reading`] takes it apart into pieces (values, comments, prose),
//! commands and bindings, each of which knows where in the file it stands; the detectors in [`rules`] look at those, and
//! [`directory`] tells them what is put together with a value in other files.
//!
//! This crate touches no network, prints nothing, and reads files only in [`tree`] and [`revision`].
//!
//! ```
//! use audit::{Auditor, Settings};
//!
//! let auditor = Auditor::new(Settings::default());
//! let found = auditor.file("Dockerfile", b"FROM gcr.io/my-project/base:1.2\n");
//! assert_eq!(found.findings[0].rule.id, "image-own");
//! assert_eq!(found.findings[0].reference.as_deref(), Some("gcr.io/my-project/base:1.2"));
//! ```

pub mod auditor;
pub mod baseline;
pub mod directory;
pub mod finding;
pub mod fix;
pub mod host;
mod ignoring;
pub mod image;
pub mod kind;
pub mod mapped;
mod near;
mod own;
pub mod place;
pub mod project;
pub mod reading;
pub mod report;
pub mod revision;
pub mod root;
pub mod rules;
mod secret_text;
pub mod settings;
pub mod sift;
pub mod source;
pub mod tree;

pub use auditor::{Auditor, FileReport};
pub use baseline::Baseline;
pub use finding::{Class, Confidence, Finding, Severity};
pub use kind::Kind;
pub use rules::Rule;
pub use settings::{Hosts, HostsError, Settings};
pub use tree::{Tree, TreeOptions, TreeReport};
