//! References to images and hosts of registries, wherever they stand.

mod code;
mod joined;
mod kustomize;
mod uses;

use super::composed::rank;
use super::variables::Variables;
use super::{Look, Spotted};
use crate::finding::{Class, Composed, Whole};
use crate::host::Family;
use crate::image::ImageText;
use crate::mapped::Mapped;
use crate::place::{Place, Sort};
use crate::project;
use crate::reading::Role;
use kustomize::RemoteBase;
use uses::{Found, Uses};

/// The most general detector: every host that nothing more specific has taken.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    let variables = look.variables;
    let uses = Uses::of(look);
    let remote_base = RemoteBase::of(look);
    let named_after = named_after(look);
    for piece in &document.pieces {
        for image in look.images.find(piece.text.text()) {
            let span = piece.text.span(image.range.clone());
            if look.is_taken(span) || code::is_import(look, span) {
                continue;
            }
            let text = piece.text.text();
            let address = of_api(text, &image);
            let is_address = address.is_some();
            let image = address.unwrap_or(image);
            let span = piece.text.span(image.range.clone());
            let own = &look.settings.own_projects;
            let known = known(look, variables, &piece.text, &image);
            let (rule, class) = rule_of(known.as_ref().map_or(&image, |(known, _)| known), own);
            let mut meant = (rule, class, reference_of(text, &image, is_address));
            let mut composed = known
                .map(|(_, composed)| composed)
                .or_else(|| versions(look, variables, &piece.text, &image));
            let is_open = piece.role == Role::Literal || uses.is_bound(span);
            let place = named_after
                .or_else(|| remote_base.place(piece))
                .unwrap_or_else(|| place(text, &image, (is_address, is_open)));
            if is_address {
                composed = of_address(look, &image);
            } else if !piece.role.is_mention() && !place.goes_on.is_empty() {
                let found = put_together(look, (variables, &uses), &piece.text, &image);
                if let (Some((image, reference)), "host-legacy") = (found.strongest, rule) {
                    let (rule, class) = rule_of(&image, own);
                    meant = (rule, class, reference);
                }
                composed = found.composed.or(composed);
            }
            let (rule, class, reference) = meant;
            let message = message(rule, &image);
            look.spot(Spotted {
                class,
                reference: Some(reference),
                composed,
                place,
                is_verbatim: look.is_verbatim(&piece.text, image.range.clone()),
                ..Spotted::new(rule, span, piece.role, message)
            });
        }
    }
    code::detect_patterns(look);
}

/// Variables of Skaffold that have the names of images in theirs.
const NAMED_AFTER: [&str; 4] = [
    "IMAGE_FULLY_QUALIFIED_",
    "IMAGE_REPO_",
    "IMAGE_TAG_",
    "IMAGE_DIGEST_",
];

/// What holds all places of a file of Skaffold whose templates have variables that are named after the images in it.
fn named_after(look: &Look<'_>) -> Option<Place> {
    let name = look.path.rsplit('/').next().unwrap_or(look.path);
    let is_named =
        name.starts_with("skaffold") && NAMED_AFTER.iter().any(|name| look.source.text().contains(name));
    is_named.then(|| Place::fixed("names of variables in this file are made of the names of images"))
}

/// What is put together with what stands in a text, by what the file says and by what its directory does.
fn put_together(
    look: &Look<'_>,
    (variables, uses): (&Variables<'_>, &Uses<'_>),
    text: &Mapped,
    image: &ImageText,
) -> Found {
    let span = text.span(image.range.clone());
    let mut found = match default_of(look, variables, text, image) {
        Some((image, reference)) => Found::of_one(look, image, reference),
        None => uses.all(look, variables, image, (text.text(), span)),
    };
    if let Some((_, reference)) = &found.strongest
        && let Some(refined) = refined(look, reference)
    {
        found.strongest = Some(refined);
    }
    let own = &look.settings.own_projects;
    if let Some(together) = look.composer.composition(look.images, own, (image, span)) {
        found.strongest = together.strongest.or(found.strongest);
        found.composed = Some(match found.composed {
            // What the directory says has the file's own names in it, and their values.
            Some(here) if together.composed.references.is_empty() => here,
            _ => together.composed,
        });
    }
    found
}

/// A reference as it is written; of an address of the registry's API, the one that it is about.
fn reference_of(text: &str, image: &ImageText, is_address: bool) -> String {
    match is_address && !image.name.is_empty() {
        true => format!("{}/{}", image.host, image.name),
        false => image.written(text).to_owned(),
    }
}

/// What is put together from the host of an address of the registry's API.
fn of_address(look: &Look<'_>, image: &ImageText) -> Option<Composed> {
    let reference = format!("{}/{}", image.host, image.name);
    (!image.name.is_empty()).then(|| Composed {
        references: vec![look.whole(image, &reference)],
        is_whole: true,
    })
}

