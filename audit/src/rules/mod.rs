//! The rules, and what detects them.
//!
//! Detectors run from the most specific to the most general, each over the whole document; what one has found, none
//! after it finds again.

mod bucket;
mod bucket_commands;
pub(crate) mod composed;
#[cfg(test)]
mod found;
mod jenkins;
mod kept_logins;
mod login;
mod pipeline;
mod policies;
mod references;
mod registry_commands;
mod secrets;
mod split;
mod storage;
mod suggestion;
mod table;
pub(crate) mod variables;

use std::collections::BTreeMap;

use crate::finding::{Class, Composed, Confidence, Excerpt, Finding, Severity, Whole};
use crate::image::{ImageFinder, ImageText};
use crate::kind::Kind;
use crate::mapped::{Mapped, Span};
use crate::near;
use crate::place::Place;
use crate::reading::outline::Outline;
use crate::reading::{Document, Role};
use crate::settings::Settings;
use crate::source::SourceText;

use composed::Composer;
pub use table::{RULES, Rule};
use variables::Variables;

/// What a detector looks at.
pub(crate) struct Look<'l> {
    pub(crate) path: &'l str,
    pub(crate) kind: Kind,
    pub(crate) source: &'l SourceText,
    pub(crate) document: &'l Document,
    /// What stands where in it.
    pub(crate) outline: &'l Outline<'l>,
    /// What its names stand for.
    pub(crate) variables: &'l Variables<'l>,
    pub(crate) settings: &'l Settings,
    pub(crate) images: &'l ImageFinder,
    pub(crate) composer: &'l Composer<'l>,
    pub(crate) found: Vec<Finding>,
    /// What was found, by where it begins: none overlap.
    pub(crate) taken: BTreeMap<usize, usize>,
}

/// How many pieces before a place may hold it: some stand within others.
const NEAR_MAX: usize = 8;

/// One family of rules.
type Detector = fn(&mut Look<'_>);

/// From the most specific to the most general.
const DETECTORS: &[Detector] = &[
    secrets::detect,
    jenkins::detect,
    login::detect,
    kept_logins::detect,
    registry_commands::detect,
    pipeline::detect,
    bucket_commands::detect,
    storage::detect,
    policies::detect,
    split::detect,
    references::detect,
];

/// Something that was found, before it is measured.
pub(crate) struct Spotted {
    pub(crate) rule: &'static str,
    pub(crate) span: Span,
    pub(crate) role: Role,
    pub(crate) class: Option<Class>,
    pub(crate) reference: Option<String>,
    /// References that it is a part of.
    pub(crate) composed: Option<Composed>,
    pub(crate) message: String,
    /// Whether what was found stands in the file byte for byte.
    pub(crate) is_verbatim: bool,
    /// How the place is used.
    pub(crate) place: Place,
    /// How much it matters at most, where it matters less than others of its rule.
    pub(crate) at_most: Severity,
    /// What to show instead of what stands there, when that is secret.
    pub(crate) shown: Option<String>,
    /// What to write by hand in place of the step that it is part of.
    pub(crate) suggestion: Option<&'static str>,
}

impl Spotted {
    /// A finding that is no image.
    pub(crate) fn new(rule: &'static str, span: Span, role: Role, message: impl Into<String>) -> Spotted {
        Spotted {
            rule,
            span,
            role,
            class: None,
            reference: None,
            composed: None,
            message: message.into(),
            is_verbatim: false,
            place: Place::default(),
            at_most: Severity::Error,
            shown: None,
            suggestion: None,
        }
    }
}

impl Look<'_> {
    /// Whether something was found there already.
    pub(crate) fn is_taken(&self, span: Span) -> bool {
        let before = self.taken.range(..span.end).next_back();
        before.is_some_and(|(_, end)| *end > span.start) && span.start < span.end
    }

    /// How much a rule matters; nothing when it is switched off.
    fn severity(&self, rule: &Rule) -> Option<Severity> {
        self.settings
            .severities
            .get(rule.id)
            .copied()
            .unwrap_or(Some(rule.severity))
    }

    /// An image that is put together, as it reads.
    pub(crate) fn whole(&self, image: &ImageText, reference: &str) -> Whole {
        let (rule, _) = references::rule_of(image, &self.settings.own_projects);
        let severity = Rule::by_id(rule).and_then(|rule| self.severity(rule));
        Whole {
            reference: reference.to_owned(),
            stays: severity.is_none_or(|severity| severity <= Severity::Note),
        }
    }

    /// Notes a finding, unless something stands there already or its rule is switched off.
    pub(crate) fn spot(&mut self, spotted: Spotted) {
        let Some(rule) = Rule::by_id(spotted.rule) else {
            return;
        };
        if self.is_taken(spotted.span) {
            return;
        }
        let Some(severity) = self.severity(rule).map(|severity| severity.min(spotted.at_most)) else {
            return;
        };
        let written = self.source.at(spotted.span);
        let start = self.source.position(spotted.span.start);
        let on_line = written.lines().next().unwrap_or_default().chars().count();
        let (line, before) = self.source.around(start.line, spotted.span.start);
        let excerpt = Excerpt::of(line, (before + 1, on_line), spotted.shown.as_deref());
        let matched = spotted.shown.unwrap_or_else(|| written.to_owned());
        self.taken.insert(spotted.span.start, spotted.span.end);
        self.found.push(Finding {
            rule,
            severity: if spotted.role.is_mention() {
                Severity::Info
            } else {
                severity
            },
            confidence: confidence(spotted.role),
            class: spotted.class,
            path: self.path.to_owned(),
            span: spotted.span,
            start,
            end: self.source.position(spotted.span.end),
            reference: spotted.reference,
            composed: spotted.composed,
            matched,
            message: spotted.message,
            is_verbatim: spotted.is_verbatim,
            place: spotted.place,
            is_kept: severity == Severity::Note,
            excerpt,
            near: match spotted.is_verbatim {
                true => near::names(self.source.text(), spotted.span),
                false => Vec::new(),
            },
            suggestion: spotted.suggestion,
            fix: None,
            stays: None,
            target: None,
            resolves: None,
            fingerprint: String::new(),
        });
    }

    /// What the text at a place is to the file; a value where that is not known.
    pub(crate) fn role_at(&self, span: Span) -> Role {
        let pieces = &self.document.pieces;
        let next = pieces.partition_point(|piece| piece.text.whole_span().start < span.end);
        let near = pieces
            .get(next.saturating_sub(NEAR_MAX)..next)
            .unwrap_or_default();
        let mut near = near.iter().rev();
        near.find(|piece| piece.text.whole_span().overlaps(&span))
            .map_or(Role::Value, |piece| piece.role)
    }

    /// Whether a part of a text stands in the file byte for byte.
    pub(crate) fn is_verbatim(&self, text: &Mapped, range: std::ops::Range<usize>) -> bool {
        self.source.is_valid() && text.is_verbatim(range)
    }
}

fn confidence(role: Role) -> Confidence {
    match role {
        Role::Value | Role::Key | Role::Comment => Confidence::High,
        Role::Literal => Confidence::Medium,
        Role::Unknown | Role::Prose => Confidence::Low,
    }
}

/// Everything that stands in a document, in the order of the file.
pub(crate) fn detect(mut look: Look<'_>) -> Vec<Finding> {
    for detector in DETECTORS {
        detector(&mut look);
    }
    let mut found = look.found;
    found.sort_by_key(|finding| (finding.span, finding.rule.id));
    found
}
