//! A specification and the bases that it stands on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::at::{At, Mark};
use super::diagnostic::{Diagnostic, Source, suggestion};
use super::document::{Document, Settings};
use super::merge::{Draft, Place};
use super::parse::{self, DOCUMENT_BYTES_MAX};
use super::plan::{Accounts, LayerPolicy, Plan};
use super::{BASES_MAX, Specification, SpecificationError, VARIANTS, VARIANTS_MAX, additions, values};
use crate::catalogue;
use crate::release::{Architecture, Release, Support};

pub(super) fn load(path: &Path) -> Result<Specification, SpecificationError> {
    let link = Link::read(path)?;
    assemble(link)
}

pub(super) fn parse(file: &str, text: &str, directory: &Path) -> Result<Specification, SpecificationError> {
    assemble(Link::new(file, text, directory)?)
}

/// One specification of a chain, taken apart.
struct Link {
    source: Source,
    directory: PathBuf,
    head: Document,
    settings: Settings,
}

impl Link {
    fn new(file: &str, text: &str, directory: &Path) -> Result<Self, SpecificationError> {
        let source = Source {
            file: Arc::from(file),
            text: Arc::from(text),
        };
        let mut head = parse::parse(&source).map_err(|fault| SpecificationError::Invalid {
            file: file.to_owned(),
            faults: vec![fault],
        })?;
        let settings = head.take_settings();
        Ok(Self {
            source,
            directory: directory.to_owned(),
            head,
            settings,
        })
    }

