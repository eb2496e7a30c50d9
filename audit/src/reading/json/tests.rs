use proptest::prelude::*;

use super::*;

fn seen(text: &str) -> Vec<String> {
    let document = crate::reading::read(crate::Kind::Json, text);
    document
        .pieces
        .iter()
        .filter(|piece| piece.text.text().contains(".io"))
        .map(|piece| format!("{:?} {}", piece.role, piece.text.text()))
        .collect()
}

#[test]
fn values_keys_comments_and_sentences_are_told_apart() {
    for (text, wanted) in [
        (r#"{"image": "gcr.io/p/x"}"#, vec!["Value gcr.io/p/x"]),
        (r#"{"credHelpers": {"gcr.io": "gcloud"}}"#, vec!["Key gcr.io"]),
        (
            "{\n// gcr.io/p\n'a': 'gcr.io/q',}",
            vec!["Comment // gcr.io/p", "Value gcr.io/q"],
        ),
        (r#"{"description": "gcr.io/p/x"}"#, vec!["Prose gcr.io/p/x"]),
        (
            r#"{"a": "images of gcr.io are gone"}"#,
            vec!["Prose images of gcr.io are gone"],
        ),
        (r#"{"a": "{\"image\": \"gcr.io/p\"}"}"#, vec!["Value gcr.io/p"]),
        (
            "{\"a\": \"gcr.io/p\n \"b\": \"gcr.io/q\"",
            vec!["Value gcr.io/p", "Value gcr.io/q"],
        ),
        (
            "local i = 'gcr.io/p';\n{ image: i + ':1' }",
            vec!["Value gcr.io/p"],
        ),
        (r#"{"_comment": "gcr.io/p"}"#, vec!["Comment gcr.io/p"]),
        (
            r#"{"scripts": {"image": "echo gcr.io/`a b`/$(c d)/x"}}"#,
            vec!["Value echo gcr.io/`a b`/$(c d)/x"],
        ),
        (
            r#"{"scripts": {"a": "echo pushing gcr.io/p"}}"#,
            vec!["Prose gcr.io/p"],
        ),
        (
            r#"{"scripts": {"a": "echo gcr.io/p; ls"}}"#,
            vec!["Prose gcr.io/p"],
        ),
    ] {
        assert_eq!(seen(text), wanted, "{text}");
    }
}

#[test]
fn lists_that_begin_with_a_program_are_commands() {
    let document = read(r#"{"command": ["docker", "login", "gcr.io"]}"#);
    let words: Vec<_> = document
        .commands
        .iter()
        .map(|command| command.texts().collect::<Vec<_>>())
        .collect();
    assert_eq!(words.last().unwrap(), &["docker", "login", "gcr.io"]);
}

#[test]
fn cells_of_notebooks_are_code_or_prose() {
    let text = r##"{"cells": [
        {"cell_type": "markdown", "source": ["see gcr.io/a"]},
        {"cell_type": "code", "outputs": [{"text": ["gcr.io/b"]}], "source": ["x = \"gcr.io/c\"\n", "# gcr.io/d\n"]}
    ], "nbformat": 4}"##;
    assert_eq!(
        seen(text),
        [
            "Prose see gcr.io/a",
            "Prose gcr.io/b",
            "Literal gcr.io/c",
            "Comment # gcr.io/d"
        ]
    );
}

proptest! {
    #[test]
    fn any_text_is_read(text in r#"([{}\[\]:,"'\\/*#|\n é.]|gcr\.io|docker |"nbformat"|"cells": \[|"source"|"cell_type": "code"|image: x){0,40}"#) {
        crate::reading::check::stands_where_it_says(&text, &read(&text));
    }
}
