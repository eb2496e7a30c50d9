//! Templates of charts: what their lines put together from values.

mod action;

use std::collections::HashMap;

use super::group::{HELPER, Uses};
use super::parts::Parts;
use action::Words;

/// How deep blocks may stand in each other.
const BLOCKS_MAX: usize = 64;

/// Variables of one template.
const VARIABLES_MAX: usize = 1024;

/// Helpers of one template.
const HELPERS_MAX: usize = 256;

/// Lines of one helper that are kept to see whether it is one value.
const HELPER_LINES_MAX: usize = 16;

/// The name of everything, by which a helper is told where it is.
const ROOT: &str = ".";

/// The name of what a helper stands for where it is called: its values are those of the chart that calls it.
fn included(chart: Option<&str>, helper: &str) -> String {
    match chart {
        Some(chart) => format!("{HELPER}{chart}.{helper}"),
        None => format!("{HELPER}{helper}"),
    }
}

/// What the dot is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Dot {
    /// Everything: `.Values` stands below it.
    Root,
    /// The value of a name.
    Name(String),
    /// Something else.
    Unknown,
}

/// Adds the lines of a template that put something together; `chart` is the name of the chart below the one that is looked at.
/// Gives what the helpers that are one value stand for.
pub(super) fn add_uses(uses: &mut Uses, text: &str, chart: Option<&str>) -> Vec<(String, Parts)> {
    let mut reader = Reader {
        uses,
        chart,
        dots: Vec::new(),
        variables: HashMap::new(),
        line: Parts::default(),
        helper: None,
        helpers: Vec::new(),
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        reader.plain(before);
        if after.trim_start_matches('-').trim_start().starts_with("/*") {
            rest = after.split_once("*/").map_or("", |(_, after)| after);
            rest = rest.split_once("}}").map_or("", |(_, after)| after);
            continue;
        }
        let Some((inner, after)) = after.split_once("}}") else {
            reader.uses.is_whole = false;
            break;
        };
        reader.action(inner.trim_matches('-').trim());
        rest = after;
    }
    reader.plain(rest);
    reader.end_line();
    reader.end_helper();
    reader.helpers
}

/// One text of a template with its names, without what it stands in.
pub(super) fn line(text: &str, chart: Option<&str>) -> Parts {
    let mut uses = Uses::default();
    add_uses(&mut uses, text, chart);
    uses.into_line().unwrap_or_else(|| Parts::text(text))
}

struct Reader<'r> {
    uses: &'r mut Uses,
    chart: Option<&'r str>,
    /// The dots of the blocks that are open.
    dots: Vec<Dot>,
    variables: HashMap<String, Parts>,
    line: Parts,
    /// The helper that is being defined.
    helper: Option<Helper>,
    /// Helpers that are one value.
    helpers: Vec<(String, Parts)>,
}

/// What is between `define` and its `end`.
struct Helper {
    name: String,
    /// How many blocks are open in it.
    depth: usize,
    lines: Vec<Parts>,
    /// Whether it depends on something which line counts.
    has_branches: bool,
}

