//! A transition as people read it.

use serde_json::Value;

use crate::administration::{table, text};

/// Debts and deletions that are listed before the rest is counted.
const LISTED: usize = 10;

pub(super) fn transition(found: &Value) -> String {
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let mut told = format!("{}\n", text(found, "repository"));
    let state = text(found, "state");
    let reads = number("/readsPercent");
    told.push_str(&match state {
        "partial-and-copying" => format!("state     {state}: this side answers {reads} % of the reads\n"),
        _ => format!("state     {state}\n"),
    });
    told.push_str(&format!("old side  {}\n", text(found, "old")));
    told.push_str(&format!("pushes    to {}\n", sides(text(found, "pushesGoTo"))));
    if let Some(limit) = found.get("errorLimitPercent").and_then(Value::as_u64) {
        told.push_str(&format!(
            "limit     steps back when more than {limit} % of this side's answers fail\n"
        ));
    }
    told.push_str(&format!("since     {}\n", text(found, "since")));
    if found.get("sides").is_some() {
        told.push('\n');
        let rows = [row(found, "here", "this"), row(found, "old", "old")];
        told.push_str(&table(
            &[
                "SIDE",
                "REQUESTS",
                "GOOD",
                "ABSENT",
                "DENIED",
                "LIMITED",
                "FAILED",
                "MEAN",
                "95 % WITHIN",
            ],
            &rows,
        ));
        let denied = number("/sides/deniedHereAnsweredThere");
        if denied > 0 {
            told.push_str(&format!(
                "\n{denied} requests were denied here and answered by the old side: somebody lacks a role here\n"
            ));
        }
    }
    listed(&mut told, found, "owedToOld", "the old side lacks");
    listed(
        &mut told,
        found,
        "deletedHere",
        "deleted here, and not fetched again",
    );
    rollback(&mut told, found);
    told
}

fn sides(name: &str) -> &str {
    match name {
        "here" => "this side",
        "old" => "the old side",
        "both" => "both sides",
        other => other,
    }
}

fn row(found: &Value, side: &str, name: &str) -> Vec<String> {
    let side = found.pointer(&format!("/sides/{side}")).unwrap_or(&Value::Null);
    let number = |pointer: &str| side.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let requests = number("/requests");
    let mut cells = vec![name.to_owned(), requests.to_string()];
    for class in ["good", "absent", "denied", "limited", "failed"] {
        cells.push(number(&format!("/answers/{class}")).to_string());
    }
    cells.push(match requests {
        0 => String::new(),
        _ => format!("{:.1} ms", number("/meanMicroseconds") as f64 / 1000.0),
    });
    cells.push(within(side, requests));
    cells
}

/// The bound within which 95 of a hundred answers came.
fn within(side: &Value, requests: u64) -> String {
    let Some(latencies) = side
        .get("latencies")
        .and_then(Value::as_array)
        .filter(|_| requests > 0)
    else {
        return String::new();
    };
    let mut seen = 0;
    for step in latencies {
        seen += step.get("requests").and_then(Value::as_u64).unwrap_or_default();
        if seen * 100 >= requests * 95 {
            return match step.get("upToMilliseconds").and_then(Value::as_u64) {
                Some(bound) => format!("{bound} ms"),
                None => "longer".to_owned(),
            };
        }
    }
    String::new()
}

fn listed(told: &mut String, found: &Value, field: &str, title: &str) {
    let Some(list) = found
        .get(field)
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
    else {
        return;
    };
    told.push_str(&format!("\n{title}:\n"));
    for entry in list.iter().take(LISTED).filter_map(Value::as_str) {
        told.push_str(&format!("  {entry}\n"));
    }
    if list.len() > LISTED {
        told.push_str(&format!("  and {} more\n", list.len() - LISTED));
    }
}

fn rollback(told: &mut String, found: &Value) {
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    match found.pointer("/rollback/state").and_then(Value::as_str) {
        Some("RUNNING") => told.push_str("\na rollback is running\n"),
        Some("DONE") if found.pointer("/rollback/report/lookedAt").is_some() => {
            let (looked, copied) = (
                number("/rollback/report/lookedAt"),
                number("/rollback/report/imagesCopied"),
            );
            told.push_str(&format!(
                "\nlast rollback: {looked} images looked at, {copied} copied to the old side\n"
            ));
            let gone = found.pointer("/rollback/report").cloned().unwrap_or_default();
            listed(
                told,
                &gone,
                "deletedHere",
                "deleted on this side, and there again",
            );
        }
        Some("FAILED") => {
            let reason = found
                .pointer("/rollback/error")
                .and_then(Value::as_str)
                .unwrap_or_default();
            told.push_str(&format!("\nthe last rollback failed: {reason}\n"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transition_reads_well() {
        let side = json!({
            "requests": 40, "meanMicroseconds": 1250,
            "answers": {"good": 39, "absent": 1, "denied": 0, "limited": 0, "failed": 0},
            "latencies": [{"upToMilliseconds": 1, "requests": 37}, {"upToMilliseconds": 5, "requests": 3}],
        });
        let found = json!({
            "repository": "projects/p/locations/l/repositories/r", "old": "old.example/team",
            "state": "partial-and-copying", "readsPercent": 10, "pushesGoTo": "old", "errorLimitPercent": 2,
            "since": "2026-11-26T10:00:00Z",
            "sides": {"here": side, "old": {"requests": 0}, "deniedHereAnsweredThere": 3},
            "owedToOld": ["app v1"], "deletedHere": [], "rollback": null,
        });
        insta::assert_snapshot!(transition(&found), @r"
        projects/p/locations/l/repositories/r
        state     partial-and-copying: this side answers 10 % of the reads
        old side  old.example/team
        pushes    to the old side
        limit     steps back when more than 2 % of this side's answers fail
        since     2026-11-26T10:00:00Z

        SIDE  REQUESTS  GOOD  ABSENT  DENIED  LIMITED  FAILED  MEAN    95 % WITHIN
        this  40        39    1       0       0        0       1.2 ms  5 ms
        old   0         0     0       0       0        0

        3 requests were denied here and answered by the old side: somebody lacks a role here

        the old side lacks:
          app v1
        ");
    }
}
