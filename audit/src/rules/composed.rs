//! What is put together with a value, by what the files of its directory mean together.

use std::cell::{Cell, OnceCell};

use super::Rule;
use super::references::rule_of;
use crate::directory::{Directories, Surroundings};
use crate::finding::{Composed, Severity, Whole};
use crate::image::{ImageFinder, ImageText};
use crate::mapped::Span;
use crate::reading::{Binding, Document};

/// References that one place is known to be a part of.
const REFERENCES_MAX: usize = 128;

/// A longer one is none, in bytes.
const REFERENCE_BYTES_MAX: usize = 512;

/// Texts that are looked at for one file.
const TEXTS_MAX: usize = 20_000;

/// Bytes of references that are kept for one file, whatever its size.
const KEPT_BYTES_MIN: usize = 16 << 10;

/// How many values before a place may hold it: values stand in each other where one is the default of another.
const NEAR_MAX: usize = 4;

/// How many names of such values are looked at.
const NAMES_MAX: usize = 256;

/// How many bindings within one text are looked at.
const WITHIN_MAX: usize = 16;

/// Bindings by where their values stand.
#[derive(Debug, Default)]
pub(crate) struct BoundPlaces<'d> {
    bindings: Vec<&'d Binding>,
}

impl<'d> BoundPlaces<'d> {
    pub(crate) fn of(document: &'d Document) -> BoundPlaces<'d> {
        let mut bindings: Vec<&Binding> = document.bindings.iter().collect();
        bindings.sort_by_key(|binding| binding.value.whole_span().start);
        BoundPlaces { bindings }
    }

    /// Those whose values hold a place.
    pub(crate) fn at(&self, span: Span) -> impl Iterator<Item = &'d Binding> {
        let next = self
            .bindings
            .partition_point(|binding| binding.value.whole_span().start <= span.start);
        let before = self.bindings.get(next.saturating_sub(NAMES_MAX)..next);
        let before = before.unwrap_or_default();
        // Those that begin at one place are one value with several names.
        let starts = before.chunk_by(|one, other| {
            let start = |binding: &Binding| binding.value.whole_span().start;
            start(one) == start(other)
        });
        let count: usize = starts.rev().take(NEAR_MAX).map(<[_]>::len).sum();
        let near = before.get(before.len() - count..).unwrap_or_default();
        near.iter()
            .filter(move |binding| binding.value.whole_span().end >= span.end)
            .copied()
    }

    /// Those whose values stand within a place.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = &'d Binding> {
        let first = self
            .bindings
            .partition_point(|binding| binding.value.whole_span().start < span.start);
        let rest = self.bindings.get(first..).unwrap_or_default().iter().copied();
        rest.take_while(move |binding| binding.value.whole_span().end <= span.end)
            .take(WITHIN_MAX)
    }
}

/// How much a reference matters: less is more.
type Strength = (usize, std::cmp::Reverse<(usize, bool)>);

/// Asks what is put together with places of one file. What else its directory has is read when something is asked for.
pub(crate) struct Composer<'l> {
    directories: &'l Directories<'l>,
    path: &'l str,
    document: &'l Document,
    surroundings: OnceCell<Surroundings>,
    places: OnceCell<BoundPlaces<'l>>,
    texts_left: Cell<usize>,
    bytes_left: Cell<usize>,
}

/// What is put together with a host.
#[derive(Debug, Default)]
pub(crate) struct Composition {
    /// What matters most, and how it reads.
    pub(crate) strongest: Option<(ImageText, String)>,
    /// All of it.
    pub(crate) composed: Composed,
}

