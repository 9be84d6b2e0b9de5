//! The lines of one more adapter in the files that list them. Each edit finds its place by what is there, and fails where that has gone.

use anyhow::{Context, Result};

use super::Name;

/// `[workspace.dependencies]`: behind the last crate of ours.
pub(super) fn root(text: &str, name: Name<'_>) -> Result<String> {
    let n = name.text();
    after_last(
        text,
        |line| line.starts_with("deposit-") && line.contains("path = \"crates/"),
        &format!("deposit-{n} = {{ path = \"crates/deposit-{n}\" }}"),
    )
}

/// The facade's optional dependency, its feature, and `full`.
pub(super) fn facade(text: &str, name: Name<'_>) -> Result<String> {
    let n = name.text();
    let text = after_last(
        text,
        |line| line.starts_with("deposit-") && line.contains("optional = true"),
        &format!("deposit-{n} = {{ workspace = true, optional = true }}"),
    )?;
    let text =
        after_last(&text, |line| line.contains("[\"dep:deposit-"), &format!("{n} = [\"dep:deposit-{n}\"]"))?;
    into_list(&text, "full = [", ']', &format!("\"{n}\""))
}

/// The facade's table.
pub(super) fn table(text: &str, name: Name<'_>) -> Result<String> {
    let n = name.text();
    let row = |line: &str| line.trim_end().ends_with(';') && line.contains("\" => deposit_");
    after_last(text, row, &format!("    {n} = \"{n}\" => deposit_{n};"))
}

/// The sandbox's module; rustfmt puts it in order.
pub(super) fn sandbox(text: &str, name: Name<'_>) -> Result<String> {
    let module = |line: &str| line.starts_with("pub mod ") || line.starts_with("mod ");
    after_last(text, module, &format!("pub mod {};", name.text()))
}

/// The sandbox's table of emulators.
pub(super) fn emulators(text: &str, name: Name<'_>) -> Result<String> {
    let (n, kind) = (name.text(), name.kind());
    let row = |line: &str| line.starts_with("    ") && line.ends_with("\";") && line.contains(", \"");
    after_last(text, row, &format!("    {n}: {kind}, \"{kind}.\";"))
}

/// Puts a line behind the last one that fits.
fn after_last(text: &str, fits: impl Fn(&str) -> bool, new: &str) -> Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| fits(line)).with_context(|| format!("no place for `{new}`"))?;
    lines.insert(last + 1, new);
    Ok(lines.join("\n") + "\n")
}

/// Puts an item at the end of the first list that begins with `open`, on one line or on several. `close` may not occur in an item.
fn into_list(text: &str, open: &str, close: char, item: &str) -> Result<String> {
    let place = || format!("no place for `{item}`");
    let (before, rest) = text.split_once(open).with_context(place)?;
    let (items, after) = rest.split_once(close).with_context(place)?;
    let trimmed = items.trim_end();
    let comma = if trimmed.is_empty() || trimmed.ends_with(',') { "" } else { "," };
    let space = items.get(trimmed.len()..).unwrap_or_default();
    let (gap, end) = if items.contains('\n') { ("\n    ", ",") } else { (" ", "") };
    Ok(format!("{before}{open}{trimmed}{comma}{gap}{item}{end}{space}{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_on_one_line_and_on_several() {
        assert_eq!(
            into_list("full = [\"a\"]\n", "full = [", ']', "\"b\"").unwrap(),
            "full = [\"a\", \"b\"]\n"
        );
        assert_eq!(
            into_list("full = [\n    \"a\",\n]\n", "full = [", ']', "\"b\"").unwrap(),
            "full = [\n    \"a\",\n    \"b\",\n]\n"
        );
        assert!(into_list("nothing", "full = [", ']', "\"b\"").is_err());
    }

    #[test]
    fn a_place_that_has_gone_is_an_error() {
        let name = Name::new("acorn").unwrap();
        for edit in [root, facade, table, sandbox, emulators] {
            assert!(edit("something else\n", name).unwrap_err().to_string().contains("no place for"));
        }
    }

    #[test]
    fn a_row_goes_behind_the_last() {
        let text = "emulators! {\n    a: A, \"An A.\";\n    b: B, \"A B.\";\n}\n";
        let done = emulators(text, Name::new("cc").unwrap()).unwrap();
        assert_eq!(
            done,
            "emulators! {\n    a: A, \"An A.\";\n    b: B, \"A B.\";\n    cc: Cc, \"Cc.\";\n}\n"
        );
    }
}
