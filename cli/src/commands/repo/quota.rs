//! What projects hold, and how much they may.

use serde_json::{Value, json};
use transport::Method;

use super::COMMAND;
use crate::administration::{Administered, encoded, last, number, table, text};
use crate::arguments::Format;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) async fn run(
    server: &Administered,
    project: Option<&str>,
    set: Option<u64>,
    format: Format,
) -> Result<Outcome, Failure> {
    let Some(project) = project else {
        let projects = server
            .list("list the projects", "/lightship/v1/projects", "projects")
            .await?;
        return shown(&projects, json!({"projects": projects}), format);
    };
    let path = format!("/lightship/v1/projects/{}", encoded(project));
    let found = match set {
        None => server.get(&format!("show the project {project}"), &path).await?,
        Some(bytes) => {
            let quota = (bytes > 0).then(|| bytes.to_string());
            let body = json!({"quotaBytes": quota});
            let attempted = format!("set the quota of the project {project}");
            let query = [("updateMask", "quotaBytes")];
            server
                .ask(Method::Patch, (&attempted, &path), &query, Some(&body))
                .await?
        }
    };
    shown(std::slice::from_ref(&found), json!({"project": found}), format)
}

fn shown(projects: &[Value], content: Value, format: Format) -> Result<Outcome, Failure> {
    output::report(COMMAND, format, &content, || {
        let rows: Vec<Vec<String>> = projects.iter().map(row).collect();
        table(&["PROJECT", "SIZE", "QUOTA", "USED"], &rows)
    })
}

fn row(project: &Value) -> Vec<String> {
    let held = number(project, "sizeBytes");
    let quota = text(project, "quotaBytes").parse::<u64>().ok();
    vec![
        last(text(project, "name")).to_owned(),
        output::bytes(held),
        quota.map(output::bytes).unwrap_or_default(),
        quota.map(|quota| used(held, quota)).unwrap_or_default(),
    ]
}

/// In percent, which is more than a hundred where the quota was set below what is there.
fn used(held: u64, quota: u64) -> String {
    match u128::from(quota) {
        0 => String::new(),
        quota => format!("{} %", u128::from(held) * 100 / quota),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_told_of_projects_with_a_quota() {
        let project = |quota: Value| json!({"name": "projects/p", "sizeBytes": "1500", "quotaBytes": quota});
        assert_eq!(row(&project("1000".into())), ["p", "1.5 kB", "1.0 kB", "150 %"]);
        assert_eq!(row(&project(Value::Null)), ["p", "1.5 kB", "", ""]);
    }
}
