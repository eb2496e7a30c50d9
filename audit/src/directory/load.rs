//! Reads the files of a place, as far as limits go.

mod pipeline;

use std::collections::{HashMap, HashSet};

use super::convention::{self, CHART_BYTES_MAX, Convention, Place, below};
use super::dollar::{self, Notation};
use super::go_template;
use super::group::{Group, LINE_BYTES_MAX, Layer, Order};
use super::parts::Parts;
use super::{Entry, Files, terraform};
use crate::kind::Kind;
use crate::reading::{self, Role, Step};
use crate::source::SourceText;

/// Files of one place that are read.
const FILES_MAX: usize = 256;

/// Bytes of one place that are read.
const BYTES_MAX: usize = 2 << 20;

/// The largest file of a place that is read, in bytes.
const FILE_BYTES_MAX: usize = 512 << 10;

/// Folders of one place that are looked into.
const FOLDERS_MAX: usize = 512;

/// Names that are compared with the patterns of one pipeline.
const COMPARED_MAX: usize = 200_000;

/// Folders that have a file of values for each environment.
const ENVIRONMENTS: [&str; 9] = [
    "ci",
    "config",
    "env",
    "environment",
    "environments",
    "envs",
    "tfvars",
    "values",
    "vars",
];

/// How deep such files are looked for.
const ENVIRONMENTS_DEEP_MAX: usize = 2;

/// Charts in a chart.
const CHARTS_MAX: usize = 32;

/// What the files of a place have; nothing when there are too few of them to say more than each by itself.
pub(super) fn group(place: &Place, files: &dyn Files) -> Option<Group> {
    let mut loader = Loader {
        files,
        group: Group::default(),
        files_left: FILES_MAX,
        bytes_left: BYTES_MAX,
        folders_left: FOLDERS_MAX,
        listed: HashMap::new(),
        patterns: HashSet::new(),
        compared_left: COMPARED_MAX,
    };
    match place.convention {
        Convention::Chart => loader.chart(&place.root),
        Convention::Module => loader.module(&place.root),
        Convention::Compose => loader.compose(&place.root),
        Convention::Make => loader.make(&place.root),
        Convention::Pipeline => loader.pipeline(&place.root),
    }
    // Expressions of Terraform are followed here alone, also in a file by itself.
    let least = match place.convention {
        Convention::Module => 1,
        // What could not be looked for may be there.
        Convention::Pipeline if !loader.patterns.is_empty() => 1,
        Convention::Make if !loader.group.uses.is_whole => 1,
        Convention::Chart | Convention::Compose | Convention::Make | Convention::Pipeline => 2,
    };
    (loader.group.members.len() >= least).then_some(loader.group)
}

struct Loader<'f> {
    files: &'f dyn Files,
    group: Group,
    files_left: usize,
    bytes_left: usize,
    folders_left: usize,
    /// What folders have that were asked for already.
    listed: HashMap<String, Vec<Entry>>,
    /// Patterns that were read already.
    patterns: HashSet<String>,
    compared_left: usize,
}

