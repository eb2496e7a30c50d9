//! `ldconfig`: links named by the soname of every shared library, and `/etc/ld.so.cache`.
//!
//! Follows glibc's `elf/ldconfig.c` (`search_dir`) on the tree instead of a disk.

use std::collections::{BTreeSet, HashMap};

use archive::EntryPath;

use super::generated::{Generated, at, read};
use super::library_facts::Facts;
use super::{Context, EmulationError};
use crate::ld_so_cache::{self, ByteOrder, Library, compare_names};
use crate::release::Architecture;
use crate::tree::{Last, NodeKind, Tree};

/// Most libraries that a cache may have; a large desktop has 4,000.
pub(super) const LIBRARIES_MAX: usize = 100_000;

pub(super) fn apply(tree: &mut Tree, context: &Context<'_>) -> Result<(), EmulationError> {
    let facts = Facts::new(context);
    let mut libraries = Vec::new();
    let mut links = Vec::new();
    let mut seen = BTreeSet::new();
    for directory in searched_directories(tree, context)? {
        // With usr-merge, /lib and /usr/lib are one: the first name counts.
        if !seen.insert(tree.resolve(&at(&directory)?, Last::Follow)?) {
            continue;
        }
        for (directory, hwcaps) in with_hwcaps(tree, &directory)? {
            for found in search(tree, &facts, &directory)? {
                let mut path = directory.clone().into_bytes();
                path.push(b'/');
                path.extend_from_slice(&found.soname);
                if !found.is_link && found.name != found.soname {
                    links.push((path.clone(), found.name));
                }
                libraries.push(Library {
                    soname: found.soname,
                    path,
                    flags: found.flags,
                    hwcaps: hwcaps.clone(),
                });
            }
        }
        if libraries.len() > LIBRARIES_MAX {
            return Err(EmulationError::TooManyLibraries);
        }
    }
    if libraries.is_empty() {
        return Ok(());
    }
    let order = if context.architecture == Architecture::S390x {
        ByteOrder::Big
    } else {
        ByteOrder::Little
    };
    let mut generated = Generated::new(tree, "ld.so.cache", context);
    for (path, target) in links {
        generated.link_at(&EntryPath::parse_absolute(&path)?, &target)?;
    }
    generated.file("/etc/ld.so.cache", 0o644, ld_so_cache::encode(&libraries, order))
}

/// A library that a directory offers under one soname.
#[derive(Debug)]
struct Found {
    soname: Vec<u8>,
    /// Name of the file or link.
    name: Vec<u8>,
    is_link: bool,
    flags: u32,
}

/// The libraries of one directory, one for each soname.
fn search(tree: &Tree, facts: &Facts<'_>, directory: &str) -> Result<Vec<Found>, EmulationError> {
    let real_directory = tree.resolve(&at(directory)?, Last::Follow)?;
    let mut all: Vec<Found> = Vec::new();
    let mut by_soname: HashMap<Vec<u8>, usize> = HashMap::new();
    for (path, node) in tree.children(&real_directory) {
        let name = path.file_name().unwrap_or_default();
        if !is_library_name(name) || matches!(node.kind, NodeKind::Directory) {
            continue;
        }
        let real = tree.resolve(path, Last::Follow)?;
        let Some(content) = tree.file(&real) else { continue };
        let Some(known) = facts.library(content, path)? else {
            continue;
        };
        let flags = known.flags;
        let mut soname = known.soname.unwrap_or_else(|| name.to_vec());
        let is_link = matches!(node.kind, NodeKind::Symlink(_))
            && is_kept_as_link(real.file_name().unwrap_or_default(), &soname);
        if is_link {
            soname = name.to_vec();
        }
        let found = Found {
            soname,
            name: name.to_vec(),
            is_link,
            flags,
        };
        match by_soname.get(&found.soname).and_then(|&index| all.get_mut(index)) {
            Some(known) => {
                let newer = compare_names(&known.name, &found.name).is_lt();
                if (!found.is_link && known.is_link) || (found.is_link == known.is_link && newer) {
                    *known = found;
                }
            }
            None => {
                by_soname.insert(found.soname.clone(), all.len());
                all.push(found);
            }
        }
    }
    Ok(all)
}

