//! `POST invoices`: what is checked, in whose spelling the complaint comes, and what is made of it.
//!
//! Dossier sections 2, 3 and 6.

use axum::http::StatusCode;

use super::decimal::Dec;
use super::error::{Problems, Refusal};
use super::fee_mode::FeeMode;
use super::invoice::{Additional, Checkout, Invoice, Prompt, Status};
use super::method::{METHODS, Method, MethodId, parse_id};
use crate::emulator::Context;
use crate::faults::Faults;
use crate::json::Json;

/// Currencies that the server knows, with their digits.
const CURRENCIES: &[(&str, u32)] = &[
    ("USD", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("CHF", 2),
    ("CAD", 2),
    ("AUD", 2),
    ("JPY", 0),
    ("BTC", 8),
    ("SATS", 0),
    ("LTC", 8),
    ("XMR", 12),
    ("DOGE", 8),
    ("DASH", 8),
    ("ZEC", 8),
];

const SPEED_POLICIES: &[&str] = &["HighSpeed", "MediumSpeed", "LowMediumSpeed", "LowSpeed"];
const LARGEST_AMOUNT: i128 = 18_446_744_073_709_551_615;
const DEFAULT_EXPIRATION: i64 = 15 * 60;
const DEFAULT_MONITORING: i64 = 1440 * 60;

/// What the store's settings put into a new invoice.
#[derive(Debug, Clone)]
pub(super) struct StoreSettings {
    pub(super) fee_mode: FeeMode,
    pub(super) xmr_threshold: Option<i64>,
    /// Payment methods that are switched off.
    pub(super) methods_off: Vec<String>,
}

/// A request that passed every check.
pub(super) struct Order {
    amount: Option<Dec>,
    currency: String,
    digits: u32,
    metadata: Json,
    search_terms: Vec<String>,
    /// `None`: all of the store. Those not set up in the store are gone already.
    methods: Option<Vec<&'static Method>>,
    lazy: bool,
    checkout: Checkout,
    receipt: Json,
}

/// Reads a body or says everything that is wrong with it.
pub(super) fn read(body: &[u8]) -> Result<Order, Refusal> {
    let mut problems = Problems::default();
    let body = problems.document(body)?;
    let amount = problems.decimal(&body, "amount", "amount");
    if let Some(amount) = amount {
        if amount.is_negative() {
            problems.add("Amount", "The amount should be 0 or more.");
        } else if amount > Dec::new(LARGEST_AMOUNT, 0) {
            problems.add("Amount", "The amount is too large");
        }
    }
    let currency = problems.text(&body, "currency", "currency").unwrap_or_else(|| "USD".to_owned());
    let currency = currency.trim().to_uppercase();
    let digits = CURRENCIES.iter().find(|(code, _)| *code == currency).map(|(_, digits)| *digits);
    let metadata = problems.object(&body, "metadata", "metadata").unwrap_or_else(|| Json::Object(vec![]));
    let search_terms = problems.texts(&body, "additionalSearchTerms", "additionalSearchTerms");
    let checkout = problems.object(&body, "checkout", "checkout").unwrap_or(Json::Null);
    let mut of_methods = Problems::default();
    let methods = methods(&mut of_methods, &checkout);
    let methods_are_fine = of_methods.is_empty();
    problems.extend(of_methods);
    // An unknown method is told alone, whatever the currency is.
    if digits.is_none() && methods_are_fine {
        problems.add("Currency", "Invalid currency");
    }
    let lazy = problems.flag(&checkout, "lazyPaymentMethods", "checkout.lazyPaymentMethods").unwrap_or(false);
    let checkout = read_checkout(&mut problems, &checkout);
    let receipt = problems.object(&body, "receipt", "receipt").unwrap_or(Json::Null);
    problems.done()?;
    Ok(Order {
        amount: amount.map(|a| rounded(a, digits.unwrap_or(2))),
        currency,
        digits: digits.unwrap_or(2),
        metadata,
        search_terms: search_terms.unwrap_or_default(),
        methods,
        lazy,
        checkout,
        receipt: read_receipt(&receipt),
    })
}

/// To the currency's digits, if that changes it by less than 1 %; else a digit more is kept.
fn rounded(amount: Dec, digits: u32) -> Dec {
    let hundred = Dec::new(100, 0);
    let fits = |d: &u32| amount.rounded(*d).minus(amount).abs().times(hundred) < amount;
    (digits..=amount.scale().max(digits)).find(fits).map_or(amount, |d| amount.rounded(d))
}

fn methods(problems: &mut Problems, checkout: &Json) -> Option<Vec<&'static Method>> {
    let asked = problems.texts(checkout, "paymentMethods", "checkout.paymentMethods")?;
    let mut known = Vec::new();
    for (i, text) in asked.iter().enumerate() {
        match parse_id(text) {
            MethodId::Known(method) if !known.contains(&method) => known.push(method),
            MethodId::Known(_) | MethodId::NotSetUp => {}
            MethodId::Unknown => {
                problems.add(&format!("Checkout.PaymentMethods[{i}]"), "Invalid PaymentMethodId");
            }
        }
    }
    Some(known)
}

