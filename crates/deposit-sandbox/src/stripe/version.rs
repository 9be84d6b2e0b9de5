//! Versions of the API.

/// An API version: `2026-06-24.dahlia`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version(pub(super) String);

impl Version {
    pub(super) const DEFAULT: &'static str = "2026-06-24.dahlia";

    /// A date, and a name after it since late 2024.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, name) = text.split_once('.').unwrap_or((text, "acacia"));
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<_> = date.split('-').collect();
        let dated = matches!(parts.as_slice(), [y, m, d] if digits(y, 4) && digits(m, 2) && digits(d, 2));
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        (dated && named).then(|| Self(text.to_owned()))
    }

    /// Whether it is of this date or later.
    pub(super) fn at_least(&self, date: &str) -> bool {
        self.0.get(..10).is_some_and(|own| own >= date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let at_least = |text: &str, date| Version::parse(text).unwrap().at_least(date);
        assert!(at_least("2026-09-30.endive", "2026-09-30"));
        assert!(!at_least("2026-06-24.dahlia", "2026-09-30"));
        assert!(at_least("2024-06-20", "2022-08-01"));
        for bad in ["", "dahlia", "2026-6-24.dahlia", "2026-06-24.", "2026-06-24.Dahlia", "2026-06-24-x"] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }
}
