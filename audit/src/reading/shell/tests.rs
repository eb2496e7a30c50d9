//! What scripts are read as.

use proptest::prelude::*;

use super::*;
use crate::reading::check::{pieces, stands_where_it_says};

fn read(script: &str) -> Document {
    let mut document = Document::default();
    read_into(
        &mut document,
        &Mapped::whole(script),
        &Arc::default(),
        Role::Value,
    );
    document
}

fn commands(script: &str) -> Vec<String> {
    let document = read(script);
    let shown = document.commands.iter().map(|command| {
        let words: Vec<&str> = command.texts().collect();
        let input: Vec<&str> = command.input.iter().map(Mapped::text).collect();
        let sign = if command.role.is_mention() { "~" } else { "" };
        match input.is_empty() {
            true => format!("{sign}{}", words.join("|")),
            false => format!("{sign}{} < {}", words.join("|"), input.join("|")),
        }
    });
    shown.collect()
}

#[test]
fn words_lose_quotes_escapes_and_continuations() {
    for (script, wanted) in [
        ("docker push 'a b' \"c $D\" e\\ f", "docker|push|a b|c $D|e f"),
        ("docker \\\n  push \\\r\n a", "docker|push|a"),
        (
            "docker push gcr.io/${P}/x:${T:-latest}",
            "docker|push|gcr.io/${P}/x:${T:-latest}",
        ),
        (
            "docker push gcr.io/${{ env.P }}/x:{{ .tag }}",
            "docker|push|gcr.io/${{ env.P }}/x:{{ .tag }}",
        ),
        ("docker push gcr.io/<project>/x", "docker|push|gcr.io/<project>/x"),
        ("A=b C=d docker login e 2>&1 >/dev/null", "docker|login|e"),
        ("docker login \"a", "docker|login|\"a"),
        ("echo 'it", "~echo|'it"),
        ("docker push \"gcr.io/\"$P\"/x\"", "docker|push|gcr.io/$P/x"),
    ] {
        assert_eq!(commands(script), [wanted], "{script}");
    }
}

#[test]
fn commands_are_seen_through_what_runs_them() {
    for (script, wanted) in [
        ("sudo -u me docker pull a", "docker|pull|a"),
        ("env A=b time docker pull a", "docker|pull|a"),
        ("xargs -n 1 docker pull", "docker|pull"),
        ("timeout 10m docker pull a", "docker|pull|a"),
        ("if ! docker pull a; then", "docker|pull|a"),
        ("retry 3 docker pull a", "docker|pull|a"),
    ] {
        assert_eq!(commands(script), [wanted], "{script}");
    }
    for script in [
        "ssh -i key host 'docker pull a'",
        "bash -lc 'docker pull a'",
        "sudo bash -euc \"docker pull a\"",
        "eval docker pull a",
        "kubectl exec pod -- sh -c 'docker pull a'",
        "x=$(docker pull a)",
        "x=`docker pull a`",
        "bash <<EOF\ndocker pull a\nEOF",
        "ssh host <<'EOF'\n  docker pull a\n  EOF",
        "gcloud compute ssh vm --command='docker pull a'",
    ] {
        assert!(
            commands(script).contains(&"docker|pull|a".to_owned()),
            "{script}: {:?}",
            commands(script)
        );
    }
}

#[test]
fn what_is_piped_in_is_known() {
    assert_eq!(
        commands("cat key | docker login a"),
        ["cat|key", "docker|login|a < cat|key"]
    );
    assert_eq!(commands("docker login a <<< \"$K\""), ["docker|login|a < $K"]);
    assert_eq!(commands("docker login a < key"), ["docker|login|a < key"]);
}