/// What a place is for, by what stands around it; whether it is an address, and whether it may go on elsewhere.
fn place(text: &str, image: &ImageText, (is_address, is_open): (bool, bool)) -> Place {
    let before = text.get(..image.range.start).unwrap_or_default();
    if before.ends_with('.') {
        return Place::fixed("it stands for all hosts below one");
    }
    let after = text.get(image.range.end..).unwrap_or_default();
    let is_complete = image.tag.is_some() || image.digest.is_some();
    // The address of a registry has no path of its own: clients put theirs behind it.
    let is_address = is_address
        || image.name.is_empty()
            && ["https://", "http://"]
                .iter()
                .any(|scheme| before.ends_with(scheme));
    if !is_complete && after.trim_start_matches('/').starts_with('*') {
        return Place::fixed("it is a pattern: what it lets through may be at the old place for a while");
    }
    Place {
        sort: if is_address {
            Sort::BareHost
        } else {
            Sort::Reference
        },
        goes_on: match after.chars().next() {
            _ if is_complete => "",
            Some('-') => "-",
            Some('/') => "/",
            _ if is_open || image.name.is_empty() => "/",
            _ => "",
        },
    }
}

/// Of an address below the registry's API, `https://gcr.io/v2/NAME/tags/list`, the image that it is about; it stands where the
/// host does.
fn of_api(text: &str, image: &ImageText) -> Option<ImageText> {
    let is_address = text
        .get(..image.range.start)
        .is_some_and(|before| before.ends_with("://"));
    let is_asked = ["/tags/", "/manifests/", "/blobs/"]
        .iter()
        .any(|part| image.name.contains(part));
    let version = image
        .name
        .split('/')
        .next()
        .filter(|version| matches!(*version, "v1" | "v2"));
    let version = version.filter(|_| is_address || is_asked)?;
    let name = image
        .name
        .get(version.len()..)
        .unwrap_or_default()
        .trim_start_matches('/');
    let end = ["/tags/", "/manifests/", "/blobs/"]
        .iter()
        .filter_map(|part| name.find(part))
        .min();
    let name = end.and_then(|end| name.get(..end)).unwrap_or(name);
    let name = if name.starts_with('_') || matches!(name, "token") {
        ""
    } else {
        name
    };
    Some(ImageText {
        name: name.to_owned(),
        tag: None,
        digest: None,
        range: image.host_range.clone(),
        ..image.clone()
    })
}

/// The same reference with the values of its variables, when its project is one, and all that it may read as.
fn known(
    look: &Look<'_>,
    variables: &Variables<'_>,
    text: &Mapped,
    image: &ImageText,
) -> Option<(ImageText, Composed)> {
    let project = image.project()?;
    if !matches!(image.family, Family::Gcr | Family::Named) || !crate::image::is_variable(&project) {
        return None;
    }
    let place = text.span(image.range.clone()).start;
    let written = image.written(text.text());
    let last = variables.resolve_at(written, place);
    let first = variables.resolve_first(written, place);
    let reading = |resolved: &str| {
        let known = look.images.find(resolved).into_iter().next()?;
        let read = known.written(resolved).to_owned();
        (known.family == image.family).then_some((known, read))
    };
    let readings = [last, first].into_iter().filter_map(|resolved| {
        let (known, read) = reading(&resolved)?;
        Some((resolved, known, read))
    });
    // Of two that tie, the last value counts.
    let own = &look.settings.own_projects;
    let (resolved, known, read) = readings.min_by_key(|(_, known, _)| rank(rule_of(known, own).0))?;
    let in_directory = refined(look, &resolved).filter(|(found, _)| found.family == image.family);
    let is_of_directory = in_directory.is_some();
    let (known, read) = in_directory.unwrap_or((known, read));
    let mut composed = Composed {
        references: vec![look.whole(&known, &read)],
        is_whole: true,
    };
    if is_of_directory {
        return Some((known, composed));
    }
    // Names may have other values in other jobs, targets, branches.
    let others = variables.combinations((written, place), ("", None));
    composed.is_whole = others.is_some();
    for other in others.into_iter().flatten() {
        let whole = reading(&other.text).map(|(known, read)| look.whole(&known, &read));
        composed
            .references
            .extend(whole.filter(|whole| !composed.references.contains(whole)));
    }
    Some((known, composed))
}

/// What a reference reads as whose project is written out and what follows is not, where all of it is known.
fn versions(
    look: &Look<'_>,
    variables: &Variables<'_>,
    text: &Mapped,
    image: &ImageText,
) -> Option<Composed> {
    let written = image.written(text.text());
    let project = image.project()?;
    if !crate::image::is_variable(written) || crate::image::is_variable(&project) {
        return None;
    }
    let place = text.span(image.range.clone()).start;
    let mut references: Vec<Whole> = Vec::new();
    for reading in variables.combinations((written, place), ("", None))? {
        let read = look.images.find(&reading.text).into_iter().next()?;
        let reference = read.written(&reading.text);
        if crate::image::is_variable(&reading.text) || reference.len() < reading.text.len() {
            return None;
        }
        let whole = look.whole(&read, reference);
        if !references.contains(&whole) {
            references.push(whole);
        }
    }
    Some(Composed {
        references,
        is_whole: true,
    })
}

