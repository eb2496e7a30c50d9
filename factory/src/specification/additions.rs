//! What a user adds to the packages: files, trees, links, moves, certificates, archives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use archive::EntryPath;

use super::at::{At, Scalar};
use super::document::{ArchiveEntry, CertificateEntry, RepositoryEntry, Settings};
use super::merge::{Place, replace_or_push};
use super::plan::{
    Accounts, Certificate, Directory, Link, Move, Plan, Text, UserArchive, UserFile, UserRepository, UserTree,
};
use super::values;

/// Puts the additions of `settings` on top of those of `plan`.
pub(super) fn apply(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    directories(plan, settings, place);
    files(plan, settings, place);
    trees(plan, settings, place);
    links(plan, settings, place);
    moves(plan, settings, place);
    for entry in &settings.certificates {
        if let Some(certificate) = certificate(entry, place) {
            replace_or_push(&mut plan.certificates, certificate, |a, b| a.name == b.name);
        }
    }
    for entry in &settings.archives {
        if let Some(archive) = user_archive(entry, &plan.accounts, place) {
            plan.archives.push(archive);
        }
    }
}

fn directories(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    let mut seen = BTreeSet::new();
    for entry in &settings.directories {
        let Some(path) = new_path(&mut seen, &entry.path, place) else {
            continue;
        };
        let mode = mode(entry.mode.as_ref(), place).unwrap_or(0o755);
        let (uid, gid) = owner(entry.owner.as_ref(), &plan.accounts, place);
        let directory = Directory { path, mode, uid, gid };
        replace_or_push(&mut plan.directories, directory, |a, b| a.path == b.path);
    }
}

fn files(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    let mut seen = BTreeSet::new();
    for entry in &settings.files {
        let Some(path) = new_path(&mut seen, &entry.path, place) else {
            continue;
        };
        let Some(source) = text(entry.from.as_ref(), entry.text.as_ref(), &entry.path, place) else {
            continue;
        };
        let mode = mode(entry.mode.as_ref(), place);
        let (uid, gid) = owner(entry.owner.as_ref(), &plan.accounts, place);
        plan.links.retain(|link| link.path != path);
        let file = UserFile {
            source,
            path,
            mode,
            uid,
            gid,
        };
        replace_or_push(&mut plan.files, file, |a, b| a.path == b.path);
    }
}

fn trees(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    for entry in &settings.trees {
        let Some(path) = place.check(entry.path.mark, values::path_or_root(&entry.path.value)) else {
            continue;
        };
        let Some(source) = disk(&entry.from, place) else {
            continue;
        };
        let mode = mode(entry.mode.as_ref(), place);
        let (uid, gid) = owner(entry.owner.as_ref(), &plan.accounts, place);
        plan.trees.push(UserTree {
            source,
            path,
            mode,
            uid,
            gid,
        });
    }
}

fn links(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    let mut seen = BTreeSet::new();
    for entry in &settings.links {
        let Some(path) = new_path(&mut seen, &entry.path, place) else {
            continue;
        };
        let target = &entry.target;
        place.check(
            target.mark,
            values::line(&target.value).and_then(|()| values::placeholders(&target.value)),
        );
        if target.value.len() >= archive::PATH_BYTES_MAX || target.value.contains('\0') {
            place.fault(target.mark, "the target is no path");
        }
        plan.files.retain(|file| file.path != path);
        replace_or_push(
            &mut plan.links,
            Link {
                path,
                target: target.value.clone(),
            },
            |a, b| a.path == b.path,
        );
    }
}

fn moves(plan: &mut Plan, settings: &Settings, place: &mut Place<'_>) {
    for entry in &settings.moves {
        let (from, to) = (place.path(&entry.from), place.path(&entry.to));
        if let (Some(from), Some(to)) = (from, to) {
            if to.starts_with(&from) {
                place.fault(entry.to.mark, "a path cannot be moved into itself");
            }
            replace_or_push(&mut plan.moves, Move { from, to }, |a, b| a.from == b.from);
        }
    }
}

fn certificate(entry: &CertificateEntry, place: &mut Place<'_>) -> Option<Certificate> {
    let anchor = entry
        .name
        .as_ref()
        .or(entry.from.as_ref())
        .or(entry.text.as_ref());
    let Some(anchor) = anchor else {
        place.fault(
            super::at::Mark::default(),
            "a certificate without `from` and `text`",
        );
        return None;
    };
    let pem = text(entry.from.as_ref(), entry.text.as_ref(), anchor, place)?;
    if let (Some(inline), true) = (
        &entry.text,
        matches!(&pem, Text::Inline(text) if !text.contains(PEM)),
    ) {
        place.fault(inline.mark, format!("there is no line `{PEM}` in it"));
        return None;
    }
    let name = match (&entry.name, &entry.from) {
        (Some(name), _) => name.value.trim_end_matches(".crt").to_owned(),
        (None, Some(from)) => Path::new(&from.value).file_stem()?.to_string_lossy().into_owned(),
        (None, None) => {
            place.fault(anchor.mark, "the key `name` is missing");
            return None;
        }
    };
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if name.is_empty() || name.starts_with('.') || !plain || name.len() > 100 {
        place.fault(
            anchor.mark,
            format!("{name:?} is not a file name: use letters, digits, `.`, `_` and `-`"),
        );
        return None;
    }
    Some(Certificate { name, pem })
}

