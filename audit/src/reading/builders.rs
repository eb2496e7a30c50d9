//! Steps of Cloud Build in JSON and HCL: what their images run.

use std::collections::HashSet;

use super::outline::{Outline, joined};
use super::{Command, Document, Piece, Role, Step};
use crate::mapped::Mapped;

/// Adds the command of each step whose image is a tool: `gcr.io/cloud-builders/gcloud` with `args`.
pub(super) fn add_commands(document: &mut Document) {
    // Most files have none, and need no outline.
    if !document.pieces.iter().any(|piece| image(piece).is_some()) {
        return;
    }
    let outline = Outline::of_document(document);
    let mut done: HashSet<&[Step]> = HashSet::new();
    let mut commands = Vec::new();
    for piece in &document.pieces {
        if let Some((step, program)) = image(piece)
            && done.insert(step)
        {
            commands.extend(command(document, &outline, step, program));
        }
    }
    document.commands.extend(commands);
}

/// The step that a piece is the image of, and the program that it runs, which is empty when it has every one.
fn image(piece: &Piece) -> Option<(&[Step], Mapped)> {
    let (Step::Key(key), step) = piece.path.split_last()? else {
        return None;
    };
    let is_image = matches!(key.as_str(), "name" | "image") && piece.role == Role::Value;
    let (start, end) = tool(piece.text.text()).filter(|_| is_image)?;
    Some((step, piece.text.part(start..end)))
}

/// The program that an image runs, and where its name stands in the image's.
fn tool(image: &str) -> Option<(usize, usize)> {
    let path = image.split(['@']).next()?;
    let is_builder = path.contains("/cloud-builders/");
    let is_sdk = path.contains("cloudsdktool/") || path.contains("google/cloud-sdk");
    let start = path.rfind('/')? + 1;
    let name = path.get(start..)?.split(':').next()?;
    match (is_builder, is_sdk) {
        (true, _) => Some((start, start + name.len())),
        // These have every program, and no entry point.
        (_, true) => Some((start, start)),
        _ => None,
    }
}

fn command(document: &Document, outline: &Outline<'_>, step: &[Step], program: Mapped) -> Option<Command> {
    let text = |index: usize| document.pieces.get(index).map(|piece| piece.text.clone());
    let entrypoint = outline.key(step, "entrypoint").and_then(text);
    let program = entrypoint.or((!program.is_empty()).then_some(program));
    let list = joined(step, "args");
    let arguments = outline
        .below(&list)
        .filter_map(|index| document.pieces.get(index));
    let arguments = arguments.filter(|piece| {
        let own = piece.path.strip_prefix(list.as_slice());
        piece.role == Role::Value && matches!(own, Some([Step::Item(_)]))
    });
    let words: Vec<Mapped> = program
        .into_iter()
        .chain(arguments.map(|piece| piece.text.clone()))
        .collect();
    (words.len() > 1).then_some(Command {
        words,
        input: Vec::new(),
        role: Role::Value,
    })
}

#[cfg(test)]
mod tests {
    use crate::kind::Kind;
    use crate::reading;

    #[test]
    fn steps_run_what_their_images_are() {
        let keys: String = (0..99).map(|key| format!("\"k{key}\": \"v\", ")).collect();
        let long = format!(
            r#"{{{keys} "name": "gcr.io/cloud-builders/gcloud", "args": ["auth", "configure-docker"]}}"#
        );
        for (kind, text, wanted) in [
            (
                Kind::Json,
                long.as_str(),
                vec!["gcloud", "auth", "configure-docker"],
            ),
            (
                Kind::Json,
                r#"{"steps": [{"name": "gcr.io/cloud-builders/gcloud:1", "args": ["auth", "configure-docker"]}]}"#,
                vec!["gcloud", "auth", "configure-docker"],
            ),
            (
                Kind::Hcl,
                "step {\n args = [\"push\", \"x\"]\n name = \"gcr.io/cloud-builders/docker\"\n}\n",
                vec!["docker", "push", "x"],
            ),
            (
                Kind::Json,
                r#"{"name": "gcr.io/google.com/cloudsdktool/cloud-sdk", "entrypoint": "gcloud", "args": ["docker"]}"#,
                vec!["gcloud", "docker"],
            ),
        ] {
            let document = reading::read(kind, text);
            let words: Vec<Vec<&str>> = document
                .commands
                .iter()
                .map(|command| command.texts().collect())
                .collect();
            assert_eq!(words, [wanted], "{text}");
        }
    }
}