    fn read(path: &Path) -> Result<Self, SpecificationError> {
        let text = read_bounded(path).map_err(|source| SpecificationError::Read {
            path: path.to_owned(),
            source,
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::new(&path.to_string_lossy(), &text, directory)
    }

    fn catalogue(name: &str) -> Option<Result<Self, SpecificationError>> {
        let text = catalogue::text(name)?;
        Some(Self::new(&format!("catalogue:{name}"), text, Path::new("")))
    }

    fn fault(&self, mark: Mark, message: impl Into<String>, help: Option<String>) -> SpecificationError {
        SpecificationError::Invalid {
            file: self.source.file.to_string(),
            faults: vec![self.source.diagnostic(mark, message, help)],
        }
    }

    /// The specification that this one names as its base.
    fn base(&self, base: &At<String>) -> Result<Self, SpecificationError> {
        if is_file(&base.value) {
            let path = self.directory.join(&base.value);
            return match Self::read(&path) {
                Err(SpecificationError::Read { source, .. }) => {
                    let message = format!("cannot read the base {}: {source}", path.display());
                    Err(self.fault(base.mark, message, None))
                }
                other => other,
            };
        }
        Self::catalogue(&base.value).unwrap_or_else(|| {
            let near = suggestion(&base.value, catalogue::names());
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no image {} in the catalogue", base.value);
            Err(self.fault(base.mark, message, help))
        })
    }
}

/// Whether a base (or what a command is given) is a file rather than a name of the catalogue.
pub(crate) fn is_file(text: &str) -> bool {
    text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml")
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than is allowed, so that the parser can tell how it is too long.
    let limit = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn assemble(leaf: Link) -> Result<Specification, SpecificationError> {
    let mut chain = vec![leaf];
    while let Some(last) = chain.last()
        && let Some(base) = last.head.base.clone()
    {
        let next = last.base(&base)?;
        let cycle = chain.iter().any(|link| same_file(link, &next));
        if cycle || chain.len() >= BASES_MAX {
            let message = if cycle {
                format!("{} stands on itself through its bases", base.value)
            } else {
                format!("more than {BASES_MAX} specifications stand on one another")
            };
            return Err(chain.last().map_or_else(
                || next.fault(Mark::default(), message.clone(), None),
                |last| last.fault(base.mark, message.clone(), None),
            ));
        }
        chain.push(next);
    }
    chain.reverse();
    Assembly::new(&chain).run()
}

fn same_file(a: &Link, b: &Link) -> bool {
    let real = |link: &Link| {
        let path = PathBuf::from(link.source.file.as_ref());
        path.canonicalize().unwrap_or(path)
    };
    real(a) == real(b)
}

/// A chain with the faults found so far; the base comes first.
struct Assembly<'c> {
    chain: &'c [Link],
    faults: Vec<Diagnostic>,
}

impl<'c> Assembly<'c> {
    fn new(chain: &'c [Link]) -> Self {
        Self {
            chain,
            faults: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Specification, SpecificationError> {
        let plan = self.head();
        let mut plans = Vec::new();
        for variant in self.variants() {
            plans.push(self.plan(&plan, &variant));
        }
        if self.faults.is_empty() {
            return Ok(Specification {
                name: plan.name,
                description: plan.description,
                plans,
            });
        }
        // A fault of the image itself is found once for each variant.
        self.faults.sort();
        self.faults.dedup();
        let file = self
            .chain
            .last()
            .map(|link| link.source.file.to_string())
            .unwrap_or_default();
        Err(SpecificationError::Invalid {
            file,
            faults: self.faults,
        })
    }

    /// What belongs to the image and not to its variants.
    fn head(&mut self) -> Plan {
        let mut plan = blank(Release::NEWEST);
        let mut release: Option<Release> = None;
        for link in self.chain {
            let place = &mut Place {
                source: &link.source,
                directory: &link.directory,
                faults: &mut self.faults,
            };
            let head = &link.head;
            if let Some(written) = &head.release
                && let Some(own) = place.check(written.mark, written.value.parse::<Release>())
            {
                if let Some(inherited) = release.filter(|inherited| *inherited != own) {
                    place.fault(written.mark, format!("the base is made of {inherited}"));
                }
                release = Some(own);
            }
            plan.release = release.unwrap_or(Release::NEWEST);
            if head.base.is_none() {
                release = Some(plan.release);
                plan.architectures = plan.release.architectures().to_vec();
                plan.support = plan.release.support();
            }
            image(&mut plan, link, place);
        }
        plan
    }

    /// The variants of the image and its bases.
    fn variants(&mut self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for link in self.chain {
            let place = &mut Place {
                source: &link.source,
                directory: &link.directory,
                faults: &mut self.faults,
            };
            for (name, variant) in &link.head.variants {
                let mark = variant.mark;
                place.check(mark, values::variant_name(name));
                if name == "latest" {
                    place.fault(
                        mark,
                        "`latest` is the image itself: its settings stand outside of `variants`",
                    );
                }
                names.insert(name.clone());
            }
            if names.len() > VARIANTS_MAX {
                place.fault(Mark::default(), format!("more than {VARIANTS_MAX} variants"));
            }
        }
        let order = |name: &String| {
            VARIANTS
                .iter()
                .position(|known| known == name)
                .unwrap_or(VARIANTS.len())
        };
        let mut names: Vec<_> = names
            .into_iter()
            .filter(|name| name != "latest")
            .take(VARIANTS_MAX)
            .collect();
        names.sort_by_key(order);
        names.insert(0, "latest".to_owned());
        names
    }

    /// The plan of a variant: each link's own settings, then what it says of the variant, base first.
    /// So the variant of an image stands on the same variant of its base.
    fn plan(&mut self, head: &Plan, variant: &str) -> Plan {
        let mut fragments = Vec::new();
        self.fragments(variant, &mut fragments, &mut Vec::new());
        let mut draft = Draft::new(Plan {
            variant: variant.to_owned(),
            ..head.clone()
        });
        for link in self.chain {
            let place = &mut Place {
                source: &link.source,
                directory: &link.directory,
                faults: &mut self.faults,
            };
            draft.apply(&link.settings, place);
            for fragment in &fragments {
                if let Some(variant) = link.head.variants.get(fragment) {
                    draft.apply(&variant.value.clone().into_settings(), place);
                }
            }
        }
        draft.finish()
    }

    /// A variant and, before it, those that it extends; each once.
    fn fragments(&mut self, variant: &str, found: &mut Vec<String>, under_way: &mut Vec<String>) {
        if found.iter().any(|known| known == variant) {
            return;
        }
        under_way.push(variant.to_owned());
        for link in self.chain {
            let Some(own) = link.head.variants.get(variant) else {
                continue;
            };
            for extended in &own.value.extends {
                let known = self
                    .chain
                    .iter()
                    .any(|link| link.head.variants.contains_key(&extended.value));
                let cycle = under_way.contains(&extended.value);
                if !known || cycle {
                    let text = &extended.value;
                    let message = if cycle {
                        format!("{text} extends itself")
                    } else {
                        format!("there is no variant {text}")
                    };
                    let names = self
                        .chain
                        .iter()
                        .flat_map(|link| link.head.variants.keys().map(String::as_str));
                    let help = suggestion(text, names)
                        .filter(|_| !cycle)
                        .map(|near| format!("did you mean `{near}`?"));
                    self.faults
                        .push(link.source.diagnostic(extended.mark, message, help));
                } else {
                    self.fragments(&extended.value.clone(), found, under_way);
                }
            }
        }
        under_way.pop();
        found.push(variant.to_owned());
    }
}

fn image(plan: &mut Plan, link: &Link, place: &mut Place<'_>) {
    let head = &link.head;
    plan.description = head.description.as_ref().map(|text| text.value.clone());
    if let Some(text) = &head.description {
        place.check(text.mark, values::line(&text.value));
    }
    plan.name = name(link, place);
    if let Some(list) = &head.architectures {
        architectures(plan, list, place);
    }
    if let Some(layers) = &head.layers {
        plan.layers = place
            .check(layers.mark, values::layers(&layers.value))
            .unwrap_or_default();
    }
    if let Some(support) = &head.support {
        let full = place.check(support.full.mark, values::date(&support.full.value));
        let long = support
            .long_term
            .as_ref()
            .map(|date| (date.mark, values::date(&date.value)));
        let long_term = long.and_then(|(mark, date)| place.check(mark, date));
        if let Some(full) = full {
            plan.support = Support { full, long_term };
            if let (Some(written), true) = (&support.long_term, long_term.is_some_and(|long| long < full)) {
                place.fault(written.mark, "long-term support ends before full support");
            }
        }
    }
    for entry in &head.repositories {
        if let Some(repository) = additions::repository(entry, place) {
            super::merge::replace_or_push(&mut plan.repositories, repository, |a, b| a.name == b.name);
        }
    }
}

fn name(link: &Link, place: &mut Place<'_>) -> String {
    let (name, mark) = match &link.head.name {
        Some(name) => (name.value.clone(), name.mark),
        None => {
            let file = link
                .source
                .file
                .strip_prefix("catalogue:")
                .unwrap_or(&link.source.file);
            let file = file.rsplit('/').next().unwrap_or(file);
            let stem = file
                .strip_suffix(".yaml")
                .or_else(|| file.strip_suffix(".yml"))
                .unwrap_or(file);
            (stem.to_owned(), Mark::default())
        }
    };
    place.check(mark, values::image_name(&name));
    name
}

fn architectures(plan: &mut Plan, list: &At<Vec<At<String>>>, place: &mut Place<'_>) {
    let mut found = BTreeSet::new();
    for written in &list.value {
        let Some(architecture) = place.check(written.mark, written.value.parse::<Architecture>()) else {
            continue;
        };
        if !plan.release.architectures().contains(&architecture) {
            place.fault(
                written.mark,
                format!("{} is not made for {architecture}", plan.release),
            );
        }
        if !found.insert(architecture) {
            place.fault(written.mark, format!("{architecture} is there twice"));
        }
    }
    if list.value.is_empty() {
        place.fault(list.mark, "no architecture is given");
    }
    plan.architectures = found.into_iter().collect();
}

fn blank(release: Release) -> Plan {
    Plan {
        name: String::new(),
        variant: String::new(),
        description: None,
        release,
        architectures: release.architectures().to_vec(),
        roots: Vec::new(),
        exclude: Vec::new(),
        provide: Vec::new(),
        drop: Vec::new(),
        repositories: Vec::new(),
        accounts: Accounts::default(),
        homes: Vec::new(),
        directories: Vec::new(),
        os_release: [].into(),
        environment: [].into(),
        versions: Vec::new(),
        user: "0".to_owned(),
        workdir: "/".to_owned(),
        entrypoint: None,
        cmd: None,
        labels: [].into(),
        annotations: [].into(),
        volumes: Vec::new(),
        ports: Vec::new(),
        stop_signal: None,
        files: Vec::new(),
        trees: Vec::new(),
        archives: Vec::new(),
        links: Vec::new(),
        moves: Vec::new(),
        certificates: Vec::new(),
        layers: LayerPolicy::default(),
        support: release.support(),
    }
}
