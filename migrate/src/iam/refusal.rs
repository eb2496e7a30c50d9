//! Why policies cannot be carried over, by name.

use std::error::Error;
use std::fmt;

/// One thing that cannot be carried and must not be left out in silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The document is none of the kinds that are read.
    #[error("{file}: this is no policy as Google's tools write it in JSON")]
    Document {
        /// The file.
        file: String,
    },
    /// A binding holds under a condition.
    #[error(
        "{file}: a binding of {role} holds only under a condition ({condition}); policies here have none, so it would give \
         more than it says"
    )]
    Condition {
        /// The file.
        file: String,
        /// The role.
        role: String,
        /// The title of the condition, or what it says.
        condition: String,
    },
    /// A rule takes away what bindings give.
    #[error(
        "{file}: the deny policy {policy} takes {} from {}; policies here only give, so it would be lost",
        listed(.permissions),
        listed(.principals)
    )]
    Deny {
        /// The file.
        file: String,
        /// The deny policy.
        policy: String,
        /// What is denied.
        permissions: Vec<String>,
        /// To whom.
        principals: Vec<String>,
    },
    /// The definition of a role cannot be read.
    #[error("{file}: this is no role as `gcloud iam roles describe ROLE --format json` writes it")]
    RoleFile {
        /// The file.
        file: String,
    },
    /// A role that somebody made, and of which nothing is known.
    #[error("{file}: {role} is a role of your own: its definition says what it gives")]
    CustomRole {
        /// The file.
        file: String,
        /// The role.
        role: String,
    },
    /// A role about objects or images that is not known.
    #[error("{file}: {role} is not known here: its definition says what it gives")]
    UnknownRole {
        /// The file.
        file: String,
        /// The role.
        role: String,
    },
    /// Members of a project are meant, and its policy is not there.
    #[error(
        "{file}: {role} is given to {member}, and nobody says who that is: the policy of the project is not there"
    )]
    Convenience {
        /// The file.
        file: String,
        /// The member.
        member: String,
        /// The role.
        role: String,
    },
    /// It is not known what the policy is of.
    #[error("{file}: it is not said which bucket or repository this is the policy of")]
    Place {
        /// The file.
        file: String,
    },
    /// It is not known which project the policy is of.
    #[error("{file}: it is not said which project this is the policy of")]
    Project {
        /// The file.
        file: String,
    },
    /// Two policies are for one repository; whoever reads one bucket would read the other's images.
    #[error("{file}: {repository} has a policy already")]
    Twice {
        /// The file.
        file: String,
        /// The repository.
        repository: String,
    },
    /// There are more members than a policy of ours has.
    #[error("{repository} would have {members} members, more than the {most} that a policy here has")]
    Members {
        /// The repository.
        repository: String,
        /// How many there are.
        members: usize,
        /// The most.
        most: usize,
    },
}

/// Everything that is refused, so that it is seen at once. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, refusal) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let before = if position == 0 { "" } else { "\n" };
            write!(formatter, "{before}{}", in_one_line(&refusal.to_string()))?;
        }
        match self.0.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(formatter, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

impl Error for Refusals {}

/// A text whose names come from files that others may have written: each refusal stays one line, and moves no cursor.
fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

/// Most that are told at once.
const SHOWN_MAX: usize = 50;

fn listed(texts: &[String]) -> String {
    const LISTED_MAX: usize = 5;
    let shown: Vec<&str> = texts.iter().take(LISTED_MAX).map(String::as_str).collect();
    match (texts.len(), texts.len().saturating_sub(LISTED_MAX)) {
        (0, _) => "something that cannot be read".to_owned(),
        (_, 0) => shown.join(", "),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
