//! What a check found, as lines for a snapshot.

use deposit_core::CheckItem;

/// A line for each item: the word, what was looked at, what was seen, and the text.
#[must_use]
pub fn told(items: &[CheckItem]) -> String {
    let line = |item: &CheckItem| {
        let seen = item.seen.as_ref().map(|seen| format!(" ({seen})")).unwrap_or_default();
        let text = item.outcome.text().map(|text| format!(": {text}")).unwrap_or_default();
        format!("{:7} {}{seen}{text}", item.outcome.word(), item.what)
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The names of what is wrong.
#[must_use]
pub fn wrong(items: &[CheckItem]) -> Vec<&str> {
    items.iter().filter(|item| item.is_wrong()).map(|item| item.what.as_ref()).collect()
}
