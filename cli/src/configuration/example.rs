//! The commented example.

use super::SECTIONS;
use super::section::{Description, Key};

const HEAD: &str = "\
# The configuration of `lightship serve` and `lightship up`, for `--config FILE`.
#
# This file is generated from the program (`lightship serve --print-config`). Every key is shown with its default, or with an
# example where it says nothing of a default; the file as it is configures nothing. Options of the command line win over
# it. Relative paths are meant from the file's own directory. After SIGHUP it is read again: what can change is changed,
# what needs a restart is named, and of a file with a fault nothing is taken.
";

/// Columns of explanations.
const COLUMNS: usize = 118;

/// Every key with its explanation and default, commented out.
pub(crate) fn example() -> String {
    let mut text = HEAD.to_owned();
    for (name, description) in SECTIONS {
        text.push('\n');
        explain(&mut text, description.about);
        text.push_str(&format!("[{name}]\n"));
        keys(&mut text, description.keys);
        for (list, entry) in description.lists {
            table(&mut text, &format!("{name}.{list}"), entry);
        }
    }
    text
}

fn table(text: &mut String, name: &str, description: &Description) {
    text.push('\n');
    explain(text, description.about);
    text.push_str(&format!("#[[{name}]]\n"));
    keys(text, description.keys);
}

fn keys(text: &mut String, keys: &[Key]) {
    for key in keys {
        explain(text, key.about);
        text.push_str(&format!("#{} = {}\n", key.name, key.shown));
    }
}

/// Doc comments, filled to the width of the page.
fn explain(text: &mut String, lines: &[&str]) {
    let mut line = String::from("#");
    for word in lines.iter().flat_map(|line| line.split_whitespace()) {
        if line.len() + 1 + word.len() > COLUMNS {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
