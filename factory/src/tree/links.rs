//! Where the paths of packages really lie when other packages have links in their way.

use std::collections::HashMap;

use archive::EntryPath;

use super::TreeError;

/// How many symbolic links one path may lead through, as on Linux.
pub(super) const LINKS_FOLLOWED_MAX: u32 = 40;

/// A link: its path as a package has it, and its target as written.
pub(super) type WrittenLink = (EntryPath, Box<[u8]>);

/// Symbolic links that are known before the tree is laid out: those of usr-merge and of every package.
#[derive(Debug, Default)]
pub(super) struct Links {
    targets: HashMap<EntryPath, Box<[u8]>>,
    /// Directories that were already followed.
    known: HashMap<EntryPath, EntryPath>,
}

impl Links {
    /// The links of `written`, which gives paths as packages have them and targets as they say.
    ///
    /// A link may itself lie behind another link, so the paths are settled in rounds.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub(super) fn new(written: &[WrittenLink]) -> Result<Self, TreeError> {
        let mut links = Self::default();
        for _ in 0..SETTLING_ROUNDS_MAX {
            let mut next = HashMap::with_capacity(written.len());
            for (path, target) in written {
                let path = links.place_of(path)?;
                // The first one stays: usr-merge comes before packages.
                next.entry(path).or_insert_with(|| target.clone());
            }
            links.known.clear();
            if next == links.targets {
                break;
            }
            links.targets = next;
        }
        Ok(links)
    }

    /// Whether a link is at this real path.
    pub(super) fn contains(&self, path: &EntryPath) -> bool {
        self.targets.contains_key(path)
    }

    /// The real path of something whose directory part may lead through links; the last component is
    /// not followed.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub(super) fn place_of(&mut self, path: &EntryPath) -> Result<EntryPath, TreeError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(self.follow(&parent, 0)?.join(name)?),
            _ => Ok(EntryPath::root()),
        }
    }

    /// The real path of a directory; links in all of its components are followed.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub(super) fn directory(&mut self, path: &EntryPath) -> Result<EntryPath, TreeError> {
        self.follow(path, 0)
    }

    fn follow(&mut self, path: &EntryPath, depth: u32) -> Result<EntryPath, TreeError> {
        if path.is_root() {
            return Ok(EntryPath::root());
        }
        if let Some(real) = self.known.get(path) {
            return Ok(real.clone());
        }
        let (parent, name) = (
            path.parent().unwrap_or_else(EntryPath::root),
            path.file_name().unwrap_or_default(),
        );
        let parent = self.follow(&parent, depth)?;
        let mut real = parent.join(name)?;
        if let Some(target) = self.targets.get(&real) {
            if depth >= LINKS_FOLLOWED_MAX {
                return Err(TreeError::LinkLoop { path: path.clone() });
            }
            let target = join_target(&parent, target)?;
            real = self.follow(&target, depth + 1)?;
        }
        self.known.insert(path.clone(), real.clone());
        Ok(real)
    }
}

/// The path that a link in `directory` with this `target` names. `..` above the root stays at the root,
/// as in a running system.
///
/// `..` is taken literally: it is right when the target's directories are not links themselves, which
/// holds for links of packages (Debian policy 10.5 keeps them within a top-level directory).
pub(super) fn join_target(directory: &EntryPath, target: &[u8]) -> Result<EntryPath, TreeError> {
    let mut path = if target.first() == Some(&b'/') {
        EntryPath::root()
    } else {
        directory.clone()
    };
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => path = path.parent().unwrap_or_else(EntryPath::root),
            name => path = path.join(name)?,
        }
    }
    Ok(path)
}

const SETTLING_ROUNDS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse_absolute(text.as_bytes()).unwrap()
    }

    fn links(written: &[(&str, &str)]) -> Links {
        let written: Vec<_> = written
            .iter()
            .map(|(at, target)| (path(at), target.as_bytes().into()))
            .collect();
        Links::new(&written).unwrap()
    }

    #[test]
    fn what_lies_behind_a_link_is_placed_where_the_link_points() {
        let mut links = links(&[("/lib", "usr/lib"), ("/usr/lib/x", "/opt/x")]);
        assert_eq!(
            links.place_of(&path("/lib/libc.so.6")).unwrap(),
            path("/usr/lib/libc.so.6")
        );
        assert_eq!(links.place_of(&path("/lib/x/y")).unwrap(), path("/opt/x/y"));
        assert_eq!(links.place_of(&path("/lib")).unwrap(), path("/lib"));
        assert_eq!(links.place_of(&path("/library/a")).unwrap(), path("/library/a"));
    }

    #[test]
    fn a_link_behind_a_link_is_known_by_its_real_path() {
        let mut links = links(&[("/lib/x", "../opt"), ("/lib", "usr/lib")]);
        assert!(links.contains(&path("/usr/lib/x")));
        assert_eq!(links.directory(&path("/lib/x")).unwrap(), path("/usr/opt"));
    }

    #[test]
    fn links_in_a_circle_are_refused() {
        let written = vec![
            (path("/a"), b"b".as_slice().into()),
            (path("/b"), b"a".as_slice().into()),
        ];
        let mut links = Links::new(&written).unwrap();
        assert!(matches!(
            links.place_of(&path("/a/x")),
            Err(TreeError::LinkLoop { .. })
        ));
    }

    #[test]
    fn parents_of_the_root_are_the_root() {
        assert_eq!(
            join_target(&path("/usr/lib"), b"../../../../etc/./x").unwrap(),
            path("/etc/x")
        );
    }
}