fn user_archive(entry: &ArchiveEntry, accounts: &Accounts, place: &mut Place<'_>) -> Option<UserArchive> {
    let architectures = entry
        .architectures
        .iter()
        .filter_map(|name| place.check(name.mark, name.value.parse()))
        .collect();
    let url = if values::is_url(&entry.url.value) {
        place.check(entry.url.mark, values::web_url(&entry.url.value))?;
        entry.url.value.clone()
    } else {
        disk(&entry.url, place)?.to_string_lossy().into_owned()
    };
    let sha256 = place.check(entry.sha256.mark, values::sha256(&entry.sha256.value.0))?;
    let strip = entry.strip.as_ref().map_or(0, |strip| strip.value);
    if let Some(written) = &entry.strip
        && strip > STRIP_MAX
    {
        place.fault(
            written.mark,
            format!("at most {STRIP_MAX} components can be stripped"),
        );
    }
    let select = entry
        .select
        .iter()
        .filter_map(|glob| place.check(glob.mark, values::glob(&glob.value, true)))
        .collect();
    let path = place.check(entry.path.mark, values::path_or_root(&entry.path.value))?;
    let mode = mode(entry.mode.as_ref(), place);
    let (uid, gid) = owner(entry.owner.as_ref(), accounts, place);
    Some(UserArchive {
        architectures,
        url,
        sha256,
        strip,
        select,
        path,
        mode,
        uid,
        gid,
    })
}

/// Reads an additional archive; `None` after a fault.
pub(super) fn repository(entry: &RepositoryEntry, place: &mut Place<'_>) -> Option<UserRepository> {
    let name = &entry.name;
    place.check(name.mark, values::image_name(&name.value))?;
    if name.value == "debian" || name.value == "debian-security" {
        place.fault(name.mark, format!("{} is Debian's own archive", name.value));
        return None;
    }
    if !entry.uri.value.starts_with("file:///") {
        place.check(entry.uri.mark, values::web_url(&entry.uri.value))?;
    }
    place.check(entry.suite.mark, values::suite(&entry.suite.value))?;
    if entry.components.value.is_empty() {
        place.fault(entry.components.mark, "no component is given");
    }
    let mut components = Vec::new();
    for component in &entry.components.value {
        place.check(component.mark, values::suite(&component.value))?;
        components.push(component.value.clone());
    }
    let key = if entry.signed_by.value.contains(KEY) {
        Text::Inline(entry.signed_by.value.clone())
    } else {
        Text::Disk(disk(&entry.signed_by, place)?)
    };
    let packages = entry
        .packages
        .iter()
        .filter_map(|package| place.package(package))
        .collect();
    Some(UserRepository {
        name: name.value.clone(),
        uri: entry.uri.value.trim_end_matches('/').to_owned(),
        suite: entry.suite.value.clone(),
        components,
        key,
        packages,
    })
}

fn new_path(seen: &mut BTreeSet<EntryPath>, path: &At<String>, place: &mut Place<'_>) -> Option<EntryPath> {
    let parsed = place.path(path)?;
    if !seen.insert(parsed.clone()) {
        place.fault(path.mark, format!("{} is there twice", path.value));
        return None;
    }
    Some(parsed)
}

fn text(
    from: Option<&At<String>>,
    inline: Option<&At<String>>,
    anchor: &At<String>,
    place: &mut Place<'_>,
) -> Option<Text> {
    match (from, inline) {
        (Some(from), None) => disk(from, place).map(Text::Disk),
        (None, Some(inline)) => Some(Text::Inline(inline.value.clone())),
        (Some(_), Some(inline)) => {
            place.fault(inline.mark, "either `from` or `text` can be given, not both");
            None
        }
        (None, None) => {
            place.fault(anchor.mark, "neither `from` nor `text` is given");
            None
        }
    }
}

fn disk(path: &At<String>, place: &mut Place<'_>) -> Option<PathBuf> {
    place.check(
        path.mark,
        values::line(&path.value).and_then(|()| values::placeholders(&path.value)),
    )?;
    Some(place.directory.join(&path.value))
}

fn mode(mode: Option<&At<Scalar>>, place: &mut Place<'_>) -> Option<u32> {
    mode.and_then(|mode| place.check(mode.mark, values::mode(&mode.value.0)))
}

/// Owner and group: a number alone is its own group, a name brings its primary group.
fn owner(owner: Option<&At<Scalar>>, accounts: &Accounts, place: &mut Place<'_>) -> (u32, u32) {
    let Some(written) = owner else { return (0, 0) };
    let Some((user, group)) = place.check(written.mark, values::user(&written.value.0)) else {
        return (0, 0);
    };
    let known = accounts
        .users
        .iter()
        .find(|known| known.name == user || user.parse() == Ok(known.uid));
    let uid = user.parse().ok().or(known.map(|known| known.uid));
    let gid = match group {
        None => known.map(|known| known.gid).or(uid),
        Some(group) => group.parse().ok().or_else(|| {
            accounts
                .groups
                .iter()
                .find(|known| known.name == group)
                .map(|known| known.gid)
        }),
    };
    if let (Some(uid), Some(gid)) = (uid, gid) {
        return (uid, gid);
    }
    let what = if uid.is_none() {
        format!("user {user}")
    } else {
        format!("group {}", group.unwrap_or_default())
    };
    place.fault(written.mark, format!("there is no {what} under `accounts`"));
    (0, 0)
}

/// Most leading components that paths of an archive can lose.
const STRIP_MAX: u32 = 64;

const PEM: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
