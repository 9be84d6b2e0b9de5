//! Foreign text that may be shown.

/// A word of a provider's as it may stand in a log, an error or a review item: in backquotes, at most 40 letters, digits and `-_.`, nothing
/// else. Whatever a provider sends can neither break a line, nor pass for another text, nor fill a page.
///
/// ```
/// assert_eq!(deposit_core::printable("new\n<b>status</b>"), "`newbstatusb`");
/// ```
#[must_use]
pub fn printable(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    format!("`{}`", text.chars().filter(plain).take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_but_plain_words() {
        assert_eq!(printable("payment_started"), "`payment_started`");
        assert_eq!(printable("\u{202e}evil\u{1b}[31m`; DROP"), "`evil31mDROP`");
        assert_eq!(printable(&"a".repeat(99)).len(), 42);
        assert_eq!(printable(""), "``");
    }
}
