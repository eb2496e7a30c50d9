//! What stands between `{{` and `}}`.

use super::ROOT;
use crate::directory::group::HELPER;
use crate::directory::parts::{DEPTH_MAX, Parts, formatted};

/// Words of one action.
const WORDS_MAX: usize = 256;

/// Functions that leave their last argument as it is, as far as references go.
const SAME: [&str; 5] = ["quote", "squote", "toString", "trim", "required"];

/// The helper of Bitnami's library by which charts name their images.
/// <https://github.com/bitnami/charts/blob/main/bitnami/common/templates/_images.tpl>
const COMMON_IMAGE: &str = "\"common.images.image\"";

/// Helpers of the same library that say nothing of where an image is.
const COMMON_OTHERS: [&str; 3] = [
    "\"common.images.pullSecrets\"",
    "\"common.images.renderPullSecrets\"",
    "\"common.images.version\"",
];

/// Whether an action gives what no reference is put together from, whatever it names.
pub(super) fn names_no_place(text: &str) -> bool {
    let mut words = Words::of(text);
    matches!(words.next(), Some("include" | "template"))
        && words.next().is_some_and(|helper| COMMON_OTHERS.contains(&helper))
}

/// The words of an action: names, literals with their quotes, parentheses and bars.
pub(super) struct Words<'t> {
    rest: &'t str,
    left: usize,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        self.rest = self.rest.trim_start();
        self.left = self.left.checked_sub(1)?;
        let first = self.rest.chars().next()?;
        let length = match first {
            '"' => quoted(self.rest)?,
            '`' => self.rest.get(1..)?.find('`')? + 2,
            '(' | ')' | '|' | ',' => 1,
            _ => self
                .rest
                .find(|sign: char| sign.is_whitespace() || matches!(sign, '(' | ')' | '|' | ',' | '"' | '`'))
                .unwrap_or(self.rest.len()),
        };
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(word)
    }
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t str) -> Words<'t> {
        Words {
            rest: text,
            left: WORDS_MAX,
        }
    }

    fn peek(&self) -> Option<&'t str> {
        Words {
            rest: self.rest,
            left: self.left,
        }
        .next()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.trim().is_empty()
    }

    /// The word that opens or closes a block, if the action begins with one.
    pub(super) fn keyword(&mut self) -> Option<&'t str> {
        let first = self.peek()?;
        let is_keyword = matches!(
            first,
            "if" | "else" | "end" | "with" | "range" | "define" | "block" | "break" | "continue"
        );
        is_keyword.then(|| self.next())?
    }

    /// The variable that gets the value of what follows.
    pub(super) fn assignment(&mut self) -> Option<&'t str> {
        let name = self.peek().filter(|name| name.starts_with('$'))?;
        let rest = self.rest.trim_start().get(name.len()..)?.trim_start();
        let after = rest.strip_prefix(":=").or_else(|| rest.strip_prefix('='))?;
        self.rest = after;
        Some(name)
    }

    /// Commands, each of which gets what the one before gives; nothing when one is not understood.
    pub(super) fn pipeline(&mut self, named: &dyn Fn(&str) -> Option<Parts>, depth: usize) -> Option<Parts> {
        let mut value = self.command(named, None, depth)?;
        while self.peek() == Some("|") {
            self.next();
            value = self.command(named, Some(value), depth)?;
        }
        Some(value)
    }

    fn command(
        &mut self,
        named: &dyn Fn(&str) -> Option<Parts>,
        piped: Option<Parts>,
        depth: usize,
    ) -> Option<Parts> {
        let first = self.peek()?;
        let is_function = first.starts_with(|sign: char| sign.is_ascii_alphabetic());
        let function = is_function.then(|| self.next()).flatten();
        if matches!(function, Some("include" | "template")) && self.peek() == Some(COMMON_IMAGE) {
            return self.common_image(named, depth);
        }
        let mut arguments = Vec::new();
        while let Some(word) = self.peek() {
            if matches!(word, ")" | "|") {
                break;
            }
            self.next();
            arguments.push(self.operand(word, named, depth)?);
        }
        let is_piped = piped.is_some();
        arguments.extend(piped);
        match function {
            Some(function) => call(function, arguments, named),
            // A value alone; what is piped into one is wrong.
            None => (arguments.len() == 1 && !is_piped)
                .then(|| arguments.pop())
                .flatten(),
        }
    }

    /// `"common.images.image" (dict "imageRoot" .Values.image "global" .Values.global)`: registry, repository and tag of a map, with
    /// the registry that counts for all instead where there is one.
    fn common_image(&mut self, named: &dyn Fn(&str) -> Option<Parts>, depth: usize) -> Option<Parts> {
        let begins = [self.next()?, self.next()?, self.next()?];
        if begins != [COMMON_IMAGE, "(", "dict"] {
            return None;
        }
        let (mut root, mut global) = (None, None);
        loop {
            let of = match self.next()? {
                ")" => break,
                "\"imageRoot\"" => &mut root,
                "\"global\"" => &mut global,
                _ => &mut None,
            };
            let word = self.next()?;
            *of = Some(self.operand(word, named, depth)?);
        }
        let below = |map: &Option<Parts>, key: &str| {
            let name = map.as_ref()?.as_name().filter(|name| *name != ROOT)?;
            Some(Parts::name(format!("{name}.{key}")))
        };
        let mut image = below(&root, "registry")?;
        if let Some(registry) = below(&global, "imageRegistry") {
            image = registry.or(image)?;
        }
        for (sign, key) in [("/", "repository"), (":", "tag")] {
            image.push_text(sign);
            image.push(below(&root, key)?).then_some(())?;
        }
        Some(image)
    }

    fn operand(&mut self, word: &str, named: &dyn Fn(&str) -> Option<Parts>, depth: usize) -> Option<Parts> {
        match word.chars().next()? {
            '(' if depth < DEPTH_MAX => {
                let value = self.pipeline(named, depth + 1)?;
                (self.next() == Some(")")).then_some(())?;
                // `(.Values.global).imageRegistry`
                match self.rest.starts_with('.') {
                    true => {
                        let name = value.as_name().filter(|name| *name != ROOT)?;
                        Some(Parts::name(format!("{name}{}", self.next()?)))
                    }
                    false => Some(value),
                }
            }
            '"' | '`' => {
                let inner = word.get(1..word.len() - 1)?;
                (!inner.contains('\\')).then(|| Parts::text(inner))
            }
            '.' | '$' => named(word),
            first if first.is_ascii_digit() => Some(Parts::text(word)),
            _ => None,
        }
    }
}

