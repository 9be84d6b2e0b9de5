//! Addresses: `nano_`, 52 characters of public key, 8 of checksum.

use std::fmt;
use std::str::FromStr;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U5;
use serde::{Deserialize, Deserializer};

/// Value 0 first; without the characters that people mistake for each other.
const ALPHABET: &[u8; 32] = b"13456789abcdefghijkmnopqrstuwxyz";
const KEY_CHARS: usize = 52;
const ALL_CHARS: usize = 60;

/// A public key, which is what an address stands for. Printed as `nano_…`, whatever prefix it was read with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub(crate) [u8; 32]);

/// The text is no address: wrong prefix, length, alphabet, padding or checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Nano address")]
pub(crate) struct NotAnAddress;

impl Address {
    /// Nobody has the key of this one.
    pub(crate) const BURN: Self = Self([0; 32]);

    fn checksum(&self) -> [u8; 5] {
        let mut sum: [u8; 5] = Blake2b::<U5>::digest(self.0).into();
        sum.reverse();
        sum
    }
}

/// Five bits a character, high bits first, after as many zero bits as make the length come out.
fn encode(bytes: &[u8], out: &mut String) {
    let padding = (5 - bytes.len() * 8 % 5) % 5;
    let (mut buffer, mut bits) = (0_u16, padding);
    for byte in bytes {
        buffer = (buffer << 8) | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = usize::from((buffer >> bits) & 31);
            out.push(char::from(ALPHABET.get(index).copied().unwrap_or_default()));
        }
        buffer &= (1 << bits) - 1;
    }
}

/// The reverse; `None` for another alphabet or a padding that is not zero.
fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut out = bytes.iter_mut();
    let padding = (5 - N * 8 % 5) % 5;
    let (mut buffer, mut bits, mut left) = (0_u16, 0, padding);
    for character in text {
        let value = ALPHABET.iter().position(|c| c == character)?;
        let value = u16::try_from(value).ok()?;
        if left > 0 {
            // The padding is within the first character.
            if value >> (5 - left) != 0 {
                return None;
            }
            (buffer, bits, left) = (value, 5 - left, 0);
        } else {
            buffer = (buffer << 5) | value;
            bits += 5;
        }
        if bits >= 8 {
            bits -= 8;
            *out.next()? = u8::try_from(buffer >> bits).ok()?;
            buffer &= (1 << bits) - 1;
        }
    }
    (out.next().is_none() && bits == 0).then_some(bytes)
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let rest = text.strip_prefix("nano_").or_else(|| text.strip_prefix("xrb_")).ok_or(NotAnAddress)?;
        if rest.len() != ALL_CHARS {
            return Err(NotAnAddress);
        }
        let (key, sum) = rest.as_bytes().split_at_checked(KEY_CHARS).ok_or(NotAnAddress)?;
        let address = Self(decode(key).ok_or(NotAnAddress)?);
        if decode(sum) == Some(address.checksum()) { Ok(address) } else { Err(NotAnAddress) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(5 + ALL_CHARS);
        text.push_str("nano_");
        encode(&self.0, &mut text);
        encode(&self.checksum(), &mut text);
        f.pad(&text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz";

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(VALID.parse::<Address>().is_ok());
        for bad in [
            "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtd1",
            "zrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
            "xrb_2mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
            "xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1n",
            "xrb_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1n0",
            "xrb-1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
            "nano_4e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo",
            "NANO_1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1nz",
            "",
            "nano_",
            "nano_ä1mbj7xi6yrwcuwetzd5535pdqjea5rfpsoqo9nw4gxg8itycgntucp49i1n",
        ] {
            assert_eq!(bad.parse::<Address>(), Err(NotAnAddress), "{bad}");
        }
    }

    #[test]
    fn known_addresses() {
        assert_eq!(
            Address::BURN.to_string(),
            "nano_1111111111111111111111111111111111111111111111111111hifc8npp"
        );
        let genesis = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
        assert_eq!(genesis.parse::<Address>().unwrap().to_string(), genesis);
        assert_eq!(VALID.parse::<Address>().unwrap().to_string(), VALID.replace("xrb_", "nano_"));
    }

    proptest! {
        #[test]
        fn any_key_round_trips(key: [u8; 32]) {
            let text = Address(key).to_string();
            prop_assert_eq!(text.len(), 65);
            prop_assert!(text.starts_with("nano_1") || text.starts_with("nano_3"));
            prop_assert_eq!(text.parse::<Address>().unwrap(), Address(key));
            prop_assert_eq!(text.replace("nano_", "xrb_").parse::<Address>().unwrap(), Address(key));
        }

        #[test]
        fn one_wrong_character_is_noticed(key: [u8; 32], at in 5_usize..65, other in 0_usize..32) {
            let mut text = Address(key).to_string().into_bytes();
            prop_assume!(text[at] != ALPHABET[other]);
            text[at] = ALPHABET[other];
            prop_assert!(String::from_utf8(text).unwrap().parse::<Address>().is_err());
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            _ = text.parse::<Address>();
        }
    }
}
