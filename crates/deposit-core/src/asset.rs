//! What is counted: assets and tickers. Both are open values, so that an adapter from outside this
//! workspace can bring its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tinystr::TinyAsciiStr;

type Code = TinyAsciiStr<16>;

const fn code(text: &'static str) -> Code {
    match TinyAsciiStr::try_from_utf8(text.as_bytes()) {
        Ok(code) => code,
        // Constants only: evaluated by the compiler, so a wrong constant does not build.
        #[allow(clippy::panic)]
        Err(_) => panic!("a code is 1-16 ASCII characters"),
    }
}

/// A text is no ticker, asset code or provider id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1-16 characters of A-Z, 0-9 and hyphen, and start with a letter or digit")]
pub struct InvalidCode;

fn checked(text: &str, allowed: fn(u8) -> bool) -> Result<Code, InvalidCode> {
    let fine = text.bytes().all(|b| allowed(b) || b.is_ascii_digit() || b == b'-')
        && !text.is_empty()
        && !text.starts_with('-');
    if fine { Code::try_from_str(text).map_err(|_| InvalidCode) } else { Err(InvalidCode) }
}

/// The name of a way to pay: `BTC`, `BTC-LN`, `USDC`. Upper case; parsing folds the case.
///
/// ```
/// use deposit_core::Ticker;
/// assert_eq!("btc-ln".parse::<Ticker>().unwrap(), Ticker::BTC_LN);
/// assert!("".parse::<Ticker>().is_err());
/// let own: Ticker = "MYCOIN".parse().unwrap(); // from an adapter of your own
/// assert!(!own.is_known());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticker(Code);

macro_rules! tickers {
    ($($name:ident = $text:literal, $long:literal;)*) => {
        impl Ticker {
            $(#[doc = $long] pub const $name: Self = Self(code($text));)*
            /// The 25 tickers that this project serves, in the order of the API contract.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];

            /// The name that a person reads, for a known ticker.
            #[must_use]
            pub fn display_name(&self) -> Option<&'static str> {
                match *self {
                    $(Self::$name => Some($long),)*
                    _ => None,
                }
            }
        }
    };
}

tickers! {
    BTC = "BTC", "Bitcoin";
    BTC_LN = "BTC-LN", "Bitcoin Lightning";
    LTC = "LTC", "Litecoin";
    LTC_MWEB = "LTC-MWEB", "Litecoin MWEB";
    XMR = "XMR", "Monero";
    DOGE = "DOGE", "Dogecoin";
    DASH = "DASH", "Dash";
    ZEC = "ZEC", "Zcash";
    BCH = "BCH", "Bitcoin Cash";
    BAN = "BAN", "Banano";
    KAS = "KAS", "Kaspa";
    TON = "TON", "Toncoin";
    NEAR = "NEAR", "NEAR Protocol";
    EGLD = "EGLD", "MultiversX";
    VVV = "VVV", "VVV";
    ZANO = "ZANO", "Zano";
    FUSD = "FUSD", "Freedom Dollar";
    USDC = "USDC", "USD Coin";
    USDT = "USDT", "Tether";
    ETH = "ETH", "Ethereum";
    SOL = "SOL", "Solana";
    USD = "USD", "US Dollar";
    EUR = "EUR", "Euro";
    GBP = "GBP", "Pound";
    XNO = "XNO", "Nano";
}

impl Ticker {
    /// Whether this is one of [`Ticker::KNOWN`].
    #[must_use]
    pub fn is_known(&self) -> bool {
        Self::KNOWN.contains(self)
    }
}

impl FromStr for Ticker {
    type Err = InvalidCode;
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        // The length first: upper-casing of a hostile path segment should cost nothing.
        if text.len() > 16 {
            return Err(InvalidCode);
        }
        checked(&text.to_ascii_uppercase(), |b| b.is_ascii_uppercase()).map(Self)
    }
}

/// The name of an adapter: `btcpay`, `stripe`. Lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Code);

impl ProviderId {
    /// For an adapter's constant.
    ///
    /// # Panics
    /// Where the text is empty, longer than 16 or not ASCII: in a constant, at compile time.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        Self(code(text))
    }
}