/// What a function gives.
fn call(function: &str, mut arguments: Vec<Parts>, named: &dyn Fn(&str) -> Option<Parts>) -> Option<Parts> {
    match function {
        "printf" => {
            let format = arguments.first()?.as_text()?.to_owned();
            formatted(&format, arguments.split_off(1))
        }
        "default" if arguments.len() == 2 => {
            let value = arguments.pop()?;
            value.or(arguments.pop()?)
        }
        "coalesce" => arguments
            .into_iter()
            .rev()
            .try_fold(Parts::default(), |after, value| value.or(after)),
        "index" => {
            let mut name = arguments.first()?.as_name()?.to_owned();
            for key in arguments.get(1..)? {
                name.push('.');
                name.push_str(key.as_text()?);
            }
            Some(Parts::name(name))
        }
        // Of anything but everything, its names are other names.
        "include" | "template" if arguments.len() == 2 => {
            let is_of_all = arguments.pop()?.as_name() == Some(ROOT);
            let name = arguments.pop()?;
            let helper = format!("{HELPER}{}", name.as_text()?);
            is_of_all.then(|| named(&helper)).flatten()
        }
        "tpl" if arguments.len() == 2 => arguments.into_iter().next(),
        _ if SAME.contains(&function) => arguments.pop(),
        _ => None,
    }
}

/// The length of a text in quotation marks.
fn quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
