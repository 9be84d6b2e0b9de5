//! What `POST /v1/checkout/sessions` takes: dossier section 3.1.

use url::Url;

use super::error::{Outcome, Refusal};
use super::form::{Pair, Params};
use super::model::{CURRENCIES, Currency, MAXIMUM, Wanted};
use super::version::Version;
use super::view::Expand;

/// Payment methods that this API knows by name; the hosted page here takes cards.
const METHODS: &[&str] =
    &["card", "acss_debit", "bacs_debit", "klarna", "link", "paypal", "sepa_debit", "us_bank_account"];
const LONGEST_URL: usize = 5_000;
const MOST_ITEMS: usize = 100;
/// 30 minutes to 24 hours after now; exactly 24 hours are refused.
const SOONEST: i64 = 1_800;
const LATEST: i64 = 86_400;

/// Validates everything; nothing is changed yet.
pub(super) fn wanted(pairs: &[Pair], version: &Version, now: i64) -> Outcome<(Wanted, Expand)> {
    let mut params = Params::read(pairs)?;
    let mode = params.one_of("mode", &["payment", "setup", "subscription"])?;
    match mode.as_deref() {
        None => return Err(Refusal::missing("mode")),
        Some("payment") => {}
        Some(_) => return Err(Refusal::value("mode", "This account takes one-off payments only.")),
    }
    let ui_modes: &[&str] = if version.at_least("2026-03-25") {
        &["hosted_page", "embedded_page", "elements"]
    } else {
        &["hosted", "embedded", "custom"]
    };
    let ui_mode = params.one_of("ui_mode", ui_modes)?;
    let hosted = *ui_modes.first().unwrap_or(&"hosted_page");
    let ui_mode = ui_mode.unwrap_or_else(|| hosted.to_owned());
    if ui_mode != hosted {
        return Err(Refusal::value("ui_mode", "This account uses the hosted page only."));
    }
    let success_url = address(&mut params, "success_url")?.ok_or_else(|| Refusal::missing("success_url"))?;
    let cancel_url = address(&mut params, "cancel_url")?;
    let client_reference_id = params.limited("client_reference_id", 200)?;
    let customer_email = email(&mut params)?;
    let metadata = params.metadata()?;
    let (intent_metadata, manual_capture) = match params.map("payment_intent_data")? {
        None => (Vec::new(), false),
        Some(data) => intent_data(data)?,
    };
    let expires_at = deadline(&mut params, now)?;
    let methods = methods(&mut params, version)?;
    let adaptive_pricing = match params.map("adaptive_pricing")? {
        None => true,
        Some(mut pricing) => {
            let enabled = pricing.flag("enabled")?;
            pricing.finish()?;
            enabled.unwrap_or(true)
        }
    };
    let locale = params.limited("locale", 10)?;
    let submit_type = params.one_of("submit_type", &["auto", "book", "donate", "pay", "subscribe"])?;
    let (currency, total) = items(&mut params)?;
    let expand = expansions(&mut params, "")?;
    params.finish()?;
    let wanted = Wanted {
        currency,
        total,
        client_reference_id,
        customer_email,
        metadata,
        intent_metadata,
        success_url,
        cancel_url,
        expires_at,
        methods,
        adaptive_pricing,
        manual_capture,
        locale,
        submit_type,
        ui_mode,
    };
    Ok((wanted, expand))
}

/// Which properties to inline; each behind `prefix`, which lists have.
pub(super) fn expansions(params: &mut Params, prefix: &str) -> Outcome<Expand> {
    let mut expand = Expand::default();
    for (n, path) in params.texts("expand")?.unwrap_or_default().into_iter().enumerate() {
        match path.strip_prefix(prefix) {
            Some("payment_intent") => expand.intent = true,
            Some("payment_intent.latest_charge") => (expand.intent, expand.charge) = (true, true),
            Some("line_items") => expand.line_items = true,
            _ => {
                let message = format!("This property cannot be expanded ({path}).");
                return Err(Refusal::value(&format!("expand[{n}]"), message));
            }
        }
    }
    Ok(expand)
}

/// An absolute address. The placeholder of the session's id may stand in it.
fn address(params: &mut Params, name: &str) -> Outcome<Option<String>> {
    let Some(text) = params.word(name)? else { return Ok(None) };
    let web = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if text.len() <= LONGEST_URL && Url::parse(&text).is_ok_and(web) {
        return Ok(Some(text));
    }
    Err(Refusal::parameter("url_invalid", name, "Not a valid URL"))
}

fn email(params: &mut Params) -> Outcome<Option<String>> {
    let email = params.word("customer_email")?;
    let fine = |text: &String| text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.'));
    match email {
        Some(text) if !fine(&text) => {
            let message = format!("Invalid email address: {text}");
            Err(Refusal::parameter("email_invalid", "customer_email", message))
        }
        email => Ok(email),
    }
}

