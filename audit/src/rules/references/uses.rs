//! What is put together from a host that stands alone where a name gets its value.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::super::Look;
use super::super::composed::{BoundPlaces, rank};
use super::super::variables::{Variables, names_in};
use super::joined::Joined;
use super::rule_of;
use crate::finding::{Composed, Whole};
use crate::image::ImageText;
use crate::mapped::{Mapped, Span};
use crate::reading::Piece;

/// How many uses of a name are looked at, those of names that stand for it included.
const USES_MAX: usize = 256;

/// How many texts are looked at for one file.
const TEXTS_MAX: usize = 100_000;

/// References that one place is known to be a part of.
const REFERENCES_MAX: usize = 512;

/// Where names are used.
pub(super) struct Uses<'d> {
    pieces: HashMap<String, Vec<Use<'d>>>,
    places: BoundPlaces<'d>,
    joined: Joined<'d>,
    /// What was found for what stands behind names.
    known: RefCell<HashMap<Asked<'d>, Found>>,
    /// How many texts are still looked at.
    left: Cell<usize>,
}

/// A text that a name is used in, and the value of the same name which that is a part of: there it is another value.
type Use<'d> = (&'d Piece, Option<Span>);

/// Names that stand for a text, and the text.
type Asked<'d> = (Vec<&'d str>, String);

/// What is put together with a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// What matters most, and how it reads.
    pub(super) strongest: Option<(ImageText, String)>,
    /// All of it; nothing where nothing is known.
    pub(super) composed: Option<Composed>,
}

impl Found {
    /// One reference and no other.
    pub(super) fn of_one(look: &Look<'_>, image: ImageText, reference: String) -> Found {
        Found {
            composed: Some(Composed {
                references: vec![look.whole(&image, &reference)],
                is_whole: true,
            }),
            strongest: Some((image, reference)),
        }
    }
}

impl<'d> Uses<'d> {
    pub(super) fn of(look: &Look<'d>) -> Uses<'d> {
        let document = look.document;
        let places = BoundPlaces::of(document);
        let mut pieces: HashMap<String, Vec<Use<'_>>> = HashMap::new();
        if !document.bindings.is_empty() {
            for piece in document.pieces.iter().filter(|piece| !piece.role.is_mention()) {
                for name in names_in(piece.text.text()) {
                    let own = own_value(&places, &piece.text, name);
                    pieces.entry(bare(name)).or_default().push((piece, own));
                }
            }
        }
        Uses {
            pieces,
            places,
            joined: match document.bindings.is_empty() {
                true => Joined::default(),
                false => Joined::of(look.kind, look.source.text()),
            },
            known: RefCell::default(),
            left: Cell::new(TEXTS_MAX),
        }
    }

    /// The names whose values hold a place.
    fn names_at(&self, span: Span) -> impl Iterator<Item = &'d str> {
        self.places.at(span).map(|binding| binding.name.as_str())
    }

    /// Whether a name stands for a place.
    pub(super) fn is_bound(&self, span: Span) -> bool {
        self.names_at(span).next().is_some()
    }

    /// The references that are put together with what stands at a place, which is a part of `text`.
    pub(super) fn all(
        &self,
        look: &Look<'_>,
        variables: &Variables<'_>,
        image: &ImageText,
        (text, span): (&str, Span),
    ) -> Found {
        let names: Vec<&str> = self.names_at(span).collect();
        if names.is_empty() {
            return Found::default();
        }
        // With variables in it, it reads otherwise where it is used: by its host alone it is known there.
        let written = image.written(text);
        let begins = match crate::image::is_variable(written) {
            true => image.host.as_str(),
            false => written,
        };
        let asked = (names.clone(), begins.to_owned());
        if let Some(known) = self.known.borrow().get(&asked) {
            return known.clone();
        }
        let found = self.look_for(look, variables, (begins, span), names);
        self.known.borrow_mut().insert(asked, found.clone());
        found
    }

