//! From the settings of a specification, its bases and a variant to one [`Plan`].
//!
//! Lists append, maps override by key, scalars replace. What is named twice in one place is a fault;
//! what a base named before is replaced.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use archive::EntryPath;
use debian::PackageName;

use super::at::{At, Mark, Scalar};
use super::diagnostic::{Diagnostic, Source};
use super::document::{
    AccountsEntry, DropEntry, Entries, ExcludeEntry, ProvideEntry, Settings, VersionEntry,
};
use super::plan::{Directory, Drop, Exclude, Group, Plan, Provide, User, VersionOf};
use super::{additions, values};

/// A plan that is being put together.
pub(super) struct Draft {
    pub(super) plan: Plan,
    /// Home directories by user.
    homes: BTreeMap<String, Directory>,
}

impl Draft {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            homes: BTreeMap::new(),
        }
    }

    pub(super) fn finish(mut self) -> Plan {
        self.plan.homes = self.homes.into_values().collect();
        self.plan.homes.sort_by(|a, b| a.path.cmp(&b.path));
        self.plan.homes.dedup_by(|later, first| later.path == first.path);
        self.plan.directories.sort_by(|a, b| a.path.cmp(&b.path));
        self.plan
    }

    /// Puts settings on top of what is there.
    pub(super) fn apply(&mut self, settings: &Settings, place: &mut Place<'_>) {
        // Accounts come first: owners and the user may be named by them.
        self.accounts(&settings.accounts, place);
        self.packages(&settings.packages, place);
        self.excludes(&settings.exclude, &settings.packages, place);
        self.provides(&settings.provide, place);
        self.drops(&settings.drop, place);
        self.versions(&settings.versions, place);
        self.environment(&settings.environment, place);
        overlay(
            &mut self.plan.os_release,
            &settings.os_release,
            place,
            values::variable_name,
            values::no_control,
        );
        overlay(
            &mut self.plan.labels,
            &settings.labels,
            place,
            values::line,
            |_| Ok(()),
        );
        overlay(
            &mut self.plan.annotations,
            &settings.annotations,
            place,
            values::line,
            |_| Ok(()),
        );
        self.process(settings, place);
        additions::apply(&mut self.plan, settings, place);
    }

    fn packages(&mut self, packages: &[At<String>], place: &mut Place<'_>) {
        for package in packages {
            let Some(root) = place.check(
                package.mark,
                package.value.parse::<debian::relation::Dependency>(),
            ) else {
                continue;
            };
            // What is asked for by name is no longer left out, whatever a base says.
            let names: BTreeSet<&PackageName> =
                root.alternatives.iter().map(|relation| &relation.name).collect();
            self.plan
                .exclude
                .retain(|exclude| !names.contains(&exclude.package));
            if !self.plan.roots.contains(&root) {
                self.plan.roots.push(root);
            }
        }
    }

    fn excludes(&mut self, entries: &[ExcludeEntry], packages: &[At<String>], place: &mut Place<'_>) {
        let mut seen = BTreeSet::new();
        for entry in entries {
            let Some(package) = place.package(&entry.package) else {
                continue;
            };
            let from: Vec<_> = entry.from.iter().filter_map(|from| place.package(from)).collect();
            place.check(entry.reason.mark, values::line(&entry.reason.value));
            if packages.iter().any(|asked| asked.value == entry.package.value) {
                place.fault(
                    entry.package.mark,
                    format!("{package} is asked for under `packages` as well"),
                );
            } else if !seen.insert(package.clone()) {
                place.fault(entry.package.mark, format!("{package} is excluded twice"));
            }
            self.plan.exclude.retain(|earlier| earlier.package != package);
            self.plan.exclude.push(Exclude {
                package,
                from,
                reason: entry.reason.value.clone(),
            });
        }
    }

    fn provides(&mut self, entries: &[ProvideEntry], place: &mut Place<'_>) {
        for entry in entries {
            let Some(package) = place.package(&entry.package) else {
                continue;
            };
            let version = entry
                .version
                .as_ref()
                .map(|text| (text.mark, text.value.0.parse()));
            let version = version.and_then(|(mark, version)| place.check(mark, version));
            place.check(entry.reason.mark, values::line(&entry.reason.value));
            self.plan.provide.retain(|earlier| earlier.package != package);
            self.plan.provide.push(Provide {
                package,
                version,
                reason: entry.reason.value.clone(),
            });
        }
    }

    fn drops(&mut self, entries: &[DropEntry], place: &mut Place<'_>) {
        for entry in entries {
            place.check(entry.reason.mark, values::line(&entry.reason.value));
            if entry.paths.value.is_empty() {
                place.fault(entry.paths.mark, "no path is given");
            }
            let patterns: Vec<_> = entry
                .paths
                .value
                .iter()
                .filter_map(|path| place.check(path.mark, values::glob(&path.value, false)))
                .collect();
            self.plan.drop.push(Drop {
                patterns,
                reason: entry.reason.value.clone(),
            });
        }
    }

    fn versions(&mut self, entries: &[VersionEntry], place: &mut Place<'_>) {
        for entry in entries {
            let Some(package) = place.package(&entry.package) else {
                continue;
            };
            let environment = entry.environment.as_ref();
            let annotation = entry.annotation.as_ref();
            if let Some(name) = environment {
                place.check(name.mark, values::variable_name(&name.value));
                self.plan
                    .versions
                    .retain(|earlier| earlier.environment.as_ref() != Some(&name.value));
            }
            if let Some(name) = annotation {
                place.check(name.mark, values::line(&name.value));
                self.plan
                    .versions
                    .retain(|earlier| earlier.annotation.as_ref() != Some(&name.value));
            }
            if environment.is_none() && annotation.is_none() {
                place.fault(
                    entry.package.mark,
                    "neither `environment` nor `annotation` is given",
                );
            }
            self.plan.versions.push(VersionOf {
                package,
                environment: environment.map(|name| name.value.clone()),
                annotation: annotation.map(|name| name.value.clone()),
            });
        }
    }

    fn environment(&mut self, entries: &Entries, place: &mut Place<'_>) {
        let before = self.plan.environment.clone();
        for (name, value) in entries {
            let key = place.source.key_mark(name, value.mark);
            place.check(key, values::variable_name(name));
            let Some(text) = &value.value else {
                self.plan.environment.remove(name);
                continue;
            };
            place.check(value.mark, values::no_control(&text.0));
            if let Some(filled) = place.check(value.mark, interpolate(&text.0, &before)) {
                self.plan.environment.insert(name.clone(), filled);
            }
        }
    }

    fn process(&mut self, settings: &Settings, place: &mut Place<'_>) {
        if let Some(user) = &settings.user {
            self.user(user, place);
        }
        if let Some(workdir) = &settings.workdir
            && place
                .check(workdir.mark, values::path_or_root(&workdir.value))
                .is_some()
        {
            self.plan.workdir.clone_from(&workdir.value);
        }
        let words = |list: &Option<At<Vec<At<Scalar>>>>| {
            list.as_ref().map(|list| {
                list.value
                    .iter()
                    .map(|word| word.value.0.clone())
                    .collect::<Vec<_>>()
            })
        };
        if let Some(entrypoint) = words(&settings.entrypoint) {
            self.plan.entrypoint = Some(entrypoint);
            // Arguments of another program mean nothing to this one.
            self.plan.cmd = None;
        }
        if let Some(cmd) = words(&settings.cmd) {
            self.plan.cmd = Some(cmd);
        }
        if let Some(signal) = &settings.stop_signal {
            self.plan.stop_signal = place.check(signal.mark, values::signal(&signal.value.0));
        }
        for volume in &settings.volumes {
            let path = place.check(volume.mark, values::path(&volume.value));
            if path.is_some() && !self.plan.volumes.contains(&volume.value) {
                self.plan.volumes.push(volume.value.clone());
            }
        }
        for port in &settings.ports {
            if let Some(port) = place.check(port.mark, values::port(&port.value.0))
                && !self.plan.ports.contains(&port)
            {
                self.plan.ports.push(port);
            }
        }
    }

    fn user(&mut self, user: &At<Scalar>, place: &mut Place<'_>) {
        let Some((name, group)) = place.check(user.mark, values::user(&user.value.0)) else {
            return;
        };
        let accounts = &self.plan.accounts;
        if name.parse::<u32>().is_err() && !accounts.users.iter().any(|known| known.name == name) {
            place.fault(user.mark, format!("there is no user {name} under `accounts`"));
        }
        if let Some(group) = group
            && group.parse::<u32>().is_err()
            && !accounts.groups.iter().any(|known| known.name == group)
        {
            place.fault(user.mark, format!("there is no group {group} under `accounts`"));
        }
        self.plan.user.clone_from(&user.value.0);
    }

    fn accounts(&mut self, accounts: &AccountsEntry, place: &mut Place<'_>) {
        let mut seen = BTreeSet::new();
        for entry in &accounts.groups {
            if !seen.insert(entry.name.value.as_str()) {
                place.fault(
                    entry.name.mark,
                    format!("the group {} is there twice", entry.name.value),
                );
            }
            for name in entry.members.iter().chain([&entry.name]) {
                place.check(name.mark, values::account_name(&name.value));
            }
            let members = entry.members.iter().map(|member| member.value.clone()).collect();
            let group = Group {
                name: entry.name.value.clone(),
                gid: entry.gid.value,
                members,
            };
            replace_or_push(&mut self.plan.accounts.groups, group, |a, b| a.name == b.name);
        }
        let mut seen = BTreeSet::new();
        for entry in &accounts.users {
            if !seen.insert(entry.name.value.as_str()) {
                place.fault(
                    entry.name.mark,
                    format!("the user {} is there twice", entry.name.value),
                );
            }
            self.account(entry, place);
        }
    }

    fn account(&mut self, entry: &super::document::UserEntry, place: &mut Place<'_>) {
        let name = &entry.name.value;
        place.check(entry.name.mark, values::account_name(name));
        let text = |field: &Option<At<String>>, default: &str, place: &mut Place<'_>| match field {
            None => default.to_owned(),
            Some(field) => {
                let bad = field.value.contains(':') || values::no_control(&field.value).is_err();
                if bad {
                    place.fault(
                        field.mark,
                        "a field of the password file cannot hold `:` or a line break",
                    );
                }
                field.value.clone()
            }
        };
        let gecos = text(&entry.gecos, name, place);
        let home = text(&entry.home, NO_HOME, place);
        let shell = text(&entry.shell, NO_LOGIN, place);
        let (uid, gid) = (
            entry.uid.value,
            entry.gid.as_ref().map_or(entry.uid.value, |gid| gid.value),
        );
        let mark = entry.home.as_ref().map_or(entry.name.mark, |home| home.mark);
        let mode = entry
            .home_mode
            .as_ref()
            .map(|mode| (mode.mark, values::mode(&mode.value.0)));
        let mode = mode
            .map_or(Some(0o700), |(mark, mode)| place.check(mark, mode))
            .unwrap_or(0o700);
        self.homes.remove(name);
        if home != NO_HOME
            && let Some(path) = place.check(mark, values::path_or_root(&home))
            && !path.is_root()
        {
            self.homes
                .insert(name.clone(), Directory { path, mode, uid, gid });
        }
        let user = User {
            name: name.clone(),
            uid,
            gid,
            gecos,
            home,
            shell,
        };
        replace_or_push(&mut self.plan.accounts.users, user, |a, b| a.name == b.name);
    }
}