#[test]
fn what_is_said_is_prose() {
    for (script, wanted) in [
        ("echo \"to gcr.io/p\"", "prose to gcr.io/p"),
        ("echo a > gcr.io", "value a"),
        ("echo gcr.io >&2", "prose gcr.io"),
        ("echo gcr.io | sh", "value gcr.io"),
        ("echo gcr.io | tee -a x.log", "prose gcr.io"),
        ("log_info gcr.io", "prose gcr.io"),
        ("x=$(echo gcr.io)", "value gcr.io"),
        ("f() { echo gcr.io; }\nx=$(f)", "value gcr.io"),
        ("f() { echo gcr.io; }\nf", "prose gcr.io"),
        ("{ echo gcr.io; } > file", "value gcr.io"),
        ("for a in b; do echo gcr.io; done | sh", "value gcr.io"),
        ("cat <<EOF\ngcr.io\nEOF", "prose gcr.io\n"),
        ("cat <<EOF > x.yaml\ngcr.io\nEOF", "value gcr.io\n"),
        (": <<EOF\ngcr.io\nEOF", "comment gcr.io\n"),
        ("true # gcr.io", "comment # gcr.io"),
        ("git commit -m 'gcr.io is gone'", "prose gcr.io is gone"),
        (": ${A:?like gcr.io}", "prose like gcr.io"),
        (": ${A:-gcr.io}", "value gcr.io"),
        (
            "echo \"this is no longer on gcr.io today\" > /etc/x",
            "prose this is no longer on gcr.io today",
        ),
        ("echo 'FROM gcr.io/p' > Dockerfile", "value gcr.io/p"),
        ("USAGE='gcr.io'", "prose gcr.io"),
        (
            "echo '::set-output name=a::gcr.io'",
            "value ::set-output name=a::gcr.io",
        ),
        ("case $a in gcr.io/*) true;; esac", "value gcr.io/*"),
        ("A=(gcr.io/a b)", "value gcr.io/a"),
    ] {
        let all = pieces(&read(script));
        assert!(all.iter().any(|piece| piece == wanted), "{script}: {all:?}");
    }
}

#[test]
fn names_get_their_values() {
    for (script, wanted) in [
        ("A=b", "A=b"),
        ("export A=\"b c\"", "A=b c"),
        ("local A=$B", "A=$B"),
        ("A=${B:-c}", "B=c"),
        ("A=${B:-${C:-d}}", "C=d"),
        ("set -gx A b", "A=b"),
        ("setenv A b", "A=b"),
        ("for A in b c; do :; done", "A=c"),
    ] {
        let document = read(script);
        let all: Vec<String> = document
            .bindings
            .iter()
            .map(|binding| format!("{}={}", binding.name, binding.value.text()))
            .collect();
        assert!(all.iter().any(|binding| binding == wanted), "{script}: {all:?}");
    }
}

#[test]
fn here_documents_do_not_end_what_they_stand_in() {
    let script = "x=$(cat <<EOF\nit's ) here\nEOF\n)\ndocker pull a\n";
    assert!(
        commands(script).contains(&"docker|pull|a".to_owned()),
        "{:?}",
        commands(script)
    );
    assert_eq!(commands("x=$((1 << n))\ndocker pull a"), ["docker|pull|a"]);
}

#[test]
fn what_nests_without_end_is_bounded() {
    for sign in [
        "$(",
        "${A:-",
        "\"$(",
        "(",
        "{ ",
        "`",
        "<<A ",
        "'",
        "\"",
        "$(<<A\n",
        "bash -c \"",
        "case a in ",
    ] {
        read(&sign.repeat(20_000));
    }
}

proptest! {
    #[test]
    fn any_text_is_read(script in "[ -~\n\t\r\"'$(){}<>|;&#`=\\\\aéx.]{0,200}") {
        stands_where_it_says(&script, &read(&script));
    }

    #[test]
    fn any_signs_are_read(parts in proptest::collection::vec(prop_oneof![
        Just("$("), Just(")"), Just("${"), Just("}"), Just("\""), Just("'"), Just("`"), Just("<<EOF\n"), Just("EOF\n"), Just("|"),
        Just("\\\n"), Just("echo "), Just("a=b "), Just("bash -c "), Just("case x in "), Just(";;"), Just("é"), Just("{{"), Just("}}"),
        Just("> f "), Just("for a in "), Just("do "), Just("done"), Just("()"), Just("{ "), Just("gcr.io/p "), Just(":-"), Just("# "),
    ], 0..40)) {
        let script = parts.concat();
        stands_where_it_says(&script, &read(&script));
    }
}
