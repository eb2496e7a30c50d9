//! Which files belong together, by their names and places.

use super::Files;

/// Folders named `templates` above a file that are asked for their chart.
const TEMPLATES_MAX: usize = 4;

/// How deep charts may stand in each other.
const CHARTS_DEEP_MAX: usize = 8;

/// Folders above a file that are asked for their pipeline.
const PIPELINES_MAX: usize = 4;

/// What GitLab's pipeline is called.
pub(super) const PIPELINE: &str = ".gitlab-ci.yml";

/// The largest pipeline, in bytes.
const PIPELINE_BYTES_MAX: usize = 512 << 10;

/// The largest `Chart.yaml`, in bytes.
pub(super) const CHART_BYTES_MAX: usize = 64 << 10;

/// By which convention files belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Convention {
    /// A chart of Helm: its values and templates, and those of the charts in it.
    Chart,
    /// A module of Terraform: all files of a folder.
    Module,
    /// Compose files and the `.env` beside them.
    Compose,
    /// A Makefile and what it includes from its folder.
    Make,
    /// GitLab's pipeline and what it includes from its repository.
    Pipeline,
}

/// Where the files of a convention are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) convention: Convention,
    pub(super) root: String,
}

/// The places that a file may belong to.
pub(super) fn places(path: &str, files: &dyn Files) -> Vec<Place> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let at = |convention| Place {
        convention,
        root: folder.to_owned(),
    };
    let mut places = Vec::new();
    if is_module_file(name) {
        places.push(at(Convention::Module));
    }
    if is_compose(name) || is_environment(name) {
        places.push(at(Convention::Compose));
    }
    if is_makefile(name) || is_make_part(name) {
        places.push(at(Convention::Make));
    }
    if is_yaml(name) && !is_compose(name) {
        places.extend(pipeline_of(path, files).map(|root| Place {
            convention: Convention::Pipeline,
            root: root.to_owned(),
        }));
    }
    if is_values(name) || path.split('/').any(|part| part == "templates") {
        places.extend(chart_of(path, files).map(|root| Place {
            convention: Convention::Chart,
            root,
        }));
    }
    places
}

/// The chart that values or a template belong to; the outermost one around it, where each has the next among its own.
fn chart_of(path: &str, files: &dyn Files) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_chart = |root: &str| files.read(&below(root, "Chart.yaml"), CHART_BYTES_MAX).is_some();
    let root = match is_values(name) && is_chart(folder) {
        true => folder,
        false => above_templates(path)
            .take(TEMPLATES_MAX)
            .find(|root| is_chart(root))?,
    };
    let mut root = root;
    for _ in 0..CHARTS_DEEP_MAX {
        let around = root
            .rsplit_once('/')
            .and_then(|(charts, _)| match charts.rsplit_once('/') {
                Some((around, "charts")) => Some(around),
                _ => (charts == "charts").then_some(""),
            });
        match around.filter(|around| is_chart(around)) {
            Some(around) => root = around,
            None => break,
        }
    }
    Some(root.to_owned())
}

/// The nearest folder at or above a file that has a pipeline.
fn pipeline_of<'p>(path: &'p str, files: &dyn Files) -> Option<&'p str> {
    let mut folder = path;
    for _ in 0..PIPELINES_MAX {
        folder = match folder {
            "" => return None,
            folder => folder.rsplit_once('/').map_or("", |(above, _)| above),
        };
        if files.read(&below(folder, PIPELINE), PIPELINE_BYTES_MAX).is_some() {
            return Some(folder);
        }
    }
    None
}

/// Folders that have a folder `templates` which the file is in, the nearest first.
fn above_templates(path: &str) -> impl Iterator<Item = &str> {
    let mut end = path.len();
    std::iter::from_fn(move || {
        loop {
            let (folder, _) = path.get(..end)?.rsplit_once('/')?;
            end = folder.len();
            match folder.rsplit_once('/') {
                Some((root, "templates")) => return Some(root),
                None if folder == "templates" => return Some(""),
                _ => {}
            }
        }
    })
}

/// A path below a folder; the empty folder is where paths begin.
pub(super) fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

