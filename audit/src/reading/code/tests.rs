use proptest::prelude::*;

use super::*;

fn seen(kind: Kind, text: &str) -> Vec<String> {
    let document = crate::reading::read(kind, text);
    let pieces = document
        .pieces
        .iter()
        .filter(|piece| piece.text.text().contains(".io"));
    pieces
        .map(|piece| format!("{:?} {}", piece.role, piece.text.text().trim()))
        .collect()
}

#[test]
fn strings_comments_and_messages_are_told_apart() {
    for (kind, text, wanted) in [
        (
            Kind::CLike,
            "x := \"gcr.io/p\" // gcr.io",
            vec!["Literal gcr.io/p", "Comment // gcr.io"],
        ),
        (
            Kind::CLike,
            "/* gcr.io */ f(`gcr.io/${p}/x`)",
            vec!["Comment /* gcr.io */", "Literal gcr.io/${p}/x"],
        ),
        (
            Kind::CLike,
            "log.Printf(\"pushing %s gcr.io\", x)",
            vec!["Prose pushing %s gcr.io"],
        ),
        (
            Kind::CLike,
            "return errors.New(\"only gcr.io\")",
            vec!["Prose only gcr.io"],
        ),
        (
            Kind::CLike,
            "fn f<'a>(x: &'a str) { g(\"gcr.io\") }",
            vec!["Literal gcr.io"],
        ),
        (
            Kind::CLike,
            "let x = r#\"gcr.io/\"p\"#;",
            vec!["Literal gcr.io/\"p"],
        ),
        (Kind::CLike, "var x = @\"gcr.io\\p\";", vec!["Literal gcr.io\\p"]),
        (
            Kind::CLike,
            "# gcr.io\n#define X \"gcr.io\"\n",
            vec!["Comment # gcr.io", "Literal gcr.io"],
        ),
        (
            Kind::CLike,
            "{ description: 'gcr.io', image: 'gcr.io/p' }",
            vec!["Prose gcr.io", "Literal gcr.io/p"],
        ),
    ] {
        assert_eq!(seen(kind, text), wanted, "{text}");
    }
}

#[test]
fn languages_with_hashes_have_strings_and_comments_of_their_own() {
    for (kind, text, wanted) in [
        (
            Kind::HashComment,
            "def f():\n    \"\"\"Uses gcr.io.\"\"\"\n",
            vec!["Prose Uses gcr.io."],
        ),
        (
            Kind::HashComment,
            "x = \"gcr.io\"  # gcr.io",
            vec!["Literal gcr.io", "Comment # gcr.io"],
        ),
        (
            Kind::HashComment,
            "x = <<~EOS\n  to gcr.io/p\nEOS\ny = 1",
            vec!["Literal to gcr.io/p"],
        ),
        (
            Kind::HashComment,
            "s.files = %w(lib/* bin/*)\nx = \"gcr.io\"",
            vec!["Literal gcr.io"],
        ),
        (
            Kind::HashComment,
            "x = 1;\n  /* gcr.io */\ny = \"gcr.io/p\"",
            vec!["Comment /* gcr.io */", "Literal gcr.io/p"],
        ),
        (Kind::HashComment, "puts \"at gcr.io\"", vec!["Prose at gcr.io"]),
        (
            Kind::HashComment,
            "=begin\ngcr.io\n=end\n",
            vec!["Comment gcr.io"],
        ),
        (
            Kind::HashComment,
            "f('--image', 'gcr.io/p', help='as gcr.io/p')",
            vec!["Literal gcr.io/p", "Prose as gcr.io/p"],
        ),
        (Kind::HashComment, "\"it's\" + 'gcr.io'", vec!["Literal gcr.io"]),
        (
            Kind::Groovy,
            "echo \"to gcr.io ${x[\"a\"]}\"",
            vec!["Prose to gcr.io ${x[\"a\"]}"],
        ),
        (Kind::Groovy, "x = 'gcr.io/p'", vec!["Value gcr.io/p"]),
        (Kind::Starlark, "f(registry = \"gcr.io\")", vec!["Value gcr.io"]),
    ] {
        assert_eq!(seen(kind, text), wanted, "{text}");
    }
}

#[test]
fn what_starts_a_program_is_a_command() {
    for (kind, text) in [
        (Kind::HashComment, "run([\"docker\", \"push\", X], check=True)"),
        (Kind::HashComment, "sh 'docker', 'push', X"),
        (Kind::CLike, "exec.Command(\"docker\", \"push\", X).Run()"),
        (Kind::CLike, "spawn('docker', ['push', X], { a: 1 })"),
        (
            Kind::CLike,
            "Command::new(\"docker\").args([\"push\", X]).status()",
        ),
        (
            Kind::CLike,
            "Command::new(\"docker\")\n    .arg(\"push\")\n    .arg(&X)",
        ),
        (Kind::CLike, "List.of(\n  \"docker\",\n  \"push\",\n  X)"),
        (Kind::Groovy, "commandLine 'docker', 'push', X\n"),
        (Kind::CLike, "new ProcessStartInfo(\"docker\", \"push X\")"),
    ] {
        let document = read(text, kind);
        let words: Vec<Vec<&str>> = document
            .commands
            .iter()
            .map(|command| command.texts().collect())
            .collect();
        assert_eq!(words, [["docker", "push", "X"]], "{text}");
    }
}

#[test]
fn paths_name_calls_and_arguments() {
    let document = read(
        "container_push(name = \"a\", registry = \"gcr.io\", repository = \"p/x\")",
        Kind::Starlark,
    );
    let path = |text: &str| {
        let piece = document
            .pieces
            .iter()
            .find(|piece| piece.text.text() == text)
            .unwrap();
        format!("{:?}", piece.path)
    };
    assert_eq!(
        path("gcr.io"),
        r#"[Key("container_push"), Item(0), Key("registry")]"#
    );
    assert_eq!(
        path("p/x"),
        r#"[Key("container_push"), Item(0), Key("repository")]"#
    );
}

#[test]
fn constants_are_names_for_their_values() {
    for (kind, text) in [
        (Kind::CLike, "const X string = \"v\""),
        (Kind::CLike, "const X: &str = \"v\";"),
        (Kind::CLike, "static final String X = \"v\";"),
        (Kind::CLike, "X := \"v\""),
        (Kind::HashComment, "X = 'v'"),
        (Kind::Groovy, "def X = 'v'"),
    ] {
        let bindings = read(text, kind).bindings;
        let bindings: Vec<String> = bindings
            .iter()
            .map(|binding| format!("{}={}", binding.name, binding.value.text()))
            .collect();
        assert_eq!(bindings, ["X=v"], "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(
        kind in prop::sample::select(vec![Kind::CLike, Kind::HashComment, Kind::Groovy, Kind::Starlark]),
        text in r#"([\[\](){}=:"'`\\#,.;@$<\n é/*!-]|gcr\.io|x = |"""|'''|r#"|f"|<<~EOS\n|\nEOS\n|sh |\["docker", |\.arg\(|\$\{|=begin){0,40}"#
    ) {
        crate::reading::check::stands_where_it_says(&text, &read(&text, kind));
    }
}
