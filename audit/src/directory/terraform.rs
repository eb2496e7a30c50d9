//! Terraform and OpenTofu: what expressions put together from variables and locals.

use super::group::{LINE_BYTES_MAX, Uses};
use super::parts::{DEPTH_MAX, Parts, formatted};

/// Lines of one expression.
const EXPRESSION_LINES_MAX: usize = 16;

/// Adds the lines of a file that use names, and returns the locals that are put together.
pub(super) fn add_uses(uses: &mut Uses, text: &str) -> Vec<(String, Parts)> {
    let mut locals = Vec::new();
    let mut in_locals = false;
    let mut lines = text.lines();
    let mut is_comment = false;
    while let Some(line) = lines.next() {
        let bare = line.trim();
        is_comment |= bare.starts_with("/*");
        if is_comment {
            is_comment = !bare.contains("*/");
            continue;
        }
        if !line.starts_with([' ', '\t']) && !bare.is_empty() {
            in_locals = bare.starts_with("locals") && bare.ends_with('{');
        }
        if bare.starts_with('#') || bare.starts_with("//") {
            continue;
        }
        let expression = joined(bare, &mut lines);
        let has_names = expression.contains("var.") || expression.contains("local.");
        let is_local = in_locals && expression.contains('=');
        if !has_names && !is_local {
            continue;
        }
        let value = value_of(&expression);
        if let Some((key, parts)) = &value
            && in_locals
        {
            locals.push((format!("local.{key}"), parts.clone()));
        }
        match value {
            // A value that is handed on whole is used in ways that stand elsewhere; a local's are known by its name.
            Some((_, parts)) if parts.as_name().is_some() && in_locals => {}
            Some((_, parts)) if parts.as_name().is_some() => uses.mark_unread(&parts),
            Some((_, parts)) => uses.add(parts),
            None => add_text(uses, &expression),
        }
    }
    locals
}

/// A line, and those after it as long as parentheses are open.
fn joined(line: &str, lines: &mut std::str::Lines<'_>) -> String {
    let open = |text: &str| text.matches('(').count() > text.matches(')').count();
    let mut expression = line.to_owned();
    for _ in 1..EXPRESSION_LINES_MAX {
        if !open(&expression) || expression.len() > LINE_BYTES_MAX {
            break;
        }
        let Some(next) = lines.next() else { break };
        expression.push(' ');
        expression.push_str(next.trim());
    }
    expression
}

/// The key and the value of an assignment, when that is understood whole.
fn value_of(line: &str) -> Option<(&str, Parts)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_matches('"');
    let is_key = !key.is_empty() && key.bytes().all(is_name_byte);
    if !is_key || line.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut expression = Expression { rest: value };
    let parts = expression.read(0)?;
    let rest = expression.rest.trim_start().trim_start_matches(',').trim_start();
    (rest.is_empty() || rest.starts_with('#') || rest.starts_with("//")).then_some((key, parts))
}

/// Adds a text that is not understood as an expression: each template in it is one.
fn add_text(uses: &mut Uses, line: &str) {
    // Names between the templates of a text are in expressions that are not understood.
    let mut parts = Parts::default();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        mark(uses, before);
        parts.push_text(before);
        let mut expression = Expression { rest: after };
        let read = expression
            .read(0)
            .filter(|_| expression.rest.trim_start().starts_with('}'));
        match read {
            Some(read) if parts.push(read.clone()) => {
                rest = expression.rest.trim_start().get(1..).unwrap_or_default();
            }
            _ => {
                parts.push_text("${");
                rest = after;
            }
        }
    }
    mark(uses, rest);
    parts.push_text(rest);
    uses.add(parts);
}

/// One text with its templates.
pub(super) fn line(text: &str) -> Parts {
    let mut uses = Uses::default();
    add_text(&mut uses, text);
    uses.into_line().unwrap_or_else(|| Parts::text(text))
}

/// Notes the names of an expression that is not understood.
fn mark(uses: &mut Uses, text: &str) {
    for word in text.split(|sign: char| !sign.is_ascii() || !is_name_byte(sign as u8)) {
        if let Some(name) = reference(word) {
            uses.mark_unread(&Parts::name(name));
        }
    }
}

struct Expression<'t> {
    rest: &'t str,
}

