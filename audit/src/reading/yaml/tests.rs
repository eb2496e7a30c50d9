use proptest::prelude::*;

use super::super::{Role, Step};
use super::read;
use crate::reading::check::stands_where_it_says;

fn path(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => key.clone(),
        Step::Item(number) => number.to_string(),
    });
    steps.collect::<Vec<_>>().join("/")
}

fn pieces(text: &str) -> Vec<String> {
    let document = read(text);
    let pieces = document.pieces.iter().filter(|piece| piece.role != Role::Key);
    pieces
        .map(|piece| format!("{} = {:?} {:?}", path(&piece.path), piece.text.text(), piece.role))
        .collect()
}

fn commands(text: &str) -> Vec<String> {
    let document = read(text);
    let commands = document.commands.iter();
    commands
        .map(|command| command.texts().collect::<Vec<_>>().join(" "))
        .collect()
}

fn bindings(text: &str) -> Vec<String> {
    let document = read(text);
    let bindings = document.bindings.iter();
    bindings
        .filter(|binding| !binding.name.starts_with("Values."))
        .map(|binding| format!("{}={}", binding.name, binding.value.text()))
        .collect()
}

#[test]
fn values_have_the_keys_that_they_stand_below() {
    for (text, wanted) in [
        ("a: b", vec!["a = \"b\" Value"]),
        (
            "a:\n  b: 1\n  c: 2\nd: 3",
            vec!["a/b = \"1\" Value", "a/c = \"2\" Value", "d = \"3\" Value"],
        ),
        (
            "a:\n- x\n- y\nb: z",
            vec!["a/0 = \"x\" Value", "a/1 = \"y\" Value", "b = \"z\" Value"],
        ),
        (
            "a:\n  - k: 1\n    l: 2\n  - k: 3",
            vec![
                "a/0/k = \"1\" Value",
                "a/0/l = \"2\" Value",
                "a/1/k = \"3\" Value",
            ],
        ),
        (
            "- - x\n  - y\n- z",
            vec!["0/0 = \"x\" Value", "0/1 = \"y\" Value", "1 = \"z\" Value"],
        ),
        ("a: 'it''s' # c", vec!["a = \"it's\" Value", "a = \" c\" Comment"]),
        ("a: \"x\\\"\\u0041\"", vec!["a = \"x\\\"A\" Value"]),
        (
            "a: \"x\n  y\"\nb: z",
            vec!["a = \"x y\" Value", "b = \"z\" Value"],
        ),
        ("a: x\n  y\nb: z", vec!["a = \"x y\" Value", "b = \"z\" Value"]),
        ("a:\r\n  b: 1\r\n", vec!["a/b = \"1\" Value"]),
    ] {
        assert_eq!(pieces(text), wanted, "{text}");
    }
}

#[test]
fn collections_blocks_and_documents_are_taken_apart() {
    for (text, wanted) in [
        (
            "a: [x, \"y\", {k: v}] # c\nb: 1",
            vec![
                "a/0 = \"x\" Value",
                "a/1 = \"y\" Value",
                "a/2/k = \"v\" Value",
                "a = \" c\" Comment",
                "b = \"1\" Value",
            ],
        ),
        (
            "a: [\n  x,\n  y\n]\nb: 1",
            vec!["a/0 = \"x\" Value", "a/1 = \"y\" Value", "b = \"1\" Value"],
        ),
        ("a: [x\nb: 1", vec!["a/0 = \"x\" Value", "b = \"1\" Value"]),
        (
            "{\"a\": {\"b\": [1, 2]}}",
            vec!["a/b/0 = \"1\" Value", "a/b/1 = \"2\" Value"],
        ),
        (
            "a: |\n  x\n   y\n\nb: 1",
            vec!["a = \"x\\n y\" Value", "b = \"1\" Value"],
        ),
        (
            "a: >-\n  x\n  y\nb: 1",
            vec!["a = \"x y\" Value", "b = \"1\" Value"],
        ),
        ("- |\n  x\n- b", vec!["0 = \"x\" Value", "1 = \"b\" Value"]),
        ("a: &n v\nb: *n", vec!["a = \"v\" Value", "b = \"*n\" Value"]),
        ("&n a: !t v\n!t b: w", vec!["a = \"v\" Value", "b = \"w\" Value"]),
        ("a: 1\n---\na: 2", vec!["0/a = \"1\" Value", "1/a = \"2\" Value"]),
        ("# x\n---\na: 2", vec![" = \" x\" Comment", "a = \"2\" Value"]),
        ("a: http://x:80/y", vec!["a = \"http://x:80/y\" Value"]),
        ("a: 'x", vec!["a = \"'x\" Value"]),
    ] {
        assert_eq!(pieces(text), wanted, "{text}");
    }
}

