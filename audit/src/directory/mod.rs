//! What the files of a directory mean together.
//!
//! By some conventions a value stands in one file and is used in another: values of a chart in its templates, variables of
//! Terraform in the other files of a module, `.env` in compose files, what a Makefile includes in the Makefile. [`convention`]
//! says which files belong together, [`load`] reads them within limits into a [`group`] of names, values and uses, and that
//! answers what is put together with a value of one file. Only for files that may have findings is anything read, and once
//! for all files of a place.

mod convention;
mod dollar;
mod go_template;
mod group;
mod load;
mod parts;
mod terraform;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use convention::{Convention, Place};
use dollar::Notation;
pub(crate) use group::Readings;
use group::{Group, Layer};
use parts::Parts;

/// Places that are remembered: those of files that are looked at about the same time.
const PLACES_MAX: usize = 16;

/// Names of one folder that are told, at most.
pub const ENTRIES_MAX: usize = 4096;

/// Other files of the tree that a file is of.
///
/// Paths have slashes, and are those by which files are looked at.
pub trait Files: Send + Sync {
    /// What a folder has; nothing when it cannot be read. At most [`ENTRIES_MAX`].
    fn entries(&self, folder: &str) -> Vec<Entry>;

    /// The bytes of a file; nothing when it is none, or has more than `bytes_max`.
    fn read(&self, path: &str, bytes_max: usize) -> Option<Vec<u8>>;
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name in its folder.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// No other files: each stands alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Files for Alone {
    fn entries(&self, _: &str) -> Vec<Entry> {
        Vec::new()
    }

    fn read(&self, _: &str, _: usize) -> Option<Vec<u8>> {
        None
    }
}

/// Directories of a tree, as far as files of them were looked at.
pub struct Directories<'f> {
    files: &'f dyn Files,
    /// The last places that were asked for, and what their files have: read by whoever asks first, while others wait.
    known: Mutex<VecDeque<(Place, Known)>>,
}

type Known = Arc<OnceLock<Option<Arc<Group>>>>;

impl<'f> Directories<'f> {
    /// Of these files.
    #[must_use]
    pub fn new(files: &'f dyn Files) -> Directories<'f> {
        Directories {
            files,
            known: Mutex::default(),
        }
    }

    /// What a file belongs to.
    pub(crate) fn around(&self, path: &str) -> Surroundings {
        let places = convention::places(path, self.files);
        let members = places.into_iter().filter_map(|place| {
            let convention = place.convention;
            let group = self.group(place)?;
            let (layer, chart) = group.members.get(path)?.clone();
            Some(Member {
                group,
                convention,
                layer,
                chart,
            })
        });
        Surroundings {
            members: members.collect(),
        }
    }

    fn group(&self, place: Place) -> Option<Arc<Group>> {
        let known = {
            let mut places = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let found = places.iter().position(|(other, _)| *other == place);
            let known = found.and_then(|at| places.remove(at)).map(|(_, known)| known);
            let known = known.unwrap_or_default();
            places.truncate(PLACES_MAX - 1);
            places.push_front((place.clone(), known.clone()));
            known
        };
        let load = || load::group(&place, self.files).map(Arc::new);
        known.get_or_init(load).clone()
    }
}

/// What a file belongs to.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    members: Vec<Member>,
}

/// A file as a part of a group.
#[derive(Debug)]
struct Member {
    group: Arc<Group>,
    convention: Convention,
    layer: Layer,
    chart: Option<String>,
}

impl Surroundings {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A text of the file with the values of the group: each reading that overlays give it, where there is more than itself.
    pub(crate) fn read(&self, text: &str) -> Vec<String> {
        let read = self.members.iter().flat_map(|member| {
            let parts = member.parts(text);
            let filled = match parts.has_names() {
                true => member.group.read(&parts, member.layer),
                false => Vec::new(),
            };
            filled.into_iter().map(|filled| filled.text)
        });
        read.collect()
    }

    /// Everything that is put together in the group where a name of the file has a value; nothing where none is.
    pub(crate) fn readings(&self, name: &str, value: &str) -> Option<Readings> {
        let mut all: Option<Readings> = None;
        for member in &self.members {
            let Some(name) = member.name(name) else { continue };
            let found = member.group.readings(&name, &member.parts(value), member.layer);
            let all = all.get_or_insert_with(|| Readings {
                texts: Vec::new(),
                is_whole: true,
            });
            all.texts.extend(found.texts);
            all.is_whole &= found.is_whole;
        }
        all
    }
}

impl Member {
    /// A text of the file with its names.
    fn parts(&self, text: &str) -> Parts {
        if text.len() > group::LINE_BYTES_MAX {
            return Parts::text(text);
        }
        match self.convention {
            Convention::Chart => go_template::line(text, self.chart.as_deref()),
            Convention::Module => terraform::line(text),
            Convention::Compose | Convention::Pipeline => dollar::parts(text, Notation::Compose),
            Convention::Make => dollar::parts(text, Notation::Make),
        }
    }

    /// A name of the file as the group knows it; nothing when the convention has no such names.
    fn name(&self, name: &str) -> Option<String> {
        match self.convention {
            Convention::Chart => name
                .starts_with("Values.")
                .then(|| go_template::in_chart(self.chart.as_deref(), name)),
            Convention::Module => ["var.", "local."]
                .iter()
                .any(|scope| name.starts_with(scope))
                .then(|| name.to_owned()),
            Convention::Compose | Convention::Make => Some(name.to_owned()),
            Convention::Pipeline => (!name.contains('.')).then(|| name.to_owned()),
        }
    }
}
