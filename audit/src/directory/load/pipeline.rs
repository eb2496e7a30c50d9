//! What GitLab's pipeline includes from its repository.

use globset::{GlobBuilder, GlobMatcher};

use super::{FILES_MAX, Loader, short};
use crate::directory::convention::{self, below};
use crate::directory::dollar::Notation;
use crate::directory::group::{Layer, Order};
use crate::kind::Kind;
use crate::reading::{self, Piece, Role, Step};

/// Patterns of one pipeline that are read.
const PATTERNS_MAX: usize = 64;

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256;

impl Loader<'_> {
    pub(super) fn pipeline(&mut self, root: &str) {
        let mut names = vec![convention::PIPELINE.to_owned()];
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            if !self.is_told(root, &name) {
                self.group.uses.is_whole = false;
                continue;
            }
            let Some(text) = self.text(&below(root, &name), Layer::Base, None) else {
                continue;
            };
            let document = reading::read(Kind::Yaml, &text);
            for included in document.pieces.iter().filter_map(included_locally) {
                for included in self.included(root, included) {
                    if names.len() < FILES_MAX && !names.contains(&included) {
                        names.push(included);
                    }
                }
            }
            // A job may have a value of its own for a name, and so may a rule.
            for binding in document
                .bindings
                .iter()
                .filter(|binding| !binding.name.contains('.'))
            {
                let parts = short(binding.value.text(), Notation::Compose);
                self.group.bind(Layer::Base, &binding.name, parts, Order::Unknown);
            }
            self.lines(&text, Notation::Compose);
        }
    }

    /// The files that a pipeline includes by a path, or by a pattern: `a/*.yml`, `a/**.yml`.
    fn included(&mut self, root: &str, included: &str) -> Vec<String> {
        let Some(star) = included.find('*') else {
            return vec![included.to_owned()];
        };
        if self.patterns.contains(included) {
            return Vec::new();
        }
        let (top, pattern) = match included.get(..star).and_then(|before| before.rsplit_once('/')) {
            Some((top, _)) => (top, included.get(top.len() + 1..).unwrap_or_default()),
            None => ("", included),
        };
        let glob = (self.patterns.len() < PATTERNS_MAX && included.len() <= PATTERN_BYTES_MAX)
            .then(|| matcher(pattern))
            .flatten();
        self.patterns.insert(included.to_owned());
        let Some(glob) = glob else {
            self.group.uses.is_whole = false;
            return Vec::new();
        };
        let depth_max = match pattern.contains("**") {
            true => usize::MAX,
            false => pattern.matches('/').count(),
        };
        let mut found = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let at = [root, top, &folder]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("/");
            let mut left = self.compared_left;
            for entry in self.told(&at) {
                left = left.saturating_sub(1);
                let path = below(&folder, &entry.name);
                if left == 0 {
                    folders.clear();
                    break;
                }
                if entry.is_folder {
                    folders.extend((depth < depth_max).then_some((path, depth + 1)));
                } else if glob.is_match(&path) {
                    found.push(below(top, &path));
                }
            }
            self.compared_left = left;
            self.group.uses.is_whole &= left > 0;
        }
        found
    }
}

/// The file of the repository, or the pattern of files, that a pipeline includes by a value: `include: /a.yml`,
/// `include: [{local: a.yml}]`.
fn included_locally(piece: &Piece) -> Option<&str> {
    let path = match &*piece.path {
        [Step::Item(_), rest @ ..] => rest,
        path => path,
    };
    let is_included = match path {
        [Step::Key(include)] | [Step::Key(include), Step::Item(_)] => include == "include",
        [Step::Key(include), Step::Key(local)] | [Step::Key(include), Step::Item(_), Step::Key(local)] => {
            include == "include" && local == "local"
        }
        _ => false,
    };
    let file = piece.text.text().trim().trim_start_matches('/');
    let is_file = !file.is_empty() && !file.contains([':', '$']) && !file.split('/').any(|part| part == "..");
    (piece.role == Role::Value && is_included && is_file).then_some(file)
}

/// A pattern of GitLab's: one star is any part of a name, two are any part of a path; all else is itself.
fn matcher(pattern: &str) -> Option<GlobMatcher> {
    let parts: Vec<String> = pattern.split('*').map(globset::escape).collect();
    // Where two stars are no whole part of the path, they are so with a star behind them.
    let pattern = parts
        .join("*")
        .replace("**/", "\0")
        .replace("**", "**/*")
        .replace('\0', "**/");
    let glob = GlobBuilder::new(&pattern).literal_separator(true).build().ok()?;
    Some(glob.compile_matcher())
}