impl Loader<'_> {
    /// What a folder has, by name.
    fn entries(&mut self, folder: &str) -> Vec<Entry> {
        let Some(left) = self.folders_left.checked_sub(1) else {
            self.group.uses.is_whole = false;
            return Vec::new();
        };
        self.folders_left = left;
        let mut entries = self.files.entries(folder);
        entries.sort();
        entries
    }

    /// The text of a file, which is a member from now on.
    fn text(&mut self, path: &str, layer: Layer, chart: Option<&str>) -> Option<String> {
        let limit = self.bytes_left.min(FILE_BYTES_MAX);
        let bytes = (self.files_left > 0)
            .then(|| self.files.read(path, limit))
            .flatten();
        let Some(bytes) = bytes else {
            self.group.uses.is_whole = false;
            return None;
        };
        self.files_left -= 1;
        self.bytes_left -= bytes.len().min(self.bytes_left);
        let text = SourceText::decode(&bytes)?.text().to_owned();
        let member = (layer, chart.map(str::to_owned));
        self.group.members.insert(path.to_owned(), member);
        Some(text)
    }

    // === Charts ===

    /// A chart and those in it, each after the one around it.
    fn chart(&mut self, root: &str) {
        let mut charts = vec![(root.to_owned(), None::<String>)];
        let mut next = 0;
        while let Some((root, chart)) = charts.get(next).cloned() {
            next += 1;
            if !self.one_chart(&root, chart.as_deref()) {
                continue;
            }
            let folder = below(&root, "charts");
            let names = self.dependencies(&root);
            let entries = self.entries(&folder).into_iter().filter(|entry| entry.is_folder);
            for entry in entries {
                let inner = below(&folder, &entry.name);
                if self.chart_yaml(&inner).is_none() {
                    continue;
                }
                if charts.len() > CHARTS_MAX {
                    self.group.uses.is_whole = false;
                    return;
                }
                let name = names.get(&entry.name).unwrap_or(&entry.name);
                let name = match &chart {
                    Some(chart) => format!("{chart}.{name}"),
                    None => name.clone(),
                };
                charts.push((inner, Some(name)));
            }
        }
        // What begins a path and is defined by another chart, or nowhere here, may be any value.
        self.group.uses.is_whole &= self.group.has_hosts();
    }

    fn chart_yaml(&self, root: &str) -> Option<Vec<u8>> {
        self.files.read(&below(root, "Chart.yaml"), CHART_BYTES_MAX)
    }

    /// By what name a chart knows those in it that it gives another one: what it says to them stands below that.
    fn dependencies(&mut self, root: &str) -> HashMap<String, String> {
        let bytes = self.chart_yaml(root);
        let Some(source) = bytes.and_then(|bytes| SourceText::decode(&bytes)) else {
            return HashMap::new();
        };
        let mut names: Vec<(&[Step], [Option<String>; 2])> = Vec::new();
        let document = reading::read(Kind::Yaml, source.text());
        for piece in &document.pieces {
            if let [Step::Key(list), Step::Item(_), Step::Key(key)] = &*piece.path
                && list == "dependencies"
                && piece.role == Role::Value
                && let Some(index) = ["name", "alias"].iter().position(|wanted| key == wanted)
            {
                let item = piece.path.get(..2).unwrap_or_default();
                if names.last().is_none_or(|(last, _)| *last != item) {
                    names.push((item, [None, None]));
                }
                if let Some(name) = names.last_mut().and_then(|(_, item)| item.get_mut(index)) {
                    *name = Some(piece.text.text().to_owned());
                }
            }
        }
        let mut aliases = HashMap::new();
        for (_, item) in names {
            let [Some(name), alias] = item else { continue };
            let alias = alias.unwrap_or_else(|| name.clone());
            // Whoever is there twice has two sets of values.
            if aliases.insert(name, alias).is_some() {
                self.group.uses.is_whole = false;
            }
        }
        aliases
    }

    /// Reads a chart without those in it; says whether there are any.
    fn one_chart(&mut self, root: &str, chart: Option<&str>) -> bool {
        let entries = self.entries(root);
        let has = |name: &str| entries.iter().any(|entry| entry.is_folder && entry.name == name);
        for entry in &entries {
            if entry.is_folder || !convention::is_values(&entry.name) {
                continue;
            }
            let layer = match convention::is_default_values(&entry.name) {
                true => Some(Layer::Base),
                false => self.group.add_overlay(),
            };
            if let Some(layer) = layer {
                self.values(&below(root, &entry.name), layer, chart);
            }
        }
        for path in self.of_environments(root, &entries, convention::is_yaml) {
            if let Some(layer) = self.group.add_overlay() {
                self.values(&path, layer, chart);
            }
        }
        if let Some(bytes) = self.chart_yaml(root) {
            self.chart_itself(&bytes, chart);
        }
        // What is left out of the tree is left out here: only what was told is looked into.
        let mut folders = Vec::from_iter(has("templates").then(|| below(root, "templates")));
        while let Some(folder) = folders.pop() {
            for entry in self.entries(&folder) {
                let path = below(&folder, &entry.name);
                if entry.is_folder {
                    folders.push(path);
                } else if Kind::of(&entry.name, "") != Kind::Prose
                    && let Some(text) = self.text(&path, Layer::Base, chart)
                {
                    for (name, parts) in go_template::add_uses(&mut self.group.uses, &text, chart) {
                        self.group.bind(Layer::Base, &name, parts, Order::Unknown);
                    }
                }
            }
        }
        has("charts")
    }

    /// Files in folders below a place that have one for each environment.
    fn of_environments(&mut self, root: &str, entries: &[Entry], wanted: fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let is_one = |entry: &&Entry| entry.is_folder && ENVIRONMENTS.contains(&entry.name.as_str());
        let mut folders: Vec<(String, usize)> = entries
            .iter()
            .filter(is_one)
            .map(|entry| (below(root, &entry.name), 1))
            .collect();
        while let Some((folder, depth)) = folders.pop() {
            for entry in self.entries(&folder) {
                let path = below(&folder, &entry.name);
                if entry.is_folder {
                    folders.extend((depth < ENVIRONMENTS_DEEP_MAX).then_some((path, depth + 1)));
                } else if wanted(&entry.name) {
                    found.push(path);
                }
            }
        }
        found
    }

    fn values(&mut self, path: &str, layer: Layer, chart: Option<&str>) {
        let Some(text) = self.text(path, layer, chart) else {
            return;
        };
        let document = reading::read(Kind::Yaml, &text);
        // Values that are templates themselves, wherever they stand, are uses of others.
        for piece in document.pieces.iter().filter(|piece| !piece.role.is_mention()) {
            if piece.text.text().contains("{{") {
                go_template::add_uses(&mut self.group.uses, piece.text.text(), chart);
            }
        }
        for binding in document.bindings {
            if binding.name.starts_with("Values.") {
                let name = go_template::in_chart(chart, &binding.name);
                // The chart around was read before, and says more.
                let parts = match binding.value.text() {
                    text if text.len() <= LINE_BYTES_MAX => go_template::line(text, chart),
                    text => Parts::text(text),
                };
                self.group.bind(layer, &name, parts, Order::FirstCounts);
            }
        }
    }

    /// `Chart.yaml`: name and versions.
    fn chart_itself(&mut self, bytes: &[u8], chart: Option<&str>) {
        let Some(source) = SourceText::decode(bytes) else {
            return;
        };
        for line in source.text().lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let name = match key {
                "name" => "Chart.Name",
                "version" => "Chart.Version",
                "appVersion" => "Chart.AppVersion",
                _ => continue,
            };
            let value = value.split(" #").next().unwrap_or_default();
            let parts = Parts::text(value.trim().trim_matches(['"', '\'']));
            let name = go_template::in_chart(chart, name);
            self.group.bind(Layer::Base, &name, parts, Order::FirstCounts);
        }
    }

    // === Terraform ===

    fn module(&mut self, root: &str) {
        let entries = self.entries(root);
        let named = |wanted: fn(&str) -> bool| {
            let files = entries
                .iter()
                .filter(move |entry| !entry.is_folder && wanted(&entry.name));
            files.map(|entry| entry.name.as_str())
        };
        for name in named(convention::is_configuration) {
            self.configuration(&below(root, name));
        }
        let mut files: Vec<&str> = named(convention::is_variables).collect();
        // `terraform.tfvars` counts less than those that are read by themselves, which count by their names.
        files.sort_by_key(|name| (*name != "terraform.tfvars", *name));
        let files = files
            .into_iter()
            .map(|name| (convention::is_always_read(name), below(root, name)));
        let mut files: Vec<(bool, String)> = files.collect();
        let others = self.of_environments(root, &entries, convention::is_variables);
        files.extend(others.into_iter().map(|path| (false, path)));
        for (is_always_read, path) in files {
            let layer = match is_always_read {
                true => Some(Layer::Over),
                false => self.group.add_overlay(),
            };
            let Some((layer, text)) = layer.and_then(|layer| Some((layer, self.text(&path, layer, None)?)))
            else {
                continue;
            };
            for binding in reading::read(Kind::Hcl, &text).bindings {
                let parts = Parts::text(binding.value.text());
                self.group.bind(layer, &binding.name, parts, Order::LastCounts);
            }
        }
    }

    fn configuration(&mut self, path: &str) {
        let Some(text) = self.text(path, Layer::Base, None) else {
            return;
        };
        for (name, parts) in terraform::add_uses(&mut self.group.uses, &text) {
            self.group.bind(Layer::Base, &name, parts, Order::FirstCounts);
        }
        for binding in reading::read(Kind::Hcl, &text).bindings {
            if binding.name.starts_with("var.") {
                let parts = Parts::text(binding.value.text());
                self.group
                    .bind(Layer::Base, &binding.name, parts, Order::FirstCounts);
            }
        }
    }

    // === Compose ===

    fn compose(&mut self, root: &str) {
        let entries = self.entries(root);
        let files = || {
            entries
                .iter()
                .filter(|entry| !entry.is_folder)
                .map(|entry| entry.name.as_str())
        };
        if !files().any(convention::is_compose) {
            return;
        }
        for name in files().filter(|name| convention::is_environment(name)) {
            let layer = match name {
                ".env" => Some(Layer::Base),
                _ => self.group.add_overlay(),
            };
            let path = below(root, name);
            let Some((layer, text)) = layer.and_then(|layer| Some((layer, self.text(&path, layer, None)?)))
            else {
                continue;
            };
            for binding in reading::read(Kind::Settings, &text).bindings {
                let parts = short(binding.value.text(), Notation::Compose);
                self.group.bind(layer, &binding.name, parts, Order::LastCounts);
            }
        }
        for name in files().filter(|name| convention::is_compose(name)) {
            if let Some(text) = self.text(&below(root, name), Layer::Base, None) {
                self.lines(&text, Notation::Compose);
            }
        }
    }

    /// Adds the lines of a text that use names.
    fn lines(&mut self, text: &str, notation: Notation) {
        for line in text.lines().filter(|line| line.contains('$')) {
            if line.len() > LINE_BYTES_MAX {
                self.group.uses.is_whole = false;
            } else if notation == Notation::Compose || !is_alias(line) {
                self.group.uses.add(dollar::parts(line.trim(), notation));
            }
        }
    }

    // === Make ===

    fn make(&mut self, root: &str) {
        let entries = self.entries(root);
        let here = |name: &str| entries.iter().any(|entry| !entry.is_folder && entry.name == name);
        let mut names: Vec<String> = ["GNUmakefile", "makefile", "Makefile"]
            .into_iter()
            .find(|name| here(name))
            .map(str::to_owned)
            .into_iter()
            .collect();
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            let Some(text) = self.text(&below(root, &name), Layer::Base, None) else {
                continue;
            };
            for included in text.lines().flat_map(included).take(FILES_MAX) {
                // What a variable or a function names may be anything.
                self.group.uses.is_whole &= !included.contains('$');
                if included.contains('/') {
                    let is_new = names.len() < FILES_MAX && !names.iter().any(|name| name == included);
                    let is_below =
                        !included.starts_with('/') && !included.split('/').any(|part| part == "..");
                    let is_file = is_new && is_below && self.is_told(root, included);
                    names.extend(is_file.then(|| included.to_owned()));
                    continue;
                }
                let matching = entries
                    .iter()
                    .filter(|entry| !entry.is_folder && is_meant(included, &entry.name));
                for entry in matching {
                    if names.len() < FILES_MAX && !names.contains(&entry.name) {
                        names.push(entry.name.clone());
                    }
                }
            }
            for binding in reading::read(Kind::Make, &text).bindings {
                let parts = short(binding.value.text(), Notation::Make);
                self.group.bind(Layer::Base, &binding.name, parts, Order::Unknown);
            }
            self.lines(&text, Notation::Make);
        }
    }

    /// Whether a file is there when each folder above it is asked: what is left out of the tree is not.
    fn is_told(&mut self, root: &str, path: &str) -> bool {
        let mut folder = root.to_owned();
        for part in path.split('/') {
            if !self.told(&folder).iter().any(|entry| entry.name == part) {
                return false;
            }
            folder = below(&folder, part);
        }
        true
    }

    /// What a folder has; asked for once.
    fn told(&mut self, folder: &str) -> &[Entry] {
        if !self.listed.contains_key(folder) {
            let entries = self.entries(folder);
            self.listed.insert(folder.to_owned(), entries);
        }
        self.listed.get(folder).map_or(&[], Vec::as_slice)
    }
}

fn short(text: &str, notation: Notation) -> Parts {
    match text.len() <= LINE_BYTES_MAX {
        true => dollar::parts(text, notation),
        false => Parts::text(text),
    }
}

/// Whether a line of a Makefile only gives a name the value of another.
fn is_alias(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    dollar::parts(value, Notation::Make).as_name().is_some() && !line.starts_with('\t')
}

/// The files that a line of a Makefile includes.
fn included(line: &str) -> impl Iterator<Item = &str> {
    let words = ["include ", "-include ", "sinclude "];
    let names = words.iter().find_map(|word| line.strip_prefix(word));
    let names = names.unwrap_or_default().split(" #").next().unwrap_or_default();
    names
        .split_whitespace()
        .map(|name| name.strip_prefix("./").unwrap_or(name))
}

/// Whether a name, or a pattern with one star, means a file.
fn is_meant(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}