/// Whether a link to `target`, which has `soname`, counts by its own name: it does when it leads to the
/// file that is named as the soname says, or to the link for the linker.
fn is_kept_as_link(target: &[u8], soname: &[u8]) -> bool {
    target == soname || target.ends_with(b".so") && soname.starts_with(target)
}

fn is_library_name(name: &[u8]) -> bool {
    [&b"lib"[..], b"ld-", b"ld.so.", b"ld64.so."]
        .iter()
        .any(|start| name.starts_with(start))
        && name.windows(3).any(|window| window == b".so")
        && !name.ends_with(b"-gdb.py")
}

/// A directory with a leading slash, and the processors that it is for.
type Searched = (String, Option<Vec<u8>>);

/// A directory, and before it those of its subdirectories that hold builds for better processors.
fn with_hwcaps(tree: &Tree, directory: &str) -> Result<Vec<Searched>, EmulationError> {
    let mut directories = Vec::new();
    let parent = format!("{directory}/glibc-hwcaps");
    let real = tree.resolve(&at(&parent)?, Last::Follow)?;
    for (path, _) in tree.children(&real).filter(|(path, _)| tree.is_directory(path)) {
        if let Ok(name) = std::str::from_utf8(path.file_name().unwrap_or_default()) {
            directories.push((format!("{parent}/{name}"), Some(name.as_bytes().to_vec())));
        }
    }
    directories.push((directory.to_owned(), None));
    Ok(directories)
}

/// The directories of `/etc/ld.so.conf` and, after them, those that are built in.
fn searched_directories(tree: &Tree, context: &Context<'_>) -> Result<Vec<String>, EmulationError> {
    let configuration = match read(tree, context, &at("/etc/ld.so.conf")?, CONFIGURATION_BYTES_MAX)? {
        Some(bytes) => bytes,
        // libc-bin has the file, and libc6 the directory: distroless images have only libc6.
        None => b"include /etc/ld.so.conf.d/*.conf\n".to_vec(),
    };
    let mut directories = Vec::new();
    for line in lines(&configuration) {
        match line
            .strip_prefix("include")
            .filter(|rest| rest.starts_with([' ', '\t']))
        {
            Some(patterns) => {
                for file in patterns.split_whitespace().map(|pattern| included(tree, pattern)) {
                    for path in file? {
                        let text = read(tree, context, &path, CONFIGURATION_BYTES_MAX)?.unwrap_or_default();
                        // One level of inclusion: Debian's files include nothing themselves.
                        directories.extend(lines(&text).filter(|line| line.starts_with('/')));
                    }
                }
            }
            None if line.starts_with('/') => directories.push(line),
            None => {}
        }
    }
    directories.extend(["/lib".to_owned(), "/usr/lib".to_owned()]);
    for directory in &mut directories {
        directory.truncate(directory.trim_end_matches('/').len().max(1));
    }
    directories.retain(|directory| at(directory).is_ok());
    Ok(directories)
}

/// The lines of a configuration without comments; a directory may carry a type after `=`.
fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(text).into_owned();
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.split(['#', '='])
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect();
    lines.into_iter()
}

/// The files that an `include` names; its pattern may have a `*` in the last component.
fn included(tree: &Tree, pattern: &str) -> Result<Vec<EntryPath>, EmulationError> {
    let absolute = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("/etc/{pattern}")
    };
    let (directory, name) = absolute.rsplit_once('/').unwrap_or_default();
    let (start, end) = match name.split_once('*') {
        Some(parts) => parts,
        None => return Ok(at(&absolute).into_iter().collect()),
    };
    let Ok(directory) = at(if directory.is_empty() { "/" } else { directory }) else {
        return Ok(Vec::new());
    };
    let real = tree.resolve(&directory, Last::Follow)?;
    let fits = |path: &EntryPath| {
        let name = path.file_name().unwrap_or_default();
        name.starts_with(start.as_bytes())
            && name.ends_with(end.as_bytes())
            && name.len() >= start.len() + end.len()
            && !name.starts_with(b".")
    };
    Ok(tree
        .children(&real)
        .map(|(path, _)| path.clone())
        .filter(fits)
        .collect())
}

const CONFIGURATION_BYTES_MAX: u64 = 1 << 20;
