//! Batch files.

use std::sync::Arc;

use crate::mapped::Mapped;
use crate::reading::{Command, Document, Piece, Role, shell};

/// Takes one apart.
pub(super) fn read(file: &Mapped) -> Document {
    let mut document = Document::default();
    let text = file.text();
    let mut at = 0;
    while at < text.len() {
        let mut line = Mapped::new();
        loop {
            let end = shell::here::line_end(text, at);
            let written = text.get(at..end).unwrap_or_default();
            let kept = written.trim_end();
            let continued = kept.strip_suffix('^').filter(|_| end < text.len());
            line.push_part(file, at..at + continued.unwrap_or(kept).len());
            at = end;
            if continued.is_none() {
                break;
            }
        }
        take(&mut document, &line);
    }
    document
}

fn take(document: &mut Document, line: &Mapped) {
    let text = line.text();
    let trimmed = text.trim_start_matches([' ', '\t', '@', '(', ')']);
    let from = text.len() - trimmed.len();
    let lower = trimmed.to_ascii_lowercase();
    let is_remark =
        lower.starts_with("::") || lower == "rem" || lower.starts_with("rem ") || lower.starts_with("rem\t");
    if is_remark {
        piece(document, line.clone(), Role::Comment);
        return;
    }
    let mut input = Vec::new();
    for (part, is_piped) in parts(&line.part(from..text.len())) {
        let words = command(document, &part, is_piped, std::mem::take(&mut input));
        if is_piped {
            input = words;
        }
    }
}

/// The commands of a line, and whether each is piped into the next.
fn parts(line: &Mapped) -> Vec<(Mapped, bool)> {
    let text = line.text();
    let (mut parts, mut from, mut quoted) = (Vec::new(), 0, false);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'^' => at += 1,
            b'&' | b'|' if !quoted && !is_stream(bytes, at) => {
                let is_double = bytes.get(at + 1) == Some(byte);
                parts.push((line.part(from..at), *byte == b'|' && !is_double));
                at += usize::from(is_double);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push((line.part(from.min(text.len())..text.len()), false));
    parts
}

/// `2>&1`: the sign ends no command.
fn is_stream(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'&') && at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'>')
}

fn command(document: &mut Document, part: &Mapped, is_piped: bool, input: Vec<Mapped>) -> Vec<Mapped> {
    let text = part.text();
    let trimmed = text.trim_start_matches([' ', '\t', '@', '(']);
    let from = text.len() - trimmed.len();
    let lower = trimmed.to_ascii_lowercase();
    if let Some(body) = body(&lower) {
        let condition = words(&part.part(from..from + body));
        for word in condition {
            piece(document, word, Role::Value);
        }
        return command(document, &part.part(from + body..text.len()), is_piped, input);
    }
    if lower.starts_with("set ") {
        assignment(document, part, from + 4);
        return Vec::new();
    }
    let is_written = trimmed.replace("2>&1", "").contains('>')
        && !lower.contains(">&2")
        && !lower.contains("> con")
        && !lower.contains(">nul");
    let is_said = lower.starts_with("echo") || lower.starts_with("title ") || lower.starts_with("msg ");
    if is_said && !is_written && !is_piped {
        piece(document, part.clone(), Role::Prose);
        return Vec::new();
    }
    let words = words(&part.part(from..text.len()));
    for word in &words {
        piece(document, word.clone(), Role::Value);
    }
    let place = words
        .iter()
        .position(|word| !is_introduction(word.text()))
        .unwrap_or(0);
    let words: Vec<Mapped> = words.into_iter().skip(place).collect();
    if !words.is_empty() {
        document.commands.push(Command {
            words: words.clone(),
            input,
            role: Role::Value,
        });
    }
    words
}

/// Where the command begins that an `if` or `for` stands before, when it is one that is read in its own way.
fn body(lower: &str) -> Option<usize> {
    let is_condition = ["if ", "for ", "else ", "if(", ") else "]
        .iter()
        .any(|word| lower.starts_with(word));
    let commands = [" set ", " echo ", "(set ", "(echo ", " echo.", "(echo."];
    let found = commands.iter().filter_map(|command| lower.find(command)).min();
    found.filter(|_| is_condition).map(|at| at + 1)
}

fn is_introduction(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "call" | "start" | "do" | "else" | ")" | "(" | "cmd" | "/c"
    )
}

/// `set NAME=value`, `set "NAME=value"`, `set /p NAME=Question`.
fn assignment(document: &mut Document, part: &Mapped, from: usize) {
    let text = part.text();
    let written = text.get(from..).unwrap_or_default();
    let is_question = written.trim_start().to_ascii_lowercase().starts_with("/p");
    let kept = written
        .trim()
        .trim_start_matches('"')
        .trim_end_matches([')', '"']);
    let start = from + written.find(kept).unwrap_or(0);
    let value = part.part(start..start + kept.len());
    let Some((name, _)) = kept.split_once('=') else {
        piece(document, value, Role::Value);
        return;
    };
    let given = value.part(name.len() + 1..kept.len());
    let is_said = is_question || shell::is_text_for_people(name);
    if !is_question {
        document.bind(name.trim(), &given);
    }
    piece(document, given, if is_said { Role::Prose } else { Role::Value });
}

fn words(text: &Mapped) -> Vec<Mapped> {
    let mut words = Vec::new();
    let mut word: Option<Mapped> = None;
    let mut quoted = false;
    let mut signs = text.text().char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' | '<' | '>' if !quoted => words.extend(word.take()),
            '^' if !quoted => {
                if let Some((next, escaped)) = signs.next() {
                    word.get_or_insert_default()
                        .push_part(text, next..next + escaped.len_utf8());
                }
            }
            _ => word
                .get_or_insert_default()
                .push_part(text, at..at + sign.len_utf8()),
        }
    }
    words.extend(word);
    words
}

fn piece(document: &mut Document, text: Mapped, role: Role) {
    if !text.text().trim().is_empty() {
        document.pieces.push(Piece {
            text,
            role,
            path: Arc::default(),
        });
    }
}