/// Where settings were written: faults are collected, so that all of a file are told at once.
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    /// The directory that paths on disk start from.
    pub(super) directory: &'a Path,
    pub(super) faults: &'a mut Vec<Diagnostic>,
}

impl Place<'_> {
    /// The value, or a fault at `mark`.
    pub(super) fn check<T>(&mut self, mark: Mark, value: Result<T, impl Display>) -> Option<T> {
        value.map_err(|error| self.fault(mark, error.to_string())).ok()
    }

    pub(super) fn fault(&mut self, mark: Mark, message: impl Into<String>) {
        self.faults.push(self.source.diagnostic(mark, message, None));
    }

    pub(super) fn package(&mut self, name: &At<String>) -> Option<PackageName> {
        self.check(name.mark, name.value.parse::<PackageName>())
    }

    pub(super) fn path(&mut self, path: &At<String>) -> Option<EntryPath> {
        self.check(path.mark, values::path(&path.value))
    }
}

pub(super) fn replace_or_push<T>(list: &mut Vec<T>, item: T, same: impl Fn(&T, &T) -> bool) {
    match list.iter_mut().find(|known| same(known, &item)) {
        Some(known) => *known = item,
        None => list.push(item),
    }
}

fn overlay(
    map: &mut BTreeMap<String, String>,
    entries: &Entries,
    place: &mut Place<'_>,
    key: fn(&str) -> Result<(), values::ValueError>,
    value: fn(&str) -> Result<(), values::ValueError>,
) {
    for (name, text) in entries {
        let mark = place.source.key_mark(name, text.mark);
        place.check(mark, key(name));
        match &text.value {
            None => {
                map.remove(name);
            }
            Some(text_value) => {
                place.check(text.mark, value(&text_value.0));
                map.insert(name.clone(), text_value.0.clone());
            }
        }
    }
}

/// Fills `${NAME}` in from what the variable was before; any other `$` is text.
fn interpolate(text: &str, before: &BTreeMap<String, String>) -> Result<String, values::ValueError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            break;
        };
        out.push_str(head);
        let value = before.get(name).ok_or_else(|| values::ValueError::Unset {
            name: name.to_owned(),
        })?;
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

const NO_HOME: &str = "/nonexistent";
const NO_LOGIN: &str = "/sbin/nologin";