impl Reader<'_> {
    fn plain(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            self.line.push_text(line);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match &mut self.helper {
            Some(helper) if helper.lines.len() < HELPER_LINES_MAX => helper.lines.extend(line.trimmed()),
            _ => self.uses.add(line),
        }
    }

    fn begin_helper(&mut self, words: &mut Words<'_>) {
        self.end_line();
        self.end_helper();
        let name = words
            .next()
            .and_then(|name| name.strip_prefix('"')?.strip_suffix('"'));
        self.helper = name.filter(|_| self.dots.len() < BLOCKS_MAX).map(|name| Helper {
            name: included(self.chart, name),
            depth: self.dots.len(),
            lines: Vec::new(),
            has_branches: false,
        });
    }

    /// A helper of one line is what it stands for, unless that has other words around it; of one that gives hosts, each line is one
    /// of several. All others are read as they stand.
    fn end_helper(&mut self) {
        let Some(helper) = self.helper.take() else { return };
        let is_text = helper.lines.iter().any(|line| line.has_sign(char::is_whitespace));
        let is_host = helper.lines.iter().all(|line| !line.has_sign(|sign| sign == '/'));
        let is_certain = helper.lines.len() == 1 && !helper.has_branches;
        let room = HELPERS_MAX.saturating_sub(self.helpers.len());
        let is_value = !is_text && !helper.lines.is_empty() && (is_certain || is_host);
        if is_value && helper.lines.len() < room {
            for line in &helper.lines {
                self.helpers.push((helper.name.clone(), line.clone()));
            }
            if !is_certain {
                self.helpers.push((helper.name, Parts::default()));
            }
            // What is no more than a name says nothing by itself.
            if is_host {
                return;
            }
        }
        for line in helper.lines {
            self.uses.add(line);
        }
    }

    fn dot(&self) -> Dot {
        self.dots.last().cloned().unwrap_or(Dot::Root)
    }

    fn action(&mut self, text: &str) {
        let mut words = Words::of(text);
        let keyword = words.keyword();
        match keyword {
            Some("end") => {
                self.dots.pop();
                if self
                    .helper
                    .as_ref()
                    .is_some_and(|helper| helper.depth == self.dots.len())
                {
                    self.end_line();
                    self.end_helper();
                }
            }
            Some("else") => {
                // What the dot is within is so only before it.
                let around = self.dots.iter().rev().nth(1).cloned().unwrap_or(Dot::Root);
                if let Some(last) = self.dots.last_mut() {
                    *last = around;
                }
            }
            Some("break" | "continue") => {}
            Some("if") => self.open(self.dot()),
            Some("define") => {
                self.begin_helper(&mut words);
                self.open(Dot::Root);
            }
            Some("block") => self.open(Dot::Root),
            Some("range") => {
                self.unread(text);
                self.open(Dot::Unknown);
            }
            Some("with") => {
                let dot = match self.value(&mut words) {
                    Some(value) => match value.as_name() {
                        Some(ROOT) => Dot::Root,
                        Some(name) => Dot::Name(name.to_owned()),
                        None => Dot::Unknown,
                    },
                    None => {
                        self.unread(text);
                        Dot::Unknown
                    }
                };
                self.open(dot);
            }
            _ => self.output(text, words),
        }
    }

    /// Deeper blocks are read as if they were not there: what they say of the dot is lost, so it is not known.
    fn open(&mut self, dot: Dot) {
        if let Some(helper) = &mut self.helper {
            helper.has_branches |= self.dots.len() > helper.depth;
        }
        if self.dots.len() < BLOCKS_MAX {
            self.dots.push(dot);
        } else if let Some(last) = self.dots.last_mut() {
            *last = Dot::Unknown;
        }
    }

    fn output(&mut self, text: &str, mut words: Words<'_>) {
        let assigned = words.assignment();
        let value = words
            .pipeline(&|name| self.named(name), 0)
            .filter(|_| words.is_at_end());
        match (assigned, value) {
            (Some(name), Some(value)) if self.variables.len() < VARIABLES_MAX => {
                self.variables.insert(name.to_owned(), value);
            }
            (Some(name), _) => {
                self.variables.remove(name);
                self.unread(text);
            }
            (None, Some(value)) => {
                if !self.line.push(value.clone()) {
                    self.uses.mark_unread(&value);
                }
            }
            (None, None) => {
                self.unread(text);
                // A variable of its own, so that what is around it is read.
                self.line.push_text("{{ ? }}");
            }
        }
    }

    fn value(&mut self, words: &mut Words<'_>) -> Option<Parts> {
        let assigned = words.assignment();
        let value = words.pipeline(&|name| self.named(name), 0)?;
        if let Some(name) = assigned.filter(|_| self.variables.len() < VARIABLES_MAX) {
            self.variables.insert(name.to_owned(), value.clone());
        }
        Some(value)
    }

    /// Everything that an action names which is not understood may be used in any way.
    fn unread(&mut self, text: &str) {
        if action::names_no_place(text) {
            return;
        }
        let mut is_helper = false;
        for word in Words::of(text) {
            let helper = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
            let parts = match helper.filter(|_| is_helper) {
                Some(helper) => Some(Parts::name(included(self.chart, helper))),
                None => self.named(word),
            };
            if let Some(parts) = parts {
                self.uses.mark_unread(&parts);
            }
            is_helper = matches!(word, "include" | "template");
        }
    }

    /// What a name in an action stands for: `.Values.a.b`, `$.Values.a.b`, `$variable`, `.a.b` below a dot; `include.a`.
    fn named(&self, word: &str) -> Option<Parts> {
        if let Some(helper) = word.strip_prefix(HELPER) {
            return Some(Parts::name(included(self.chart, helper)));
        }
        if let Some(path) = word.strip_prefix("$.").or_else(|| word.strip_prefix('.'))
            && (word.starts_with('$') || self.dot() == Dot::Root)
        {
            return Some(Parts::name(match path {
                "" => ROOT.to_owned(),
                path => self.in_chart(path),
            }));
        }
        if word == "$" {
            return Some(Parts::name(ROOT.to_owned()));
        }
        if word.starts_with('$') {
            let (variable, path) = word.split_once('.').unwrap_or((word, ""));
            let value = self.variables.get(variable)?;
            return match path {
                "" => Some(value.clone()),
                _ => value.as_name().map(|name| match name {
                    ROOT => Parts::name(self.in_chart(path)),
                    name => Parts::name(format!("{name}.{path}")),
                }),
            };
        }
        match (self.dot(), word.strip_prefix('.')?) {
            (Dot::Name(name), "") => Some(Parts::name(name)),
            (Dot::Name(name), path) => Some(Parts::name(format!("{name}.{path}"))),
            _ => None,
        }
    }

    fn in_chart(&self, path: &str) -> String {
        in_chart(self.chart, path)
    }
}

