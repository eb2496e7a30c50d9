//! Tables for people: a head, and columns as wide as they need to be.

/// Rows under a head; nothing at all where there are no rows.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut widths: Vec<usize> = head.iter().map(|title| title.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        // Names and descriptions come from elsewhere.
        let visible: Vec<String> = row
            .iter()
            .map(|cell| inspect::visible(cell).into_owned())
            .collect();
        text.push_str(&line(&mut visible.iter().map(String::as_str)));
    }
    text
}
