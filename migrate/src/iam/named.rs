//! Members as Google's policies name them.

use access::Member;

use super::roles::Basic;

/// What a member's text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// One that policies of ours can name.
    Member(Member),
    /// An account that is gone.
    Deleted,
    /// `projectViewer:P` and its like: whoever has that role in the project.
    Convenience(Basic, String),
    /// One that policies of ours cannot name.
    Unresolved,
}

impl Named {
    pub(super) fn read(text: &str) -> Named {
        if text.starts_with("deleted:") {
            return Named::Deleted;
        }
        let convenience = CONVENIENCE.iter().find_map(|(prefix, basic)| {
            let project = text.strip_prefix(prefix).filter(|project| !project.is_empty())?;
            Some(Named::Convenience(*basic, project.to_owned()))
        });
        convenience.unwrap_or_else(|| text.parse().map_or(Named::Unresolved, Named::Member))
    }
}

const CONVENIENCE: [(&str, Basic); 3] = [
    ("projectViewer:", Basic::Viewer),
    ("projectEditor:", Basic::Editor),
    ("projectOwner:", Basic::Owner),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_google_are_told_apart() {
        for (text, expected) in [
            ("deleted:user:a@example.com?uid=1", Named::Deleted),
            (
                "deleted:serviceAccount:a@p.iam.gserviceaccount.com?uid=1",
                Named::Deleted,
            ),
            (
                "projectOwner:shop",
                Named::Convenience(Basic::Owner, "shop".to_owned()),
            ),
            ("projectViewer:", Named::Unresolved),
            ("domain:example.com", Named::Unresolved),
            ("allUsers", Named::Member(Member::AllUsers)),
            (
                "group:x@example.com",
                Named::Member(Member::Group("x@example.com".to_owned())),
            ),
        ] {
            assert_eq!(Named::read(text), expected, "{text}");
        }
    }
}
