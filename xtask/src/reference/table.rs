//! Tables in Markdown.

/// A table with a row for each.
pub(super) fn table<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let mut text = format!("\n| {} |\n|{}\n", names.join(" | "), "---|".repeat(N));
    let lines = rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(|cell| cell_text(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    });
    text.extend(lines);
    text
}

/// A cell has one line, and no bar of its own.
fn cell_text(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// In backquotes; nothing for nothing.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

/// Sentences after each other: each begins large and ends with a stop.
pub(super) fn sentences(parts: &[String]) -> String {
    let whole = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty());
    whole
        .map(|part| {
            if part.ends_with(['.', '?', ':']) {
                part.to_owned()
            } else {
                format!("{part}.")
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_a_cell() {
        let text = table(["a", "b"], &[["x|y\nz".to_owned(), String::new()]]);
        assert_eq!(text, "\n| a | b |\n|---|---|\n| x\\|y z |  |\n");
    }
}
