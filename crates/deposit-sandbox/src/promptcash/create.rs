//! `POST /create-payment`: a form, strictly read. Dossier, sections 2, 5, 7 and 9.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use deposit_core::{DecimalText, Ticker};
use sha2::{Digest as _, Sha256};

use super::error::Refusal;
use super::order::SATOSHI;
use crate::rates::Rates;

const FIELDS: &[&str] = &[
    "token",
    "tx_id",
    "amount",
    "currency",
    "desc",
    "return",
    "callback",
    "expiration",
    "confirm",
    "slp_token",
    "time",
    "signature",
];

/// Below this a transaction is not relayed.
const DUST: u128 = 546;

/// What a good request asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) tx_id: String,
    pub(super) fiat: u128,
    pub(super) fine: u128,
    pub(super) currency: String,
    pub(super) description: String,
    pub(super) return_url: String,
    pub(super) callback_url: String,
    pub(super) minutes: i64,
    pub(super) confirm: u32,
}

/// The fields of a form, each once.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/x-www-form-urlencoded" {
            return Err(Refusal::field("Content-Type", "must be application/x-www-form-urlencoded"));
        }
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if !FIELDS.contains(&name.as_ref()) {
                return Err(Refusal::field(&name, "is no field of this call"));
            }
            if fields.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Refusal::field(&name, "comes twice"));
            }
        }
        Ok(Self(fields))
    }

    /// Missing and empty are the same.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn whole<T: std::str::FromStr>(&self, name: &str, otherwise: T) -> Result<T, Refusal> {
        match self.get(name) {
            "" => Ok(otherwise),
            text if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map_err(|_| Refusal::field(name, "is too large"))
            }
            _ => Err(Refusal::field(name, "must be a whole number")),
        }
    }

    fn address(&self, name: &str) -> Result<String, Refusal> {
        let text = self.get(name);
        let web =
            || url::Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        if text.is_empty() || web() {
            Ok(text.to_owned())
        } else {
            Err(Refusal::field(name, "must be a URL"))
        }
    }

    pub(super) fn wanted(&self, rates: &Rates) -> Result<Wanted, Refusal> {
        let tx_id = self.get("tx_id");
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=48).contains(&tx_id.len()) || !tx_id.bytes().all(fine) {
            return Err(Refusal::field("tx_id", "must be 1-48 of A-Z, a-z, 0-9, - and _"));
        }
        if !self.get("slp_token").is_empty() {
            return Err(Refusal::field("slp_token", "no such token"));
        }
        let currency = self.get("currency");
        let fiat = fiat(self.get("amount"))?;
        let fine = crypto(rates, currency, fiat)?;
        if (fine + 5_000) / 10_000 < DUST {
            return Err(Refusal::field("amount", "is too small to be paid"));
        }
        let minutes = self.whole("expiration", 30)?;
        if !(1..=60 * 24 * 30).contains(&minutes) {
            return Err(Refusal::field("expiration", "must be from 1 minute to 30 days"));
        }
        let confirm = self.whole("confirm", 0)?;
        if confirm > 100 {
            return Err(Refusal::field("confirm", "must be from 0 to 100"));
        }
        Ok(Wanted {
            tx_id: tx_id.to_owned(),
            fiat,
            fine,
            currency: currency.to_owned(),
            description: self.get("desc").to_owned(),
            return_url: self.address("return")?,
            callback_url: self.address("callback")?,
            minutes,
            confirm,
        })
    }

    /// Whether a signature is right where there is one: of the values alone, or of names and values.
    pub(super) fn signed(&self, secret: &str) -> bool {
        let signature = self.get("signature");
        if signature.is_empty() {
            return true;
        }
        let digest = |text: String| hex::encode(Sha256::digest(text.as_bytes()));
        let values = ["token", "tx_id", "amount", "currency", "desc", "callback", "return", "time"];
        let named = [
            "token",
            "tx_id",
            "amount",
            "currency",
            "desc",
            "callback",
            "return",
            "expiration",
            "confirm",
            "time",
        ];
        let plain = values.iter().fold(secret.to_owned(), |text, name| text + self.get(name));
        let pairs: Vec<_> = named.iter().map(|name| format!("{name}={}", self.get(name))).collect();
        signature == digest(plain) || signature == digest(format!("{secret}{}", pairs.join("&")))
    }
}

