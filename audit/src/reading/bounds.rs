//! Whatever stands in a file, reading it takes time and memory in proportion to its length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Document, read};
use crate::image::ImageFinder;
use crate::kind::Kind;
use crate::mapped::Mapped;

/// What may be given out for each byte of a text.
const GROWTH_MAX: usize = 5;

/// How long the longer text of a case may take without a look at the shorter one, which takes a quarter of that when nothing is
/// wrong: other tests, and other programs, run beside this one.
const TIME_MAX: Duration = Duration::from_secs(3);

/// How many times longer the longer text may take.
const SLOWNESS_MAX: u32 = 8;

/// How long the shorter text of each case is, about, in bytes.
const LENGTH: usize = 24_000;

/// A text about so long.
type Text = fn(usize) -> String;

const CASES: &[(&str, Kind, Text)] = &[
    ("words behind a long program", Kind::Shell, |n| {
        format!("{} {}", "k".repeat(n / 2), "a ".repeat(n / 4))
    }),
    ("words behind a long program", Kind::PowerShell, |n| {
        format!("{} {}", "k".repeat(n / 2), "a ".repeat(n / 4))
    }),
    ("words behind a long program", Kind::Batch, |n| {
        format!("{} {}", "k".repeat(n / 2), "a ".repeat(n / 4))
    }),
    ("signs", Kind::CLike, |n| "(".repeat(n)),
    ("texts behind a long key", Kind::CLike, |n| {
        format!("f({{\"{}\": {}", "k".repeat(n / 2), "\"a\" ".repeat(n / 8))
    }),
    ("elements of a long list", Kind::Groovy, |n| {
        format!("{} = {}", "k".repeat(n / 2), "'a' ".repeat(n / 8))
    }),
    ("variables before hosts", Kind::Plain, |n| {
        "{{{{}gcr.io ".repeat(n / 12)
    }),
    ("brackets before hosts", Kind::Plain, |n| {
        "}}}}}}gcr.io ".repeat(n / 13)
    }),
    ("aliases", Kind::Yaml, |n| "run: *a\nb: &a [c]\n".repeat(n / 19)),
    ("aliases of a long value", Kind::Yaml, |n| {
        format!("x: &a {}\n{}", "y".repeat(4000), "b: *a\n".repeat(n / 6))
    }),
    ("anchors on one line", Kind::Yaml, |n| {
        format!("a: {}", "&b !c ".repeat(n / 6))
    }),
    ("blank lines of a block", Kind::Yaml, |n| {
        "a: |\n\n\n\n\n".repeat(n / 9)
    }),
    ("comments of C in a language with signs", Kind::HashComment, |n| {
        "/*\n".repeat(n / 3)
    }),
    ("units in each other", Kind::Settings, |n| {
        "a='[Unit]\nb=\"[Unit]\n".repeat(n / 22)
    }),
    ("labels of a heading", Kind::Toml, |n| {
        format!("[{}a]\n", "a.".repeat(n / 2))
    }),
    ("headings with labels", Kind::Toml, |n| {
        format!("[{}a]\nb = 'c'\n", "a.".repeat(99)).repeat(n / 210)
    }),
    ("a dotted key", Kind::Toml, |n| {
        format!("{}a = 'b'\n", "a.".repeat(n / 2))
    }),
    ("a quoted dotted key", Kind::Toml, |n| {
        format!("{}a = 'b'\n", "'a'.".repeat(n / 4))
    }),
    ("a long key of a list", Kind::Toml, |n| {
        format!("{} = [{}]\n", "k".repeat(n / 2), "'a',".repeat(n / 8))
    }),
    ("strings on one line", Kind::Toml, |n| {
        format!("b = [{}]\n", "\"\",".repeat(n / 3))
    }),
    ("strings with single quotes", Kind::Toml, |n| {
        format!("b = [{}]\n", "'',".repeat(n / 3))
    }),
    ("attributes of a tag", Kind::Xml, |n| {
        format!("<a {}>", "'x'".repeat(n / 3))
    }),
    ("named attributes", Kind::Xml, |n| {
        format!("<a {}>", "b='x' ".repeat(n / 6))
    }),
    ("a long element", Kind::Xml, |n| {
        format!("<{}>{}</a>", "k".repeat(n / 2), "x<b/>".repeat(n / 10))
    }),
    ("elements in each other", Kind::Xml, |n| "<a>x".repeat(n / 4)),
    ("tags that do not end", Kind::Xml, |n| "<a '".repeat(n / 4)),
    ("data that does not end", Kind::Xml, |n| "<![CDATA[".repeat(n / 9)),
    ("a long key", Kind::Json, |n| {
        format!("{{\"{}\":[{}\"b\"]}}", "k".repeat(n / 2), "\"a\",".repeat(n / 8))
    }),
    ("maps in each other", Kind::Json, |n| "{\"aaaa\":".repeat(n / 8)),
    ("lists in each other", Kind::Json, |n| "[\"a\",".repeat(n / 5)),
    ("names of a step", Kind::Json, |n| {
        let names = "\"name\":\"gcr.io/cloud-builders/x\",".repeat(n / 70);
        format!("{{\"args\":[\"{}\"],{names}\"a\":1}}", "z".repeat(n / 2))
    }),
    ("arguments of a step", Kind::Json, |n| {
        "\"args\":[\"a\"],\"name\":\"gcr.io/cloud-builders/x\",".repeat(n / 50)
    }),
    ("lines of a cell", Kind::Json, |n| notebook(&"\\n".repeat(n / 2))),
    ("commands of a cell", Kind::Json, |n| {
        notebook(&"!a\\n".repeat(n / 4))
    }),
    ("lines of a text", Kind::Json, |n| {
        format!("{{\"a\":\"{}\"}}", "c\\n".repeat(n / 3))
    }),
    ("escaped lines of JSON", Kind::Json, |n| {
        format!("{{\"a\":\"{{\\\"b\\\": [{}]}}\"}}", "\\\"c\\\",".repeat(n / 6))
    }),
    ("embedded texts below a long path", Kind::Json, |n| {
        let text = "\"{\\\"a\\\":\\\"b\\\",\\\"c\\\":\\\"d\\\"}\",".repeat(n / 60);
        format!(
            "{}[{text}]",
            "{\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\":".repeat(n / 120)
        )
    }),
    ("a long section", Kind::Settings, |n| {
        format!("[{}]\n{}", "k".repeat(n / 2), "a=b\n".repeat(n / 8))
    }),
    ("quotes that do not close", Kind::Settings, |n| {
        "a=\"b\n".repeat(n / 5)
    }),
    ("variables of a unit", Kind::Settings, |n| {
        format!("Environment={}", "a=b ".repeat(n / 4))
    }),
    ("a long label", Kind::Hcl, |n| {
        format!(
            "resource \"{}\" \"a\" {{\n{}}}\n",
            "k".repeat(n / 2),
            "a=\"b\"\n".repeat(n / 12)
        )
    }),
    ("blocks in each other", Kind::Hcl, |n| "a \"b\" {\n".repeat(n / 8)),
    ("marks that are none", Kind::Hcl, |n| {
        format!("b={}", "<<".repeat(n / 2))
    }),
    ("here-documents that do not end", Kind::Hcl, |n| {
        "b=<<A\n".repeat(n / 6)
    }),
    ("headers that are none", Kind::Hcl, |n| {
        format!("{}\n", "a ".repeat(n / 2))
    }),
    ("templates that do not end", Kind::Hcl, |n| {
        format!("a = {}\n", "\"${".repeat(n / 3))
    }),
    ("braces on one line", Kind::Yaml, |n| {
        format!("b: {}\n}}}}\n", "{".repeat(n))
    }),
    ("comments of templates", Kind::Yaml, |n| {
        format!("b: {}\n", "{{/**/".repeat(n / 6))
    }),
    ("actions on one line", Kind::Yaml, |n| {
        format!("b: {}\n", "{{a}}".repeat(n / 5))
    }),
    ("a long key of a list", Kind::Yaml, |n| {
        format!("{}:\n{}", "k".repeat(n / 2), "- a\n".repeat(n / 8))
    }),
    ("lists in each other", Kind::Yaml, |n| "- ".repeat(n / 2)),
    ("flow in each other", Kind::Yaml, |n| "{a: [".repeat(n / 5)),
    ("keys that come again", Kind::Yaml, |n| {
        "command: [a]\nargs: [b]\nx: c\n".repeat(n / 30)
    }),
    ("names of a variable", Kind::Yaml, |n| {
        format!(
            "env:\n- name: {}\n{}",
            "k".repeat(n / 2),
            "  value: a\n".repeat(n / 22)
        )
    }),
    ("quotes that do not close", Kind::Yaml, |n| {
        "a: \"b\n".repeat(n / 6)
    }),
    ("documents", Kind::Yaml, |n| "---\na: b\n".repeat(n / 9)),
    ("here-documents of a substitution", Kind::Shell, |n| {
        "x=$(a <<A)\n".repeat(n / 11)
    }),
    ("here-documents that do not end", Kind::Shell, |n| {
        "a <<A\n".repeat(n / 6)
    }),
    ("quoted marks that do not end", Kind::Shell, |n| {
        "a <<'".repeat(n / 5)
    }),
    ("places that are none", Kind::Shell, |n| "a <".repeat(n / 3)),
    ("a loop's long variable", Kind::Shell, |n| {
        format!("for {} in {}", "k".repeat(n / 2), "a ".repeat(n / 4))
    }),
    ("pipes", Kind::Shell, |n| "a | ".repeat(n / 4)),
    ("blocks", Kind::Shell, |n| "{ echo a; ".repeat(n / 10)),
    ("functions", Kind::Shell, |n| "f() { a\n".repeat(n / 8)),
    ("substitutions", Kind::Shell, |n| "$(a ".repeat(n / 4)),
    ("substitutions that end", Kind::Shell, |n| {
        format!("{}{}", "$(a ".repeat(n / 5), ")".repeat(n / 5))
    }),
    ("defaults in each other", Kind::Shell, |n| {
        format!("{}{}", "${a:-".repeat(n / 6), "}".repeat(n / 6))
    }),
    ("names of files", Kind::Shell, |n| {
        format!("echo a > a{}\n", ".in".repeat(n / 3))
    }),
    ("scripts in scripts", Kind::Shell, |n| {
        "bash -c \"eval ".repeat(n / 14)
    }),
    ("parentheses", Kind::Shell, |n| "(".repeat(n)),
    ("names of an assignment", Kind::Shell, |n| "a=".repeat(n / 2)),
    ("a long name on one line", Kind::Shell, |n| {
        "export a=\"b\" ".repeat(n / 13)
    }),
    ("here-documents that do not end", Kind::Dockerfile, |n| {
        "RUN a <<A\n".repeat(n / 10)
    }),
    ("copied here-documents that do not end", Kind::Dockerfile, |n| {
        "COPY <<A b\n".repeat(n / 11)
    }),
    ("options", Kind::Dockerfile, |n| {
        format!("RUN {}\n", "--a ".repeat(n / 4))
    }),
    ("empty lines", Kind::Dockerfile, |n| {
        format!("RUN a \\\n{}", "\n".repeat(n))
    }),
    ("triggers", Kind::Dockerfile, |n| "ONBUILD ".repeat(n / 8)),
    ("words of a list", Kind::Dockerfile, |n| {
        format!("CMD [{}\"a\"]", "\"a\",".repeat(n / 4))
    }),
    ("parameters of a recipe", Kind::Make, |n| {
        format!("a:\n    ls\nt a b: c d{}\n    ls\n", "='".repeat(n / 2))
    }),
    ("functions of a shell in each other", Kind::Make, |n| {
        let nested = format!("{}{}", "$(shell a ".repeat(400), ")".repeat(400));
        format!("A = {}\n", format!("{nested} ").repeat(n / 4400))
    }),
    ("quotes of a line", Kind::Make, |n| {
        format!("A = {}\n", "\"'".repeat(n / 2))
    }),
    ("lines that go on", Kind::Make, |n| "a \\\n".repeat(n / 4)),
    ("lines of a recipe", Kind::Make, |n| {
        format!("a:\n{}", "\tb \\\n".repeat(n / 6))
    }),
    ("definitions that do not end", Kind::Make, |n| {
        "define a\n".repeat(n / 9)
    }),
    ("escaped quotes", Kind::CLike, |n| "\\\"".repeat(n / 2)),
    ("raw strings that do not end", Kind::CLike, |n| {
        "r#\"".repeat(n / 3)
    }),
    ("raw strings with many signs", Kind::CLike, |n| {
        (0..)
            .map(|k| format!("r{}\"", "#".repeat(k % 99)))
            .scan(0, |sum, text| {
                *sum += text.len();
                Some((*sum, text))
            })
            .take_while(|(sum, _)| *sum < n)
            .map(|(_, text)| text)
            .collect()
    }),
    ("arguments of a long name", Kind::CLike, |n| {
        format!("{}({})", "k".repeat(n / 2), "\"a\",".repeat(n / 8))
    }),
    ("backticks", Kind::CLike, |n| "`${".repeat(n / 3)),
    ("variables in a string", Kind::CLike, |n| {
        format!("\"{}", "${".repeat(n / 2))
    }),
    ("comments that do not end", Kind::CLike, |n| "/* ".repeat(n / 3)),
    ("methods of a command", Kind::CLike, |n| {
        "Command::new(\"docker\").arg(\"a\")\n".repeat(n / 32)
    }),
    ("programs", Kind::HashComment, |n| {
        format!("y {}", "\"sh\" ".repeat(n / 5))
    }),
    ("programs in brackets", Kind::HashComment, |n| {
        format!("y [{}", "\"sh\", ".repeat(n / 6))
    }),
    ("programs on lines", Kind::HashComment, |n| {
        "\"sh\"\n".repeat(n / 5)
    }),
    ("text that documents", Kind::HashComment, |n| {
        "=begin\n".repeat(n / 7)
    }),
    ("here-documents that do not end", Kind::HashComment, |n| {
        "a <<A\n".repeat(n / 6)
    }),
    ("three quotes", Kind::HashComment, |n| "'''\"\"\"".repeat(n / 6)),
    ("slashes and dollars", Kind::Groovy, |n| "$/".repeat(n / 2)),
    ("brackets", Kind::Starlark, |n| "f(a = [".repeat(n / 7)),
    ("here-strings that do not end", Kind::PowerShell, |n| {
        "@\" @' ".repeat(n / 6)
    }),
    ("quotes that do not end", Kind::PowerShell, |n| {
        format!("{}'", "\"`\" ".repeat(n / 4))
    }),
    ("single quotes", Kind::PowerShell, |n| "a' ".repeat(n / 3)),
    ("comments that do not end", Kind::PowerShell, |n| {
        "<# ".repeat(n / 3)
    }),
    ("variables", Kind::PowerShell, |n| "$( ".repeat(n / 3)),
    ("parameters", Kind::PowerShell, |n| {
        format!("$a = 'b' {}", "$c = 'd' ".repeat(n / 9))
    }),
    ("conditions", Kind::Batch, |n| "if a ( set b=c ".repeat(n / 15)),
    ("commands of a line", Kind::Batch, |n| "a & ".repeat(n / 4)),
    ("pipes", Kind::Batch, |n| "a | ".repeat(n / 4)),
    ("names behind at signs", Kind::Plain, |n| "gcr.io@".repeat(n / 7)),
    ("hosts on one line", Kind::Plain, |n| "gcr.io/p/x ".repeat(n / 11)),
    ("variables before a host", Kind::Plain, |n| {
        "${a}}.gcr.io/".repeat(n / 13)
    }),
    ("variables in a name", Kind::Plain, |n| {
        format!("gcr.io/{}", "{{".repeat(n / 2))
    }),
    ("lines for people", Kind::Prose, |n| {
        "gcr.io/p/x is here\n".repeat(n / 19)
    }),
];