fn read_checkout(problems: &mut Problems, checkout: &Json) -> Checkout {
    let speed = problems.text(checkout, "speedPolicy", "checkout.speedPolicy");
    let speed_policy = match speed {
        None => "MediumSpeed",
        Some(word) => {
            SPEED_POLICIES.iter().find(|p| p.eq_ignore_ascii_case(&word)).copied().unwrap_or_else(|| {
                problems.add("checkout.speedPolicy", "Invalid speedPolicy");
                "MediumSpeed"
            })
        }
    };
    let expiration = problems.minutes(checkout, "expirationMinutes", "checkout.expirationMinutes");
    let expiration_seconds = expiration.unwrap_or(DEFAULT_EXPIRATION);
    if expiration_seconds < 30 {
        problems.add("Checkout.ExpirationMinutes", "The expiration should be at least 30 seconds");
    }
    let monitoring = problems.minutes(checkout, "monitoringMinutes", "checkout.monitoringMinutes");
    let tolerance =
        problems.decimal(checkout, "paymentTolerance", "checkout.paymentTolerance").unwrap_or(Dec::ZERO);
    if tolerance.is_negative() || tolerance > Dec::new(100, 0) {
        problems.add("Checkout.PaymentTolerance", "PaymentTolerance can only be between 0 and 100 percent");
    }
    let default_method = problems.text(checkout, "defaultPaymentMethod", "checkout.defaultPaymentMethod");
    let default_payment_method = default_method.and_then(|text| match parse_id(&text) {
        MethodId::Known(method) => Some(method.id),
        MethodId::NotSetUp => None,
        MethodId::Unknown => {
            problems.add("Checkout.DefaultPaymentMethod", "Invalid PaymentMethodId");
            None
        }
    });
    let default_language = problems.text(checkout, "defaultLanguage", "checkout.defaultLanguage");
    if default_language.as_ref().is_some_and(|l| !is_language(l)) {
        problems.add("Checkout.DefaultLanguage", "The requested defaultLang does not exist");
    }
    let redirect = "redirectAutomatically";
    Checkout {
        speed_policy,
        default_payment_method,
        expiration_seconds,
        monitoring_seconds: monitoring.unwrap_or(DEFAULT_MONITORING),
        tolerance,
        redirect_url: problems.text(checkout, "redirectURL", "checkout.redirectURL"),
        redirect_automatically: problems
            .flag(checkout, redirect, "checkout.redirectAutomatically")
            .unwrap_or(false),
        default_language,
    }
}

/// `de`, `de-DE`, `pt-BR`.
fn is_language(text: &str) -> bool {
    let (language, country) = text.split_once('-').unwrap_or((text, "XX"));
    let letters = |s: &str| s.len() == 2 && s.bytes().all(|b| b.is_ascii_alphabetic());
    letters(language) && letters(country)
}

fn read_receipt(receipt: &Json) -> Json {
    let member =
        |name| (name, receipt.get(name).filter(|v| !v.is_null()).cloned().unwrap_or(Json::Bool(true)));
    Json::object([member("enabled"), member("showQR"), member("showPayments")])
}

