//! Commands that name the old registry's buckets.

use super::{Look, bucket};
use crate::kind::Kind;
use crate::mapped::Mapped;
use crate::reading::Command;

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    for command in document.commands.iter().filter(|command| gives_access(command)) {
        for word in &command.words {
            bucket::spot(look, word, true, command.role);
        }
    }
    for command in document.commands.iter().filter(|command| is_storage(command)) {
        for word in &command.words {
            bucket::spot(look, word, false, command.role);
        }
    }
    if matches!(
        look.kind,
        Kind::Shell | Kind::Make | Kind::PowerShell | Kind::Batch | Kind::Dockerfile
    ) {
        for piece in &document.pieces {
            bucket::spot(look, &piece.text, false, piece.role);
        }
    }
}

fn program(command: &Command) -> &str {
    let first = command.words.first().map_or("", Mapped::text);
    first.rsplit(['/', '\\']).next().unwrap_or(first)
}

fn is_storage(command: &Command) -> bool {
    match program(command) {
        "gsutil" | "gsutil.cmd" | "rclone" | "gcsfuse" | "bq" => true,
        "gcloud" | "gcloud.cmd" => command.texts().any(|word| matches!(word, "storage" | "asset")),
        _ => command.texts().any(|word| word == "gsutil"),
    }
}

/// Whether a command is about who may do what with a bucket.
fn gives_access(command: &Command) -> bool {
    let gsutil = command
        .texts()
        .any(|word| matches!(word, "gsutil" | "gsutil.cmd"))
        && command.texts().any(|word| {
            matches!(
                word,
                "iam" | "acl" | "defacl" | "bucketpolicyonly" | "ubla" | "uniformbucketlevelaccess"
            )
        });
    let gcloud = program(command).starts_with("gcloud")
        && command.texts().any(|word| {
            word.contains("iam-policy")
                || word == "--uniform-bucket-level-access"
                || word.contains("acl-grant")
                || word.starts_with("--predefined-acl")
        });
    gsutil || gcloud
}

#[cfg(test)]
mod tests {
    use crate::{Auditor, Settings};

    #[test]
    fn commands_that_name_buckets_are_found() {
        for (script, wanted) in [
            (
                "gsutil iam ch x:objectViewer gs://artifacts.p.appspot.com",
                vec!["bucket-access"],
            ),
            ("gsutil ls gs://eu.artifacts.p.appspot.com/", vec!["bucket-name"]),
            ("gsutil ls gs://artifacts.p.appspot.com.example.org/", vec![]),
        ] {
            let found = Auditor::new(Settings::default()).file("a.sh", script.as_bytes());
            let rules: Vec<&str> = found.findings.iter().map(|found| found.rule.id).collect();
            assert_eq!(rules, wanted, "{script}");
        }
    }
}