impl FromStr for ProviderId {
    type Err = InvalidCode;
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        checked(text, |b| b.is_ascii_lowercase()).map(Self)
    }
}

/// The code of an asset, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetCode(Code);

impl FromStr for AssetCode {
    type Err = InvalidCode;
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        checked(text, |b| b.is_ascii_uppercase()).map(Self)
    }
}

macro_rules! text_like {
    ($($type:ident),*) => {$(
        impl $type {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
text_like!(Ticker, ProviderId, AssetCode);

/// A countable thing: its code and its scale, which is the number of decimals it is *stored* with.
///
/// What the API takes (the quote decimals) may be fewer: Lightning is stored in 11 decimals
/// (millisatoshi) and quoted in 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asset {
    code: AssetCode,
    scale: u8,
}

/// Largest scale: 10^38 is the largest power of ten in 128 bits.
pub const MAX_SCALE: u8 = 38;

macro_rules! assets {
    ($($name:ident = $text:literal, $scale:literal;)*) => {
        impl Asset {
            $(#[doc = concat!($text, ", ", stringify!($scale), " decimals.")]
            pub const $name: Self = Self { code: AssetCode(code($text)), scale: $scale };)*
            /// Every asset that has a constant here.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

assets! {
    BTC = "BTC", 8;
    BTC_LN = "BTC-LN", 11;
    LTC = "LTC", 8;
    XMR = "XMR", 12;
    DOGE = "DOGE", 8;
    DASH = "DASH", 8;
    ZEC = "ZEC", 8;
    BCH = "BCH", 8;
    BAN = "BAN", 29;
    KAS = "KAS", 8;
    TON = "TON", 9;
    NEAR = "NEAR", 24;
    EGLD = "EGLD", 18;
    VVV = "VVV", 18;
    ZANO = "ZANO", 12;
    FUSD = "FUSD", 4;
    USDC = "USDC", 6;
    USD = "USD", 8;
    EUR = "EUR", 2;
    GBP = "GBP", 2;
    XNO = "XNO", 30;
}

/// An asset cannot be defined so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAsset {
    /// The code.
    #[error("asset code {0}")]
    Code(#[from] InvalidCode),
    /// The scale.
    #[error("asset scale must be 0-38")]
    Scale,
}

impl Asset {
    /// An asset of one's own.
    ///
    /// # Errors
    /// When the code is not valid or the scale is above [`MAX_SCALE`].
    pub fn new(code: &str, scale: u8) -> Result<Self, InvalidAsset> {
        if scale > MAX_SCALE {
            return Err(InvalidAsset::Scale);
        }
        Ok(Self { code: code.parse()?, scale })
    }

    /// The asset's code.
    #[must_use]
    pub fn code(&self) -> AssetCode {
        self.code
    }

    /// Number of decimals it is stored with.
    #[must_use]
    pub const fn scale(&self) -> u8 {
        self.scale
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_25_tickers_and_each_parses_back() {
        assert_eq!(Ticker::KNOWN.len(), 25);
        for ticker in Ticker::KNOWN {
            assert_eq!(ticker.as_str().to_lowercase().parse::<Ticker>().unwrap(), *ticker);
            assert!(ticker.display_name().is_some());
        }
    }

    #[test]
    fn hostile_codes_are_refused() {
        for bad in ["", "-BTC", "B TC", "BTC/..", "ÄÄ", "ABCDEFGHIJKLMNOPQ", "BTC\0", "B_T"] {
            assert_eq!(bad.parse::<Ticker>(), Err(InvalidCode), "{bad:?}");
        }
        assert!("BTCPAY".parse::<ProviderId>().is_err());
        assert_eq!(Asset::new("XYZ", 39), Err(InvalidAsset::Scale));
    }

    #[test]
    fn serde_is_plain_text() {
        assert_eq!(serde_json::to_string(&Ticker::BTC_LN).unwrap(), "\"BTC-LN\"");
        let asset: Asset = serde_json::from_str(r#"{"code":"XNO","scale":30}"#).unwrap();
        assert_eq!(asset, Asset::XNO);
    }
}