impl Order {
    /// Makes the invoice, with the methods that have a rate and are above dust.
    pub(super) fn open(
        self,
        id: String,
        context: &Context,
        faults: &Faults,
        store: StoreSettings,
    ) -> Result<Invoice, Refusal> {
        let now = context.clock.now();
        let named = |list: &[String], method: &Method| {
            list.iter().any(|text| matches!(parse_id(text), MethodId::Known(m) if m == method))
        };
        let is_free = self.amount.is_some_and(Dec::is_zero);
        let all = self.methods.clone().unwrap_or_else(|| METHODS.iter().collect());
        // Nobody has to pay for what is free.
        let on = |method: &&'static Method| !is_free && !store.methods_off.iter().any(|off| off == method.id);
        let asked: Vec<&'static Method> = all.into_iter().filter(on).collect();
        let mut log = vec!["Info Creation of invoice starting".to_owned()];
        let mut prompts = Vec::new();
        for method in asked {
            if named(&faults.refuse_methods, method) {
                log.push(format!(
                    "Error {}: Payment method unavailable (Full node not available)",
                    method.id
                ));
                continue;
            }
            let Some(rate) = super::rates::rate(context, faults, method.currency, &self.currency) else {
                let pair = format!("{}_{}", method.currency, self.currency);
                log.push(format!("Warning Unable to get rate {pair}."));
                log.push(format!(
                    "Error {}: Unable to get rate(s) {pair}, this payment method disabled for this invoice.",
                    method.id
                ));
                continue;
            };
            let amount = self.amount.unwrap_or(Dec::ZERO).over_up(rate, method.divisibility);
            let Some(amount) = amount else {
                log.push(format!("Error {}: Payment method unavailable (Amount out of range)", method.id));
                continue;
            };
            if self.amount.is_some() && amount < method.dust() {
                log.push(format!(
                    "Error {}: Payment method unavailable (Amount below the dust threshold. For amounts of this size, it is recommended to enable an off-chain (Lightning) payment method)",
                    method.id
                ));
                continue;
            }
            let threshold = store.xmr_threshold.filter(|_| method.id == "XMR-CHAIN");
            let (fee_mode, network_fee) = method.fees(store.fee_mode);
            let fee = if fee_mode == FeeMode::Always { network_fee } else { Dec::ZERO };
            prompts.push(Prompt {
                method,
                rate,
                amount,
                fee_mode,
                network_fee,
                fee,
                threshold,
                shown: vec![],
            });
        }
        if prompts.is_empty() && !is_free {
            let time = jiff::Timestamp::from_second(now).unwrap_or_default().strftime("%m/%d/%Y %H:%M:%S");
            let mut message = "Error retrieving a matching payment method or rate.\n".to_owned();
            for line in log {
                message.push_str(&format!("{time}:{line}\n"));
            }
            return Err(Refusal::problem(StatusCode::BAD_REQUEST, "generic-error", &message));
        }
        // The fault comes after the rule: a method goes missing even if it was the last.
        prompts.retain(|p| !named(&faults.omit_methods, p.method));
        let expiration = now.saturating_add(self.checkout.expiration_seconds);
        let mut invoice = Invoice {
            id,
            price: self.amount,
            top_up: self.amount.is_none(),
            currency: self.currency,
            currency_digits: self.digits,
            metadata: self.metadata,
            search_terms: self.search_terms,
            monitoring: expiration.saturating_add(self.checkout.monitoring_seconds),
            checkout: self.checkout,
            receipt: self.receipt,
            status: Status::New,
            additional: Additional::None,
            created: now,
            expiration,
            archived: false,
            prompts,
            payments: vec![],
        };
        if !self.lazy {
            invoice.activate(None, &context.random);
        }
        Ok(invoice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Dec {
        Dec::parse(text).unwrap()
    }

    #[test]
    fn amounts_are_rounded_unless_that_changes_them_much() {
        assert_eq!(rounded(dec("25"), 2).to_string(), "25");
        assert_eq!(rounded(dec("25.005"), 2).to_string(), "25.01");
        assert_eq!(rounded(dec("0.0146"), 2).to_string(), "0.0146");
        assert_eq!(rounded(dec("0.01496"), 2).to_string(), "0.015");
        assert_eq!(rounded(dec("0.0000001"), 2).to_string(), "0.0000001");
    }
}
