//! Asking people for names and passwords.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::process::Command;

use crate::failure::Failure;
use crate::output;

/// Longest password that is read, in bytes: a key file is one, too.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// A password from the terminal, or all of standard input if that is asked for.
pub(crate) fn password(from_stdin: bool) -> Result<String, Failure> {
    if !from_stdin {
        let _unseen = Unseen::begin();
        return ask("Password: ").map_err(|failure| failure.hint("a script gives it with --password-stdin"));
    }
    let mut text = String::new();
    let read = io::stdin()
        .lock()
        .take(PASSWORD_BYTES_MAX + 1)
        .read_to_string(&mut text);
    read.map_err(|error| Failure::outside("cannot read the password from standard input", error))?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the password has more than {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage("standard input has no password"));
    }
    Ok(password.to_owned())
}

/// What is typed is not shown as long as this lives; nothing happens where there is no terminal.
struct Unseen {
    is_terminal: bool,
}

impl Unseen {
    fn begin() -> Unseen {
        let is_terminal = io::stdin().is_terminal() && stty("-echo");
        Unseen { is_terminal }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if self.is_terminal {
            stty("echo");
            // The line's end was not shown either.
            output::talk("");
        }
    }
}

/// Changes the terminal that standard input is, by the program that every system has for it.
fn stty(mode: &str) -> bool {
    Command::new("stty")
        .arg(mode)
        .status()
        .is_ok_and(|status| status.success())
}

/// A line of standard input.
pub(crate) fn ask(prompt: &str) -> Result<String, Failure> {
    let what = prompt.trim_end_matches([':', ' ']).to_lowercase();
    if !prompt.is_empty() && io::stdin().is_terminal() {
        output::talk(prompt);
    }
    let mut line = String::new();
    let read = io::stdin().lock().take(PASSWORD_BYTES_MAX).read_line(&mut line);
    read.map_err(|error| Failure::outside("cannot read standard input", error))?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage(format!("no {what} was given"))),
        text => Ok(text.to_owned()),
    }
}