/// A reference with the values of its directory: what matters most of what comes out whole, when its project is a variable.
fn refined(look: &Look<'_>, reference: &str) -> Option<(ImageText, String)> {
    let is_open = |image: &ImageText| {
        let project = image.project();
        project.is_none_or(|project| crate::image::is_variable(&project))
    };
    is_open(&look.images.find(reference).into_iter().next()?).then_some(())?;
    let read = look.composer.read(reference).into_iter().filter_map(|text| {
        let found = look.images.find(&text).into_iter().next()?;
        let written = found.written(&text).to_owned();
        (!is_open(&found)).then_some((found, written))
    });
    read.min_by_key(|(found, _)| rank(rule_of(found, &look.settings.own_projects).0))
}

/// What is put together around a host that is the default of a variable: `${REGISTRY:-gcr.io}/project/image`, and
/// `{{ .Values.registry | default "gcr.io" }}/project/image`.
fn default_of(
    look: &Look<'_>,
    variables: &Variables<'_>,
    text: &Mapped,
    image: &ImageText,
) -> Option<(ImageText, String)> {
    let least = image.range.start.saturating_sub(DEFAULT_BYTES_MAX);
    let before = (least..=image.range.start).find_map(|from| text.text().get(from..image.range.start))?;
    let after = text.text().get(image.range.end..)?;
    let after = after_default(before, after).or_else(|| after_action(before, after))?;
    let place = text.span(image.range.clone()).start;
    let composed = variables.resolve_at(&format!("{}/{after}", image.host), place);
    let found = look.images.find(&composed).into_iter().next()?;
    let reference = found.written(&composed).to_owned();
    found.project().is_some().then_some((found, reference))
}

/// What follows the variable that a host is the default of.
fn after_default<'t>(before: &str, after: &'t str) -> Option<&'t str> {
    let (_, name) = before.rsplit_once("${")?;
    let name = name.trim_end_matches(['"', '\'']);
    let is_default = name.ends_with(['-', '=']) && !name.contains(['}', ' ', '/']);
    let after = after.trim_start_matches(['"', '\'']).strip_prefix("}/");
    after.filter(|_| is_default)
}

/// What follows the action of a template that a host is the default in.
fn after_action<'t>(before: &str, after: &'t str) -> Option<&'t str> {
    let (_, inner) = before.rsplit_once("{{")?;
    let is_default = inner.contains("default") && inner.ends_with(['"', '`']) && !inner.contains("}}");
    let near = after.get(..after.len().min(DEFAULT_BYTES_MAX)).unwrap_or(after);
    let (rest, _) = near.split_once("}}")?;
    let is_all = rest.starts_with(['"', '`']) && !rest.contains("{{");
    let after = after.get(rest.len()..)?.strip_prefix("}}/");
    after.filter(|_| is_default && is_all)
}

/// How far before a host the name may begin that it is the default of, in bytes.
const DEFAULT_BYTES_MAX: usize = 256;

/// The rule that a reference falls under, and whose image it is.
pub(super) fn rule_of(image: &ImageText, own: &[String]) -> (&'static str, Option<Class>) {
    match (&image.family, image.project()) {
        (Family::ArtifactRegistry, _) => ("artifact-registry", Some(Class::ArtifactRegistry)),
        (Family::Mirror, _) => ("image-mirror", Some(Class::Mirror)),
        (Family::Google, _) => ("image-google", Some(Class::Google)),
        (Family::Kubernetes | Family::KubernetesStaging, _) => ("image-kubernetes", Some(Class::Kubernetes)),
        (Family::Named, Some(_)) => ("image-named", Some(Class::Named)),
        (Family::Gcr | Family::Named, None) => ("host-legacy", None),
        (Family::Gcr, Some(project)) => {
            let class = project::class_of(&project, own);
            let rule = match class {
                Class::Google => "image-google",
                Class::Kubernetes => "image-kubernetes",
                Class::ThirdParty => "image-third-party",
                _ => "image-own",
            };
            (rule, Some(class))
        }
    }
}

pub(super) fn message(rule: &str, image: &ImageText) -> String {
    let host = &image.host;
    match rule {
        "image-own" => {
            format!("{host} was shut down: this image has to be named where your repository is now")
        }
        "image-third-party" => {
            format!("this image of another project leaves with {host}: ask its makers for its new name")
        }
        "image-google" => "Google's own image: it stays where it is".to_owned(),
        "image-kubernetes" => format!("{host} is frozen: use registry.k8s.io"),
        "image-mirror" => "Google's mirror of Docker Hub: it stays".to_owned(),
        "artifact-registry" => "Artifact Registry: this is where images are now".to_owned(),
        "image-named" => {
            format!("{host} is a host that you look for: this image has to be named where it is now")
        }
        _ => format!("{host} as a registry: what is put together from it has to be named where it is now"),
    }
}