impl Expression<'_> {
    /// Reads a value: a text, a name, or a function of these; nothing when it is something else.
    fn read(&mut self, depth: usize) -> Option<Parts> {
        self.rest = self.rest.trim_start();
        if depth > DEPTH_MAX {
            return None;
        }
        if self.rest.starts_with('"') {
            return self.text(depth);
        }
        let length = self.rest.bytes().take_while(|byte| is_name_byte(*byte)).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        if self.take("(") {
            let arguments = self.list(")", depth)?;
            return call(word, arguments);
        }
        let is_indexed = self.rest.starts_with(['[', '.', '*']);
        reference(word).filter(|_| !is_indexed).map(Parts::name)
    }

    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Values up to a closing sign; a list among them stands for its elements.
    fn list(&mut self, end: &str, depth: usize) -> Option<Vec<Parts>> {
        let mut values = Vec::new();
        while !self.take(end) {
            match self.take("[") {
                true if depth < DEPTH_MAX => values.extend(self.list("]", depth + 1)?),
                true => return None,
                false => values.push(self.read(depth + 1)?),
            }
            if !self.take(",") && !self.rest.trim_start().starts_with(end) {
                return None;
            }
        }
        Some(values)
    }

    fn text(&mut self, depth: usize) -> Option<Parts> {
        let mut parts = Parts::default();
        self.rest = self.rest.strip_prefix('"')?;
        loop {
            let at = self.rest.find(['"', '$', '\\'])?;
            let (before, after) = self.rest.split_at_checked(at)?;
            parts.push_text(before);
            if let Some(after) = after.strip_prefix('"') {
                self.rest = after;
                return Some(parts);
            }
            if let Some(after) = after.strip_prefix("${") {
                self.rest = after;
                let inner = self.read(depth + 1)?;
                (self.take("}") && parts.push(inner)).then_some(())?;
                continue;
            }
            // An escape, or a dollar by itself.
            let rest = after.strip_prefix('$')?;
            parts.push_text("$");
            self.rest = rest;
        }
    }
}

fn call(function: &str, arguments: Vec<Parts>) -> Option<Parts> {
    match function {
        "format" => {
            let mut arguments = arguments.into_iter();
            let format = arguments.next()?.as_text()?.to_owned();
            formatted(&format, arguments.collect())
        }
        "join" => {
            let mut arguments = arguments.into_iter();
            let between = arguments.next()?;
            let mut parts = Parts::default();
            for (index, argument) in arguments.enumerate() {
                if index > 0 {
                    parts.push(between.clone()).then_some(())?;
                }
                parts.push(argument).then_some(())?;
            }
            Some(parts)
        }
        "coalesce" => arguments
            .into_iter()
            .rev()
            .try_fold(Parts::default(), |after, value| value.or(after)),
        "tostring" | "trimspace" if arguments.len() == 1 => arguments.into_iter().next(),
        _ => None,
    }
}

/// The name of a variable or a local.
fn reference(word: &str) -> Option<String> {
    let below = word
        .strip_prefix("var.")
        .or_else(|| word.strip_prefix("local."))?;
    (!below.is_empty() && !below.ends_with('.')).then(|| word.to_owned())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> (Vec<String>, Vec<String>, Uses) {
        let mut uses = Uses::default();
        let locals = add_uses(&mut uses, text);
        (
            uses.texts(),
            locals.into_iter().map(|(name, _)| name).collect(),
            uses,
        )
    }

    #[test]
    fn expressions_put_names_together() {
        for (text, wanted) in [
            (
                "  image = \"${var.host}/${local.p}/x:1\"",
                "${var.host}/${local.p}/x:1",
            ),
            ("  image = format(\"%s/%s\", var.host, \"x\")", "${var.host}/x"),
            (
                "  image = join(\"/\", [var.host, \"p\", \"x\"])",
                "${var.host}/p/x",
            ),
            (
                "  image = format(\n    \"%s/x\",\n    var.host,\n  )",
                "${var.host}/x",
            ),
            ("  image = \"${coalesce(var.a, var.b)}/x\", # why", "${var.b}/x"),
            ("  run ${var.host}/x | less", "run ${var.host}/x | less"),
            (
                "  args = [\"--image=${var.host}/x\"]",
                "args = [\"--image=${var.host}/x\"]",
            ),
        ] {
            assert_eq!(uses(text).0, [wanted], "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_known_as_such() {
        let (_, _, uses) = uses(
            "x = replace(var.host, \"a\", \"b\")\ny = \"${lower(var.other)}/x\"\nz = \"${var.read}/x\"\n",
        );
        assert!(!uses.is_read("var.host") && !uses.is_read("var.other") && uses.is_read("var.read"));
    }

    #[test]
    fn locals_are_told_and_comments_are_not_read() {
        let text = "locals {\n  host = var.host\n  n = 1\n}\n# \"${var.a}\"\n/*\n\"${var.a}\"\n*/\n";
        assert_eq!(uses(text).1, ["local.host"]);
        assert_eq!(
            uses("# ${var.a}\n/* ${var.a}\n ${var.a} */\n").0,
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_deep_or_broken_ends() {
        for text in [
            "a = \"${\"",
            "a = format(",
            "a = [[",
            "\"${var.a",
            "a = \"${format(\"${",
        ] {
            uses(&text.repeat(500));
            uses(&(text.to_owned() + "\n").repeat(500));
        }
    }
}
