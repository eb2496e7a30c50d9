//! Logins that are no commands where they stand: commands that names are kept for, and calls of clients.

use super::login::{login, login_message, server};
use super::{Look, Spotted};
use crate::mapped::Mapped;
use crate::reading::outline::plain;
use crate::reading::{Command, Piece, Step};

/// Finds them.
pub(super) fn detect(look: &mut Look<'_>) {
    let document = look.document;
    for binding in &document.bindings {
        if let Some(spotted) = kept_login(look, &binding.value) {
            look.spot(spotted);
        }
    }
    for piece in document.pieces.iter().filter(|piece| is_login_argument(piece)) {
        if let Some(spotted) = argument(look, piece) {
            look.spot(spotted);
        }
    }
}

/// `LOGIN="docker login HOST"`: a command that a name is kept for.
fn kept_login(look: &Look<'_>, value: &Mapped) -> Option<Spotted> {
    let text = value.text();
    if text.len() > KEPT_BYTES_MAX || !text.contains(" login ") {
        return None;
    }
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_matches(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\''));
        let start = at + word.find(bare).unwrap_or(0);
        if !bare.is_empty() {
            words.push(value.part(start..start + bare.len()));
        }
        at += word.len();
    }
    // What a name is kept for may be text for people.
    let role = look.role_at(value.whole_span());
    let command = Command {
        words,
        input: Vec::new(),
        role,
    };
    login(look, &command).filter(|_| !role.is_mention())
}

/// The longest value that is read as a command, in bytes.
const KEPT_BYTES_MAX: usize = 1024;

/// Whether a text is the host in a call of a client for docker: `client.login(registry=…)`, `AuthConfig{ServerAddress: …}`.
fn is_login_argument(piece: &Piece) -> bool {
    let Some((map, key)) = piece.map_and_key() else {
        return false;
    };
    match plain(key).as_str() {
        "serveraddress" => true,
        "registry" | "registryurl" => match map {
            [.., Step::Key(call), Step::Item(_)] => call.ends_with(".login") || call == "login",
            _ => false,
        },
        _ => false,
    }
}

fn argument(look: &Look<'_>, piece: &Piece) -> Option<Spotted> {
    let (written, host) = server(look, &piece.text)?;
    let range = written?;
    Some(Spotted {
        is_verbatim: look.is_verbatim(&piece.text, range.clone()),
        ..Spotted::new(
            "docker-login",
            piece.text.span(range),
            piece.role,
            login_message(&host),
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::found::found;

    #[test]
    fn logins_that_are_no_commands_yet_are_found() {
        for (path, text, wanted) in [
            (
                "a.sh",
                "CMD=\"docker login gcr.io\"\n$CMD\n",
                "1 docker-login gcr.io",
            ),
            (
                "Makefile",
                "LOGIN := docker login -u x https://eu.gcr.io\na:\n\t$(LOGIN)\n",
                "1 docker-login eu.gcr.io",
            ),
            (
                "a.yaml",
                "env:\n  LOGIN: docker login -u x gcr.io\n",
                "2 docker-login gcr.io",
            ),
            (
                "a.py",
                "client.login(username='u', password=p, registry='https://gcr.io')\n",
                "1 docker-login gcr.io",
            ),
            (
                "a.go",
                "x := types.AuthConfig{\n  ServerAddress: \"https://gcr.io\",\n}\n",
                "2 docker-login gcr.io",
            ),
            (
                "a.yaml",
                "description: Before this you have to docker login gcr.io once.\n",
                "1 host-legacy gcr.io",
            ),
            ("a.sh", "NOTE=\"login gcr.io\"\n", "1 host-legacy gcr.io"),
            ("a.py", "client.pull(registry='gcr.io')\n", "1 host-legacy gcr.io"),
        ] {
            assert_eq!(found(path, text), [wanted], "{text}");
        }
    }
}