pub(super) fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// `values.yaml`, `values-prod.yaml`, `values.prod.yaml`, `prod-values.yaml`.
pub(super) fn is_values(name: &str) -> bool {
    is_yaml(name)
        && name.rsplit_once('.').is_some_and(|(stem, _)| {
            let rest = stem.strip_prefix("values");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_']))
                || stem.ends_with("-values")
        })
}

/// The values that a chart has by itself.
pub(super) fn is_default_values(name: &str) -> bool {
    matches!(name, "values.yaml" | "values.yml")
}

pub(super) fn is_module_file(name: &str) -> bool {
    is_configuration(name) || is_variables(name)
}

pub(super) fn is_configuration(name: &str) -> bool {
    name.ends_with(".tf") || name.ends_with(".tofu")
}

pub(super) fn is_variables(name: &str) -> bool {
    name.ends_with(".tfvars")
}

/// Files of variables that are read without being named.
pub(super) fn is_always_read(name: &str) -> bool {
    name == "terraform.tfvars" || name.ends_with(".auto.tfvars")
}

/// `compose.yaml`, `docker-compose.yml`, `docker-compose.prod.yml`, `compose.override.yaml`.
pub(super) fn is_compose(name: &str) -> bool {
    let stem = name.strip_prefix("docker-").unwrap_or(name);
    let rest = stem.strip_prefix("compose");
    is_yaml(name) && rest.is_some_and(|rest| rest.starts_with(['.', '-', '_']))
}

/// `.env`, `.env.prod`.
pub(super) fn is_environment(name: &str) -> bool {
    name == ".env" || name.starts_with(".env.")
}

pub(super) fn is_makefile(name: &str) -> bool {
    matches!(name, "Makefile" | "makefile" | "GNUmakefile")
}

/// What a Makefile may include.
fn is_make_part(name: &str) -> bool {
    let extensions = [".mk", ".mak", ".make", ".env"];
    extensions.iter().any(|extension| name.ends_with(extension))
        || name.starts_with("Makefile.")
        || is_environment(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Entry;

    struct Charts(&'static [&'static str]);

    impl Files for Charts {
        fn entries(&self, _: &str) -> Vec<Entry> {
            Vec::new()
        }

        fn read(&self, path: &str, _: usize) -> Option<Vec<u8>> {
            self.0.contains(&path).then(Vec::new)
        }
    }

    #[test]
    fn charts_are_where_their_names_are() {
        let files = Charts(&[
            "a/Chart.yaml",
            "a/charts/b/Chart.yaml",
            "a/charts/b/charts/c/Chart.yaml",
            "Chart.yaml",
        ]);
        for (path, wanted) in [
            ("a/values.yaml", Some("a")),
            ("a/values-prod.yaml", Some("a")),
            ("a/templates/x/y.yaml", Some("a")),
            ("a/templates/templates/y.yaml", Some("a")),
            ("a/charts/b/templates/y.yaml", Some("a")),
            ("a/charts/b/values.yaml", Some("a")),
            ("a/charts/b/charts/c/values.yaml", Some("a")),
            ("values.yaml", Some("")),
            ("templates/y.yaml", Some("")),
            ("b/values.yaml", None),
            ("b/templates/y.yaml", None),
            ("a/ci.yaml", None),
        ] {
            let found = places(path, &files);
            let root = found.first().map(|place| place.root.as_str());
            assert_eq!(root, wanted, "{path}");
        }
    }

    #[test]
    fn files_belong_where_their_names_say() {
        use Convention::{Compose, Make, Module};
        for (path, wanted) in [
            ("x/main.tf", vec![Module]),
            ("x/prod.tfvars", vec![Module]),
            ("x/.env", vec![Compose, Make]),
            ("x/docker-compose.prod.yml", vec![Compose]),
            ("compose.yaml", vec![Compose]),
            ("composed.yaml", vec![]),
            ("x/common.mk", vec![Make]),
            ("x/Makefile", vec![Make]),
            ("x/main.go", vec![]),
        ] {
            let found = places(path, &Charts(&[]));
            let found: Vec<Convention> = found.into_iter().map(|place| place.convention).collect();
            assert_eq!(found, wanted, "{path}");
        }
    }
}
