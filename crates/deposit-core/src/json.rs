//! JSON numbers as text, in and out, so that no figure passes through binary floating point.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::decimal::DecimalText;

/// A JSON number, or a JSON string that holds one, exactly as it was written.
///
/// Works with `serde_json` only, and not inside `#[serde(flatten)]`, untagged or internally tagged types:
/// those buffer their input, and numbers lose their text there.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Answer { value: deposit_core::json::NumberText }
/// let a: Answer = serde_json::from_str(r#"{"value":0.1000000000000000000000000001}"#).unwrap();
/// assert_eq!(a.value.as_str(), "0.1000000000000000000000000001");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NumberText {
    text: String,
    value: DecimalText,
}

impl NumberText {
    /// The text of the number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its exact value.
    #[must_use]
    pub fn decimal(&self) -> &DecimalText {
        &self.value
    }
}

impl std::str::FromStr for NumberText {
    type Err = crate::decimal::NotADecimal;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned(), value: text.parse()? })
    }
}

impl<'de> Deserialize<'de> for NumberText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        let text = if raw.get().starts_with('"') {
            serde_json::from_str::<String>(raw.get()).map_err(D::Error::custom)?
        } else {
            raw.get().to_owned()
        };
        text.parse().map_err(|_| D::Error::custom("expected a decimal number"))
    }
}

/// Plain decimal text that is written as a JSON *number*.
///
/// ```
/// let n = deposit_core::json::PlainNumber::new("0.000000000000000000000000000001").unwrap();
/// assert_eq!(serde_json::to_string(&n).unwrap(), "0.000000000000000000000000000001");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainNumber(String);

impl PlainNumber {
    /// From decimal text; written without exponent and without trailing zeros.
    ///
    /// # Errors
    /// Where the text is no decimal number.
    pub fn new(text: &str) -> Result<Self, crate::decimal::NotADecimal> {
        Ok(Self(text.parse::<DecimalText>()?.to_string()))
    }

    /// The text that is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<crate::Amount> for PlainNumber {
    fn from(amount: crate::Amount) -> Self {
        Self(amount.to_string())
    }
}

impl From<crate::Signed> for PlainNumber {
    fn from(amount: crate::Signed) -> Self {
        Self(amount.to_string())
    }
}

impl From<&DecimalText> for PlainNumber {
    fn from(number: &DecimalText) -> Self {
        Self(number.to_string())
    }
}

impl Serialize for PlainNumber {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_keep_their_text() {
        let read = |json: &str| serde_json::from_str::<NumberText>(json).map(|n| n.as_str().to_owned());
        assert_eq!(read("1e-7").unwrap(), "1e-7");
        assert_eq!(read("\"25.00\"").unwrap(), "25.00");
        assert_eq!(
            read("340282366.920938463463374607431768211455").unwrap(),
            "340282366.920938463463374607431768211455"
        );
        for bad in ["null", "true", "\"\"", "\"1,5\"", "[]", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
