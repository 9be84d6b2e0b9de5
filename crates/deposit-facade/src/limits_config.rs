//! The section `[limits]`.

use std::collections::BTreeMap;
use std::fmt;

use deposit_core::{ConfigError, Decimal, Ticker, UsdLimits};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// `[limits.default]` and `[limits.TICKER]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LimitsConfig {
    /// For every ticker without its own.
    #[serde(default)]
    pub default: LimitsEntry,
    /// For one ticker; a figure that is left out is the default one.
    #[serde(flatten)]
    pub tickers: BTreeMap<Ticker, LimitsEntry>,
}

/// Limits in USD, both inclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsEntry {
    /// Least.
    #[serde(default)]
    pub minimum: Option<UsdFigure>,
    /// Most.
    #[serde(default)]
    pub maximum: Option<UsdFigure>,
}

/// An exact figure: text (`"0.10"`), or a whole number. A number with a point is refused, since it has gone through binary floating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsdFigure(pub Decimal);

impl<'de> Deserialize<'de> for UsdFigure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Figure;

        impl Visitor<'_> for Figure {
            type Value = UsdFigure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of USD as text, like \"0.10\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<UsdFigure, E> {
                Decimal::from_str_exact(text)
                    .map(UsdFigure)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<UsdFigure, E> {
                Ok(UsdFigure(whole.into()))
            }

            fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<UsdFigure, E> {
                Ok(UsdFigure(whole.into()))
            }
        }

        deserializer.deserialize_any(Figure)
    }
}

/// A rule that a section breaks; `at` says where.
pub(crate) struct Broken {
    figure: Option<&'static str>,
    rule: &'static str,
}

impl Broken {
    pub(crate) fn at(&self, section: &str) -> ConfigError {
        match self.figure {
            Some(figure) => ConfigError::new(format!("{section}.{figure}"), self.rule),
            None => ConfigError::new(section, self.rule),
        }
    }
}

impl LimitsEntry {
    /// These figures, those of `other` where one is left out.
    pub(crate) fn over(&self, other: UsdLimits) -> Result<UsdLimits, Broken> {
        for (name, figure) in [("minimum", self.minimum), ("maximum", self.maximum)] {
            if figure.is_some_and(|UsdFigure(usd)| usd.is_sign_negative() && !usd.is_zero()) {
                return Err(Broken { figure: Some(name), rule: "must not be negative" });
            }
        }
        let figure = |own: Option<UsdFigure>, other| own.map_or(other, |UsdFigure(usd)| usd);
        UsdLimits::new(figure(self.minimum, other.minimum), figure(self.maximum, other.maximum))
            .map_err(|_| Broken { figure: None, rule: "minimum must not be above maximum" })
    }
}