fn notebook(source: &str) -> String {
    format!("{{\"nbformat\":4,\"cells\":[{{\"cell_type\":\"code\",\"source\":[\"x=1\\n{source}\"]}}]}}")
}

/// The bytes of all that a document says; what pieces share counts once.
fn weight(document: &Document) -> usize {
    let text = |text: &Mapped| text.text().len() + 1;
    let mut last = None;
    let pieces = document.pieces.iter().map(|piece| {
        let is_shared = last
            .replace(&piece.path)
            .is_some_and(|last| Arc::ptr_eq(last, &piece.path));
        let steps = piece.path.iter().map(|step| format!("{step:?}").len());
        text(&piece.text) + if is_shared { 0 } else { steps.sum() }
    });
    let pieces: usize = pieces.sum();
    let commands = document.commands.iter();
    let words = commands
        .flat_map(|command| command.words.iter().chain(&command.input))
        .map(text);
    let bindings = document.bindings.iter();
    let bindings = bindings.map(|binding| binding.name.len() + text(&binding.value));
    pieces + words.sum::<usize>() + bindings.sum::<usize>()
}

/// What reading a text gives out, and how long it takes with a look for images in all of that.
fn measured(kind: Kind, text: &str) -> (usize, Duration) {
    let begin = Instant::now();
    let document = read(kind, text);
    let finder = ImageFinder::new(&[]);
    for piece in &document.pieces {
        let _ = finder.find(piece.text.text());
    }
    (weight(&document), begin.elapsed())
}

#[test]
fn nothing_takes_more_than_in_proportion() {
    let mut found = Vec::new();
    for (name, kind, text) in CASES {
        let (short, short_time) = measured(*kind, &text(LENGTH));
        let (long, time) = measured(*kind, &text(4 * LENGTH));
        let is_slow = |short: Duration, long: Duration| long > TIME_MAX && long > SLOWNESS_MAX * short;
        // Others use the machine too: what is slow is so again.
        let is_slow = is_slow(short_time, time)
            && (0..2).all(|_| {
                let (_, short) = measured(*kind, &text(LENGTH));
                is_slow(short, measured(*kind, &text(4 * LENGTH)).1)
            });
        if long > GROWTH_MAX * short + 4 * LENGTH || is_slow {
            found.push(format!("{kind:?}, {name}: {short} and {long} bytes, {time:?}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