impl<'l> Composer<'l> {
    /// For a file with so many bytes.
    pub(crate) fn new(
        directories: &'l Directories<'l>,
        (path, document): (&'l str, &'l Document),
        bytes: usize,
    ) -> Composer<'l> {
        Composer {
            directories,
            path,
            document,
            surroundings: OnceCell::new(),
            places: OnceCell::new(),
            texts_left: Cell::new(TEXTS_MAX),
            bytes_left: Cell::new(8 * bytes + KEPT_BYTES_MIN),
        }
    }

    fn surroundings(&self) -> &Surroundings {
        self.surroundings
            .get_or_init(|| self.directories.around(self.path))
    }

    fn places(&self) -> &BoundPlaces<'l> {
        self.places.get_or_init(|| BoundPlaces::of(self.document))
    }

    /// A text of the file with values of its directory, in each way that these allow.
    pub(crate) fn read(&self, text: &str) -> Vec<String> {
        if self.surroundings().is_empty() || !self.may_read(1) {
            return Vec::new();
        }
        let read = self.surroundings().read(text);
        self.may_read(read.len());
        read
    }

    /// What is put together with a host at a place; nothing where no name of a directory stands for it.
    pub(crate) fn composition(
        &self,
        images: &ImageFinder,
        own: &[String],
        (host, span): (&ImageText, Span),
    ) -> Option<Composition> {
        let mut strongest: Option<(Strength, ImageText, String)> = None;
        let mut composed = Composed {
            references: Vec::new(),
            is_whole: true,
        };
        let mut is_bound = false;
        for binding in self.places().at(span) {
            if !self.may_read(1) {
                composed.is_whole = false;
                break;
            }
            let Some(readings) = self.surroundings().readings(&binding.name, binding.value.text()) else {
                continue;
            };
            is_bound = true;
            composed.is_whole &= readings.is_whole & self.may_read(readings.texts.len());
            for (text, pinned) in &readings.texts {
                let here = images.find(text).into_iter().filter(|image| {
                    let is_of_value = pinned.iter().any(|range| range.contains(&image.range.start));
                    is_of_value && image.host == host.host
                });
                for image in here {
                    let reference = image.written(text).to_owned();
                    let (rule, _) = rule_of(&image, own);
                    // Of names that begin alike, the longest is the whole one.
                    let has_version = image.tag.is_some() || image.digest.is_some();
                    let length = (image.name.matches('/').count(), has_version);
                    let strength = (rank(rule), std::cmp::Reverse(length));
                    let is_stronger = strongest.as_ref().is_none_or(|(other, ..)| strength < *other);
                    if image.project().is_some() && is_stronger {
                        strongest = Some((strength, image, reference.clone()));
                    }
                    self.keep(&mut composed, whole(reference, rule));
                }
            }
        }
        is_bound.then(|| Composition {
            strongest: strongest.map(|(_, image, reference)| (image, reference)),
            composed,
        })
    }

    fn keep(&self, composed: &mut Composed, whole: Whole) {
        if composed.references.contains(&whole) {
            return;
        }
        let length = whole.reference.len();
        let left = self.bytes_left.get().checked_sub(length);
        let has_room = composed.references.len() < REFERENCES_MAX && length <= REFERENCE_BYTES_MAX;
        match left.filter(|_| has_room) {
            Some(left) => {
                self.bytes_left.set(left);
                composed.references.push(whole);
            }
            None => composed.is_whole = false,
        }
    }

    /// Whether so many texts more may be looked at.
    fn may_read(&self, count: usize) -> bool {
        let left = self.texts_left.get();
        self.texts_left.set(left.saturating_sub(count));
        left >= count
    }
}

/// A reference that is put together, and falls under a rule.
pub(super) fn whole(reference: String, rule: &str) -> Whole {
    Whole {
        reference,
        stays: Rule::by_id(rule).is_some_and(|rule| rule.severity == Severity::Note),
    }
}

/// What has to change comes before what stays.
pub(super) fn rank(rule: &str) -> usize {
    [
        "image-own",
        "image-named",
        "image-third-party",
        "image-kubernetes",
        "image-google",
    ]
    .iter()
    .position(|other| *other == rule)
    .unwrap_or(usize::MAX)
}