    fn look_for(
        &self,
        look: &Look<'_>,
        variables: &Variables<'_>,
        (begins, span): (&str, Span),
        names: Vec<&'d str>,
    ) -> Found {
        let mut names = names;
        let mut seen: HashSet<&str> = names.iter().copied().collect();
        let mut gathered = Gathered::default();
        let mut left = USES_MAX.min(self.left.get());
        let mut is_whole = true;
        while let Some(name) = names.pop() {
            is_whole &= !self.joined.is_elsewhere(name);
            for text in self.joined.to(name) {
                gathered.add(look, &format!("{begins}{text}"), (begins, false), |_| true);
            }
            let uses = self.pieces.get(&bare(name)).into_iter().flatten();
            let others = uses.filter(|(_, own)| !own.is_some_and(|own| own.overlaps(&span)));
            for (piece, _) in others {
                if left == 0 {
                    is_whole = false;
                    break;
                }
                left -= 1;
                self.left.set(self.left.get().saturating_sub(1));
                gathered.takes_hosts = self.names_at(piece.text.whole_span()).next().is_none();
                is_whole &= gathered.read(look, variables, &piece.text, (name, begins, span));
                // Names that stand for it as well: what is bound to all of the text, and what is bound in it.
                let whole = piece.text.whole_span();
                let within = self.places.within(whole).filter(|other| {
                    names_in(other.value.text())
                        .iter()
                        .any(|used| used.eq_ignore_ascii_case(name))
                });
                let within = within.map(|other| other.name.as_str());
                names.extend(
                    self.names_at(whole)
                        .chain(within)
                        .filter(|name| seen.insert(name)),
                );
            }
        }
        let Gathered {
            strongest,
            references,
            is_cut,
            ..
        } = gathered;
        let is_whole = is_whole && !is_cut;
        let is_known = !references.is_empty() || !is_whole;
        Found {
            strongest: strongest.map(|(_, image, reference)| (image, reference)),
            composed: is_known.then_some(Composed { references, is_whole }),
        }
    }
}

/// The value of a name that the same name, which is a part of a text, stands in.
fn own_value(places: &BoundPlaces<'_>, text: &Mapped, name: &str) -> Option<Span> {
    let start = name.as_ptr().addr() - text.text().as_ptr().addr();
    let span = text.span(start..start + name.len());
    let mut own = places
        .at(span)
        .filter(|binding| binding.name.eq_ignore_ascii_case(name));
    own.next().map(|binding| binding.value.whole_span())
}

/// What was seen so far.
#[derive(Default)]
struct Gathered {
    strongest: Option<(usize, ImageText, String)>,
    references: Vec<Whole>,
    /// Whether there were more.
    is_cut: bool,
    /// Whether the text that is looked at is given to what may log in, and is no other name's value.
    takes_hosts: bool,
}

impl Gathered {
    /// Adds what a use of a name reads as, with the value at a place; says whether that is all.
    fn read(
        &mut self,
        look: &Look<'_>,
        variables: &Variables<'_>,
        text: &Mapped,
        (name, begins, value): (&str, &str, Span),
    ) -> bool {
        // The name may have another value here as well, or only that when something is so.
        let readings = variables.readings(text, name, value);
        for (reading, is_certain) in readings.iter().zip([true, true, false]) {
            self.add(look, &reading.text, (begins, is_certain), |at| {
                reading.is_value(at)
            });
        }
        // Other names may have other values in other jobs, targets, branches.
        let place = text.whole_span().start;
        let Some(others) = variables.combinations((text.text(), place), (name, Some(value))) else {
            return false;
        };
        for reading in others {
            self.add(look, &reading.text, (begins, false), |at| reading.is_value(at));
        }
        true
    }

    fn push(&mut self, whole: Whole) {
        if self.references.contains(&whole) {
            return;
        }
        match self.references.len() == REFERENCES_MAX {
            true => self.is_cut = true,
            false => self.references.push(whole),
        }
    }

    /// Adds the references in a text that begin with another, where that is a use of the name; whether they say what the place is.
    fn add(
        &mut self,
        look: &Look<'_>,
        text: &str,
        (begins, is_certain): (&str, bool),
        is_use: impl Fn(usize) -> bool,
    ) {
        for image in look.images.find(text) {
            let reference = image.written(text);
            // A host by itself is given to somebody: what logs in takes no path.
            let is_alone = text.trim_start_matches("https://") == image.host && is_use(image.range.start);
            if is_alone && begins == image.host && self.takes_hosts {
                self.push(Whole {
                    reference: image.host.clone(),
                    stays: false,
                });
            }
            let is_used = is_below(reference, begins) && is_use(image.range.start);
            if !is_used || image.project().is_none() {
                continue;
            }
            self.push(look.whole(&image, reference));
            let rank = rank(rule_of(&image, &look.settings.own_projects).0);
            if is_certain && self.strongest.as_ref().is_none_or(|(other, ..)| rank < *other) {
                let reference = reference.to_owned();
                self.strongest = Some((rank, image, reference));
            }
        }
    }
}

/// Whether a reference begins with a text, which may be written in any case.
fn is_below(reference: &str, begins: &str) -> bool {
    let head = reference.get(..begins.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(begins))
}

fn bare(name: &str) -> String {
    name.to_ascii_lowercase()
}