fn intent_data(mut data: Params) -> Outcome<(Vec<Pair>, bool)> {
    let metadata = data.metadata()?;
    data.limited("description", 1_000)?;
    data.limited("statement_descriptor_suffix", 22)?;
    if data.text("statement_descriptor")?.is_some() {
        let message =
            "You cannot use `statement_descriptor` for card charges. Use `statement_descriptor_suffix`.";
        return Err(Refusal::value(&data.name("statement_descriptor"), message));
    }
    let capture = data.one_of("capture_method", &["automatic", "automatic_async", "manual"])?;
    data.finish()?;
    Ok((metadata, capture.as_deref() == Some("manual")))
}

fn deadline(params: &mut Params, now: i64) -> Outcome<Option<i64>> {
    let expires_at = params.whole("expires_at")?;
    match expires_at {
        Some(at) if at < now.saturating_add(SOONEST) => Err(Refusal::value(
            "expires_at",
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
        )),
        Some(at) if at >= now.saturating_add(LATEST) => Err(Refusal::value(
            "expires_at",
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
        )),
        expires_at => Ok(expires_at),
    }
}

fn methods(params: &mut Params, version: &Version) -> Outcome<Vec<String>> {
    let endive = version.at_least("2026-09-30");
    let (name, other) = if endive {
        ("allowed_payment_method_types", "payment_method_types")
    } else {
        ("payment_method_types", "allowed_payment_method_types")
    };
    if params.clone().map(other)?.is_some() {
        return Err(Refusal::unknown(other));
    }
    let listed = params.texts(name)?.unwrap_or_else(|| vec!["card".to_owned()]);
    for (n, method) in listed.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let message = format!("Invalid {name}[{n}]: must be one of {}", METHODS.join(", "));
            return Err(Refusal::value(&format!("{name}[{n}]"), message));
        }
    }
    if listed.is_empty() {
        return Err(Refusal::value(name, "No valid payment method types for this Checkout Session."));
    }
    Ok(listed)
}

fn items(params: &mut Params) -> Outcome<(Currency, i64)> {
    let items = params.objects("line_items")?.unwrap_or_default();
    if items.is_empty() {
        return Err(Refusal::missing("line_items"));
    }
    if items.len() > MOST_ITEMS {
        return Err(Refusal::value("line_items", "At most 100 line items."));
    }
    let mut currency: Option<Currency> = None;
    let mut total = 0_i64;
    for item in items {
        let (of, amount) = line(item)?;
        if currency.is_some_and(|first| first != of) {
            return Err(Refusal::value("line_items", "All line items must have the same currency."));
        }
        currency = Some(of);
        total = total.saturating_add(amount);
    }
    let currency = currency.ok_or_else(|| Refusal::missing("line_items"))?;
    let param = "line_items[0][price_data][unit_amount]";
    if total > MAXIMUM {
        let message = "Amount must be no more than 999,999.99";
        return Err(Refusal::parameter("amount_too_large", param, message));
    }
    // A total of nothing is taken, and needs no payment.
    if total != 0 && total < currency.minimum {
        let message = format!("Total is below the minimum for {}.", currency.code);
        return Err(Refusal::parameter("amount_too_small", param, message));
    }
    Ok((currency, total))
}

fn line(mut item: Params) -> Outcome<(Currency, i64)> {
    if let Some(price) = item.word("price")? {
        return Err(Refusal::no_such("price", &price, &item.name("price")));
    }
    let quantity = item.whole("quantity")?.ok_or_else(|| Refusal::missing(&item.name("quantity")))?;
    if quantity < 1 {
        return Err(Refusal::value(&item.name("quantity"), "This value must be greater than or equal to 1."));
    }
    let mut price = item.map("price_data")?.ok_or_else(|| Refusal::missing(&item.name("price_data")))?;
    item.finish()?;
    let code = price.required("currency")?;
    let currency = CURRENCIES.iter().find(|currency| currency.code.eq_ignore_ascii_case(&code));
    let currency = currency.ok_or_else(|| {
        let message = format!("Invalid currency: {code}. This account takes usd, eur, gbp.");
        Refusal::value(&price.name("currency"), message)
    })?;
    let unit = amount(&mut price)?;
    let mut product =
        price.map("product_data")?.ok_or_else(|| Refusal::missing(&price.name("product_data")))?;
    product.required("name")?;
    product.limited("description", 5_000)?;
    product.metadata()?;
    product.finish()?;
    price.finish()?;
    Ok((*currency, unit.saturating_mul(quantity)))
}

/// Exactly one of `unit_amount` and `unit_amount_decimal`; the latter in whole cents here.
fn amount(price: &mut Params) -> Outcome<i64> {
    let name = price.name("unit_amount");
    let amount = match (price.whole("unit_amount")?, price.whole("unit_amount_decimal")?) {
        (Some(amount), None) | (None, Some(amount)) => amount,
        (None, None) => return Err(Refusal::missing(&name)),
        (Some(_), Some(_)) => {
            return Err(Refusal::value(&name, "Only one of unit_amount and unit_amount_decimal can be set."));
        }
    };
    if amount < 0 {
        let message = "This value must be greater than or equal to 0.";
        return Err(Refusal::parameter("parameter_invalid_integer", &name, message));
    }
    Ok(amount)
}
