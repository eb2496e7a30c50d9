mod brute_force;
mod checker;
mod explanations;
mod preferences;
mod rules;

use super::*;
use crate::index::PackageIndex;
use crate::relation::Relations;

/// An index written as lines: `NAME VERSION` and then, after semicolons, `FIELD VALUE`.
pub(super) fn index(lines: &str) -> PackageIndex {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split("; ");
        let (name, version) = parts.next().and_then(|head| head.split_once(' ')).unwrap();
        let fields: String = parts.map(|part| part.replacen(' ', ": ", 1) + "\n").collect();
        let architecture = if fields.contains("Architecture:") {
            ""
        } else {
            "Architecture: amd64\n"
        };
        text += &format!(
            "Package: {name}\nVersion: {version}\n{architecture}{fields}Filename: pool/{name}.deb\nSize: 1\nSHA256: {}\n\n",
            "0".repeat(64)
        );
    }
    PackageIndex::parse(text.into_bytes()).unwrap()
}

/// A request for `image` on amd64, from archives named `trixie` and `security`.
pub(super) struct Case {
    indexes: Vec<PackageIndex>,
    roots: &'static str,
    exclude: &'static str,
    provide: &'static str,
    allow: Option<&'static str>,
}

impl Case {
    pub(super) fn new(lines: &str, roots: &'static str) -> Self {
        Case {
            indexes: vec![index(lines)],
            roots,
            exclude: "",
            provide: "",
            allow: None,
        }
    }

    pub(super) fn security(mut self, lines: &str) -> Self {
        self.indexes.push(index(lines));
        self
    }

    pub(super) fn exclude(mut self, names: &'static str) -> Self {
        self.exclude = names;
        self
    }

    /// Names, with a version after `=`.
    pub(super) fn provide(mut self, entries: &'static str) -> Self {
        self.provide = entries;
        self
    }

    /// The only packages that the last index may provide.
    pub(super) fn allow(mut self, names: &'static str) -> Self {
        self.allow = Some(names);
        self
    }

    pub(super) fn resolve(&self) -> Result<Resolution, ResolveError> {
        let names = |text: &str| {
            text.split_whitespace()
                .map(|name| name.parse().unwrap())
                .collect::<BTreeSet<_>>()
        };
        let mut candidates: Vec<_> = (self.indexes.iter().zip(["trixie", "security"]).enumerate())
            .map(|(at, (index, name))| Candidates {
                index,
                allow: None,
                id: 10 + at,
                name: name.to_owned(),
            })
            .collect();
        candidates.last_mut().unwrap().allow = self.allow.map(names);
        let provide = self
            .provide
            .split_whitespace()
            .map(|entry| match entry.split_once('=') {
                None => Provided {
                    name: entry.parse().unwrap(),
                    version: None,
                },
                Some((name, version)) => Provided {
                    name: name.parse().unwrap(),
                    version: Some(version.parse().unwrap()),
                },
            });
        let request = Request {
            subject: "image".to_owned(),
            architecture: "amd64".parse().unwrap(),
            roots: self.roots.parse::<Relations>().unwrap().0,
            exclude: names(self.exclude),
            provide: provide.collect(),
            indexes: &candidates,
        };
        let resolution = resolve(&request);
        if let Ok(resolution) = &resolution {
            checker::check(&request, resolution);
        }
        resolution
    }

    /// The names and versions chosen, as `a=1 b=2`.
    pub(super) fn chosen(&self) -> String {
        let resolution = self.resolve().unwrap_or_else(|error| panic!("{error}"));
        let all: Vec<String> = (resolution.packages.iter())
            .map(|package| format!("{}={}", package.record.name, package.record.version))
            .collect();
        all.join(" ")
    }

    pub(super) fn explanation(&self) -> String {
        match self.resolve() {
            Err(ResolveError::Unsolvable { explanation, .. }) => explanation,
            Err(other) => panic!("{other}"),
            Ok(resolution) => panic!("{:?}", resolution.packages),
        }
    }
}
