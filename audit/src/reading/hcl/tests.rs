use proptest::prelude::*;

use super::*;

fn seen(text: &str) -> Vec<String> {
    let document = read(text);
    document
        .pieces
        .iter()
        .filter(|piece| piece.text.text().contains(".io"))
        .map(|piece| {
            let path: Vec<String> = piece
                .path
                .iter()
                .map(|step| match step {
                    Step::Key(key) => key.clone(),
                    Step::Item(number) => number.to_string(),
                })
                .collect();
            format!("{:?} {} {}", piece.role, path.join("/"), piece.text.text().trim())
        })
        .collect()
}

#[test]
fn values_stand_below_blocks_and_their_labels() {
    for (text, wanted) in [
        (
            "resource \"a\" \"b\" {\n  c {\n    image = \"gcr.io/${var.p}/x\"\n  }\n}\n",
            "Value resource/a/b/c/0/image gcr.io/${var.p}/x",
        ),
        (
            "locals { x = [\"a\", \"gcr.io/p\"] }",
            "Value locals/x/1 gcr.io/p",
        ),
        ("# gcr.io\n", "Comment  # gcr.io"),
        ("/* a\n gcr.io */", "Comment  gcr.io */"),
        (
            "variable \"x\" {\n description = \"as gcr.io\"\n}",
            "Prose variable/x/description as gcr.io",
        ),
        (
            "x = \"${var.a ? \"gcr.io/a\" : \"b\"}/x\"",
            "Value x ${var.a ? \"gcr.io/a\" : \"b\"}/x",
        ),
        ("x = var.a ? \"b\" : \"gcr.io/a\"\n", "Value x gcr.io/a"),
        ("x = format(\"%s\",\n \"gcr.io/p\")", "Value x gcr.io/p"),
        (
            "data = jsonencode({ auths = { \"https://gcr.io\" = { auth = \"x\" } } })",
            "Key data/auths/https://gcr.io https://gcr.io",
        ),
        (
            "x = <<-EOT\n  image gcr.io/p\n  EOT\ny = 1",
            "Value x image gcr.io/p",
        ),
        ("x = \"gcr.io/p\n", "Value x gcr.io/p"),
    ] {
        assert_eq!(seen(text), [wanted], "{text}");
    }
}

#[test]
fn a_template_that_does_not_end_takes_its_line_only() {
    for signs in [100, 511, 512, 3000] {
        let text = format!("x = \"${{{}\ny = \"gcr.io/p\"\n", "é".repeat(signs));
        assert_eq!(seen(&text), ["Value y gcr.io/p"], "{signs}");
        let text = format!("x = \"gcr.io/q${{{}", "é".repeat(signs));
        assert_eq!(seen(&text).len(), 1, "{signs}");
    }
}

#[test]
fn names_stand_for_locals_and_defaults() {
    let text =
        "locals {\n a = \"1\"\n b = { c = \"2\" }\n}\nvariable \"v\" {\n default = \"3\"\n}\nw = \"4\"\n";
    let bindings: Vec<String> = read(text)
        .bindings
        .iter()
        .map(|binding| format!("{}={}", binding.name, binding.value.text()))
        .collect();
    assert_eq!(
        bindings,
        ["local.a=1", "local.b.c=2", "v=3", "var.v=3", "var.w=4"]
    );
}

#[test]
fn lists_that_begin_with_a_program_are_commands() {
    let document = read("x = [\"docker\", \"login\", \"gcr.io\"]");
    assert_eq!(
        document.commands.last().unwrap().texts().collect::<Vec<_>>(),
        ["docker", "login", "gcr.io"]
    );
}

proptest! {
    #[test]
    fn any_text_is_read(text in r#"([{}\[\]():,"'\\/*#=<\n é.$%]|gcr\.io|docker |<<E\n|\nE\n|resource "a" |\$\{|command = |a = |"b"){0,40}"#) {
        crate::reading::check::stands_where_it_says(&text, &read(&text));
    }
}