/// A name of a chart as the chart above it knows it: what is global is so for both.
pub(super) fn in_chart(chart: Option<&str>, path: &str) -> String {
    match (chart, path.split_once('.')) {
        (Some(chart), Some((first @ ("Values" | "Chart"), below)))
            if below != "global" && !below.starts_with("global.") =>
        {
            format!("{first}.{chart}.{below}")
        }
        (Some(chart), None) if path == "Values" => format!("Values.{chart}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, chart: Option<&str>) -> (Vec<String>, Uses) {
        let mut uses = Uses::default();
        add_uses(&mut uses, text, chart);
        (uses.texts(), uses)
    }

    #[test]
    fn lines_put_values_together() {
        for (text, wanted) in [
            (
                "image: \"{{ .Values.a.b }}/{{ $.Values.c }}:1\"",
                "image: \"${Values.a.b}/${Values.c}:1\"",
            ),
            (
                "{{- printf \"%s/%s\" .Values.a .Values.b | quote -}}",
                "${Values.a}/${Values.b}",
            ),
            ("{{ $r := .Values.a }}\n{{ $r }}/x", "${Values.a}/x"),
            (
                "{{ with .Values.a }}\ni: {{ .b }}/{{ .c | trim }}\n{{ end }}",
                "i: ${Values.a.b}/${Values.a.c}",
            ),
            ("{{ index .Values \"a-b\" \"c\" }}/x", "${Values.a-b.c}/x"),
            (
                "{{ (.Values.a) }}/{{ include \"x\" .Values }}",
                "${Values.a}/{{ ? }}",
            ),
            (
                "{{ with $ }}{{ .Values.a }}/{{ include \"x\" . | quote }}{{ end }}",
                "${Values.a}/${include.x}",
            ),
            (
                "{{ include \"common.images.image\" (dict \"imageRoot\" .Values.i \"global\" .Values.global \"chart\" .Chart) }}",
                "${Values.i.registry}/${Values.i.repository}:${Values.i.tag}",
            ),
            ("{{ $all := . }}{{ tpl $all.Values.a $ }}/x", "${Values.a}/x"),
            ("{{/* {{ .Values.no }} */}}{{ .Values.yes }}", "${Values.yes}"),
            (
                "{{ with .Values.no }}\n{{ else }}\n{{ .Values.yes }}\n{{ end }}",
                "${Values.yes}",
            ),
            ("{{ (.Values.a).b }}/{{ .Values.c }}", "${Values.a.b}/${Values.c}"),
            (
                "{{ if .Values.no }}\n{{ .Values.yes }}\n{{ end }}",
                "${Values.yes}",
            ),
        ] {
            let (seen, _) = lines(text, None);
            let seen: Vec<&str> = seen.iter().map(|line| line.trim()).collect();
            assert_eq!(seen, [wanted], "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_known_as_such() {
        let (_, uses) = lines("{{ toYaml .Values.a | nindent 4 }}\n{{ .Values.b }}", None);
        assert!(!uses.is_read("Values.a.registry") && !uses.is_read("Values.a") && uses.is_read("Values.b"));
        let with_secrets =
            "{{ include \"common.images.pullSecrets\" (dict \"images\" (list .Values.a)) | nindent 6 }}";
        let (_, uses) = lines(with_secrets, None);
        assert!(uses.is_read("Values.a.registry"));
        let (_, uses) = lines("{{ range .Values.a }}{{ .b }}{{ end }}", None);
        assert!(!uses.is_read("Values.a.b"));
    }

    #[test]
    fn helpers_of_one_line_stand_for_it() {
        let body = |body: &str| format!("{{{{- define \"h\" -}}}}\n{body}\n{{{{- end }}}}\n");
        for (text, wanted) in [
            ("  {{ .Values.a }}", "${Values.a}"),
            (
                "{{ $a := .Values.a }}\n{{ $a }}/{{ .Values.b }}",
                "${Values.a}/${Values.b}",
            ),
        ] {
            let mut uses = Uses::default();
            let helpers = add_uses(&mut uses, &body(text), None);
            let mut read = Uses::default();
            read.add(helpers[0].1.clone());
            assert_eq!(
                (helpers[0].0.as_str(), read.texts()),
                ("include.h", vec![wanted.to_owned()])
            );
            assert_eq!(uses.texts().is_empty(), !wanted.contains('/'), "{text}");
        }
        // Of hosts each may be the one that counts.
        for (text, values, lines) in [
            ("a: {{ .Values.a }}", 0, 1),
            ("{{ .Values.a }}/x\n{{ .Values.b }}", 0, 2),
            ("{{ .Values.a }}\n{{ .Values.b }}", 3, 0),
            ("{{ if .Values.a }}{{ .Values.a }}{{ end }}", 2, 0),
            ("{{ if .Values.a }}\n{{ end }}", 0, 0),
        ] {
            let mut uses = Uses::default();
            assert_eq!(add_uses(&mut uses, &body(text), None).len(), values, "{text}");
            assert_eq!(uses.texts().len(), lines, "{text}");
        }
        let (_, uses) = lines("{{ include \"a.b\" . | nindent 4 }}", None);
        assert!(!uses.is_read("include.a.b"));
    }

    #[test]
    fn a_chart_below_has_its_values_under_its_name() {
        let (seen, _) = lines(
            "{{ .Values.a }}/{{ .Values.global.b }}:{{ .Chart.AppVersion }}",
            Some("sub"),
        );
        assert_eq!(
            seen,
            ["${Values.sub.a}/${Values.global.b}:${Chart.sub.AppVersion}"]
        );
    }

    #[test]
    fn what_is_deep_or_broken_ends() {
        for text in [
            "{{ with .Values.a }}",
            "{{ ((((",
            "{{ $a := printf \"%s%s\" $a $a }}",
            "{{/*",
            "{{ \"",
            "{{ a | ",
        ] {
            lines(&text.repeat(3000), None);
        }
        let grows = format!(
            "{{{{ $a := .Values.x }}}}{}",
            "{{ $a = printf \"%s%s\" $a $a }}{{ $a }}".repeat(500)
        );
        lines(&grows, None);
    }
}
