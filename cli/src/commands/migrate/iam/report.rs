//! What `lightship migrate iam` tells.

use migrate::iam::{Access, Difference, Grant, Held, Listed, ListedKind, Refusal, Refusals};
use serde_json::{Value, json};

use crate::administration::table;

/// What was found, and how it differs from a registry.
pub(super) struct Shown<'s> {
    found: &'s [Access],
    differences: Option<&'s [Difference]>,
    is_applied: bool,
}

impl<'s> Shown<'s> {
    pub(super) fn alone(found: &'s [Access]) -> Shown<'s> {
        Shown {
            found,
            differences: None,
            is_applied: false,
        }
    }

    pub(super) fn compared(
        found: &'s [Access],
        differences: &'s [Difference],
        is_applied: bool,
    ) -> Shown<'s> {
        Shown {
            found,
            differences: Some(differences),
            is_applied,
        }
    }

    fn with_difference(&self) -> impl Iterator<Item = (&'s Access, Option<&'s Difference>)> {
        let differences = self.differences;
        let of = move |position: usize| differences.and_then(|all| all.get(position));
        self.found
            .iter()
            .enumerate()
            .map(move |(position, access)| (access, of(position)))
    }

    pub(super) fn document(&self) -> Value {
        let repositories = self.with_difference().map(|(access, difference)| {
            let mut document = json!({
                "repository": access.repository.to_string(),
                "sources": access.sources,
                "grants": access.grants.iter().map(grant).collect::<Vec<_>>(),
                "listed": access.listed.iter().map(listed).collect::<Vec<_>>(),
            });
            if let Some(difference) = difference {
                document["add"] = difference.add.iter().map(grant).collect();
                document["held"] = difference.held.iter().map(held).collect();
                document["more"] = difference.more.iter().map(held).collect();
            }
            document
        });
        json!({"repositories": repositories.collect::<Vec<_>>(), "applied": self.is_applied})
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (access, difference) in self.with_difference() {
            if !text.is_empty() {
                text.push('\n');
            }
            let heading = format!("{}, from {}", access.repository, access.sources.join(", "));
            text.push_str(&line(&heading));
            text.push_str(&self.grants(access, difference));
            for listed in &access.listed {
                text.push_str(&line(&sentence(listed)));
            }
            for held in difference.into_iter().flat_map(|difference| &difference.more) {
                text.push_str(&line(&format!(
                    "more here: {} has {} on {}, which the old side did not give",
                    held.member, held.role, held.resource
                )));
            }
        }
        text
    }

    fn grants(&self, access: &Access, difference: Option<&Difference>) -> String {
        if access.grants.is_empty() {
            return "nobody gets anything\n".to_owned();
        }
        let state = |grant: &Grant| {
            let Some(difference) = difference else {
                return String::new();
            };
            let held = difference.held.iter().find(|held| held.member == grant.member);
            match (held, self.is_applied) {
                (Some(held), _) => format!("has {} on {}", held.role.short_name(), held.resource),
                (None, true) => "given".to_owned(),
                (None, false) => "to give".to_owned(),
            }
        };
        let row = |grant: &Grant| {
            let mut row = vec![grant.member.to_string(), grant.role.short_name().to_owned()];
            row.extend(difference.map(|_| state(grant)));
            row.push(grant.because.join("; "));
            row
        };
        let rows: Vec<Vec<String>> = access.grants.iter().map(row).collect();
        match difference {
            Some(_) => table(&["PRINCIPAL", "ROLE", "STATE", "BECAUSE OF"], &rows),
            None => table(&["PRINCIPAL", "ROLE", "BECAUSE OF"], &rows),
        }
    }
}

/// One line, whatever the names in it are: they come from files that others may have written.
fn line(text: &str) -> String {
    format!("{}\n", inspect::visible(text))
}

fn sentence(listed: &Listed) -> String {
    let Listed { subject, why, .. } = listed;
    let powers = listed.powers.names().join(", ");
    match listed.kind {
        ListedKind::Lost => format!("loses: {subject} cannot {powers} any more: {why}"),
        ListedKind::Gained => format!("gains: {subject} can {powers}, and could not: {why}"),
        ListedKind::Dropped => format!("dropped: {subject}: {why}"),
        ListedKind::Unresolved => format!("loses: {subject} cannot {powers} any more: {why}"),
        ListedKind::Group => format!("group: {subject}: {why}"),
        ListedKind::NotInherited => format!("not carried: {subject}: {why}"),
        ListedKind::Unexamined => format!("not looked into: {subject}: {why}"),
    }
}

fn grant(grant: &Grant) -> Value {
    json!({"member": grant.member.to_string(), "role": grant.role.to_string(), "because": grant.because})
}

fn held(held: &Held) -> Value {
    json!({"member": held.member.to_string(), "role": held.role.to_string(), "resource": held.resource})
}

fn listed(listed: &Listed) -> Value {
    json!({
        "kind": listed.kind.as_str(),
        "subject": listed.subject,
        "powers": listed.powers.names(),
        "why": listed.why,
    })
}

/// What helps with what was refused, each thing once.
pub(super) fn hints(refusals: &Refusals) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for refusal in &refusals.0 {
        let hint = match refusal {
            Refusal::Document { .. } => "have it written with --format json",
            Refusal::Condition { .. } | Refusal::Deny { .. } => {
                "take it out of the file when it is to be left out: then it is you who decided that"
            }
            Refusal::CustomRole { .. } | Refusal::UnknownRole { .. } | Refusal::RoleFile { .. } => {
                "`gcloud iam roles describe ROLE --format json` writes its definition; name the file with --role FILE"
            }
            Refusal::Convenience { .. } => {
                "name the project's policy with --project-policy [PROJECT=]FILE, or say --drop-convenience-members"
            }
            Refusal::Place { .. } => "say --policy BUCKET=FILE, or --repository REPOSITORY",
            Refusal::Project { .. } => "say --project-policy PROJECT=FILE",
            Refusal::Twice { .. } => "carry them over one after the other, and read what the second adds",
            Refusal::Members { .. } => "put members into groups",
        };
        if !hints.iter().any(|other| other == hint) {
            hints.push(hint.to_owned());
        }
    }
    hints
}