#[test]
fn templates_do_not_disturb_what_stands_around_them() {
    for (text, wanted) in [
        (
            "a:\n{{- if .x }}\n  b: {{ .y }}\n{{- end }}\n  c: 1",
            vec![
                "a = \"{{- if .x }}\" Value",
                "a/b = \"{{ .y }}\" Value",
                "a/b = \"{{- end }}\" Value",
                "a/c = \"1\" Value",
            ],
        ),
        (
            "a: \"{{ include \"x\" . }}:{{ .t }}\"",
            vec!["a = \"{{ include \\\"x\\\" . }}:{{ .t }}\" Value"],
        ),
        (
            "{{/* a\n b: c */}}\nd: e",
            vec![" = \"{{/* a\\n b: c */}}\" Comment", "d = \"e\" Value"],
        ),
        ("{{ .k }}: v", vec!["{{ .k }} = \"v\" Value"]),
        (
            "a: {{ .x | default \"y: z\" }}",
            vec!["a = \"{{ .x | default \\\"y: z\\\" }}\" Value"],
        ),
        (
            "a: |\n  x\n{{ if y }}\n  z\n{{ end }}\nb: 1",
            vec![
                "a = \"x\\nz\" Value",
                "a = \"{{ if y }}\" Value",
                "a = \"{{ end }}\" Value",
                "b = \"1\" Value",
            ],
        ),
        (
            "args: [build, -t, gcr.io/${P}/x, .]",
            vec![
                "args/0 = \"build\" Value",
                "args/1 = \"-t\" Value",
                "args/2 = \"gcr.io/${P}/x\" Value",
                "args/3 = \".\" Value",
            ],
        ),
    ] {
        assert_eq!(pieces(text), wanted, "{text}");
    }
}

#[test]
fn text_for_people_is_prose() {
    for (text, role) in [
        ("description: use gcr.io", Role::Prose),
        ("message: gcr.io", Role::Prose),
        ("steps:\n- name: Push to gcr.io", Role::Prose),
        ("steps:\n- name: gcr.io/cloud-builders/docker", Role::Value),
        ("x: Images are pulled from gcr.io only", Role::Prose),
        ("- Using gcr.io: gcr.md", Role::Prose),
        ("gcr.io: {auth: x}", Role::Key),
        ("x: |\n  gcr.io/a/b:1\n  gcr.io/a/c:1", Role::Value),
        (
            "x: |\n  The images were moved away from gcr.io, which is gone now.",
            Role::Prose,
        ),
        ("x:\n  type: string\n  example: gcr.io/a/b", Role::Prose),
        ("annotations:\n  team/why: moved from gcr.io", Role::Prose),
        ("image: gcr.io/a/b", Role::Value),
    ] {
        let document = read(text);
        let found = document
            .pieces
            .iter()
            .find(|piece| piece.text.text().contains("gcr.io"));
        assert_eq!(found.map(|piece| piece.role), Some(role), "{text}");
    }
}

#[test]
fn lists_of_words_are_commands() {
    for (text, wanted) in [
        (
            "steps:\n- name: gcr.io/cloud-builders/gcloud\n  args: [auth, configure-docker]",
            vec!["gcloud auth configure-docker"],
        ),
        (
            "steps:\n- name: gcr.io/google.com/cloudsdktool/cloud-sdk\n  entrypoint: gcloud\n  args:\n  - auth\n  - configure-docker",
            vec!["gcloud auth configure-docker"],
        ),
        (
            "containers:\n- name: x\n  image: docker:24\n  command: [docker]\n  args: [login, gcr.io]",
            vec!["docker login gcr.io"],
        ),
        (
            "- uses: actions-hub/gcloud@master\n  with:\n    args: auth configure-docker",
            vec!["gcloud auth configure-docker"],
        ),
    ] {
        assert_eq!(commands(text), wanted, "{text}");
    }
}

#[test]
fn names_stand_for_values() {
    for (text, wanted) in [
        ("env:\n  A: x", vec!["A=x", "env.A=x"]),
        ("env:\n- name: A\n  value: x", vec!["A=x", "env.A=x"]),
        ("environment:\n- A=x", vec!["A=x"]),
        ("substitutions: {_A: x}", vec!["_A=x"]),
        ("params:\n- name: a\n  default: x", vec!["a=x", "params.a=x"]),
        ("a: &b c", vec!["b=c"]),
    ] {
        assert_eq!(bindings(text), wanted, "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    for text in [
        "- ".repeat(20_000),
        "[".repeat(20_000),
        "{a: ".repeat(20_000),
        "? ".repeat(20_000),
    ] {
        read(&text);
    }
    let deep: String = (0..2000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    read(&deep);
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        stands_where_it_says(&text, &read(&text));
    }

    #[test]
    fn what_looks_like_yaml_is_read(parts in prop::collection::vec(prop::sample::select(vec![
        "a", "b: ", "- ", "\n", "\r\n", "  ", "\t", "\"", "'", "{{", "}}", "{%", "%}", "{", "}", "[", "]", ",", ":", "#", " # ",
        "|", ">", ">-\n", "|2\n", "---\n", "&x ", "*x", "!t ", "\\", "\\u00", "é", "${X}", "command: ", "args: ", "run: |\n", "? ",
        "description: ", "{\"a\": ", "/*", "*/", "env:\n", "gcr.io/a/b",
    ]), 0..60)) {
        let text = parts.concat();
        stands_where_it_says(&text, &read(&text));
    }
}