/// Plain decimals, at most eight of them, in units of 10^-8.
fn fiat(text: &str) -> Result<u128, Refusal> {
    let rule = "must be a decimal number above 0 with at most 8 decimals";
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: Option<DecimalText> = text.parse().ok().filter(|_| plain);
    let minor = number.and_then(|number| number.to_minor(8).ok()).filter(|minor| *minor > 0);
    minor.ok_or_else(|| Refusal::field("amount", rule))
}

/// At the service's own rate, in units of 10^-12 BCH.
fn crypto(rates: &Rates, currency: &str, fiat: u128) -> Result<u128, Refusal> {
    let usd = |ticker| rates.usd(ticker).and_then(|rate: DecimalText| rate.floor_to_minor(12).ok());
    let unit = 10_u128.pow(12);
    let worth = match currency {
        "USD" => Some(unit),
        "EUR" => usd(Ticker::EUR).map(|(rate, _)| rate),
        "GBP" => usd(Ticker::GBP).map(|(rate, _)| rate),
        _ => return Err(Refusal::field("currency", "is no known fiat currency")),
    };
    let large = || Refusal::field("amount", "is too large");
    let (rate, _) = usd(Ticker::BCH).filter(|(rate, _)| *rate > 0).ok_or_else(large)?;
    let product = worth.and_then(|worth| fiat.checked_mul(worth)?.checked_mul(10_u128.pow(12 - SATOSHI)));
    product.map(|p| p / rate).ok_or_else(large)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn form(body: &str) -> Result<Form, Refusal> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        Form::read(&headers, body.as_bytes())
    }

    fn wanted(body: &str) -> Result<Wanted, String> {
        form(body).and_then(|form| form.wanted(&Rates::default())).map_err(|refusal| refusal.message())
    }

    #[test]
    fn a_form_has_its_defaults() {
        let wanted = wanted("token=1-a&tx_id=dep-1&amount=12.50&currency=USD").unwrap();
        assert_eq!((wanted.fiat, wanted.fine), (1_250_000_000, 31_250_000_000));
        assert_eq!((wanted.minutes, wanted.confirm), (30, 0));
        assert!(wanted.description.is_empty() && wanted.callback_url.is_empty());
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        let good = "tx_id=dep-1&amount=12.50&currency=USD";
        for (body, field) in [
            ("amount=12.50&currency=USD".to_owned(), "tx_id"),
            ("tx_id=dep.1&amount=12.50&currency=USD".to_owned(), "tx_id"),
            (format!("tx_id={}&amount=1&currency=USD", "a".repeat(49)), "tx_id"),
            ("tx_id=dep-1&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=0&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=-1&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=1e2&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=1.123456789&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=0.002&currency=USD".to_owned(), "amount"),
            ("tx_id=dep-1&amount=12.50".to_owned(), "currency"),
            ("tx_id=dep-1&amount=12.50&currency=usd".to_owned(), "currency"),
            ("tx_id=dep-1&amount=12.50&currency=BCH".to_owned(), "currency"),
            (format!("{good}&expiration=0"), "expiration"),
            (format!("{good}&expiration=-5"), "expiration"),
            (format!("{good}&confirm=101"), "confirm"),
            (format!("{good}&slp_token=SPICE"), "slp_token"),
            (format!("{good}&callback=gateway"), "callback"),
            (format!("{good}&amount=1"), "amount"),
            (format!("{good}&color=red"), "color"),
        ] {
            let message = wanted(&body).unwrap_err();
            assert!(message.starts_with(&format!("{field}: ")), "{body}: {message}");
        }
        assert!(Form::read(&HeaderMap::new(), good.as_bytes()).is_err());
    }

    #[test]
    fn both_published_signatures_are_taken_and_no_other() {
        let good = "token=1-a&tx_id=dep-1&amount=12.50&currency=USD&time=1785000000";
        let signed = |text: &str| {
            let signature = hex::encode(Sha256::digest(text.as_bytes()));
            form(&format!("{good}&signature={signature}")).unwrap().signed("secret")
        };
        assert!(form(good).unwrap().signed("secret"));
        assert!(signed("secret1-adep-112.50USD1785000000"));
        assert!(signed(
            "secrettoken=1-a&tx_id=dep-1&amount=12.50&currency=USD&desc=&callback=&return=&expiration=&confirm=&time=1785000000"
        ));
        assert!(!signed("another1-adep-112.50USD1785000000"));
    }
}
