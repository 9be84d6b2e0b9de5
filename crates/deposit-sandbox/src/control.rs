//! The control API: what a test, a demo or a person at a terminal does to the emulated world.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use deposit_core::{DecimalText, Ticker};

use crate::clock::Clock;
use crate::control_error::{ControlError, Fields, decimal_of, json_response};
use crate::emulator::{PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest};
use crate::faults::{Faults, Site};
use crate::json::Json;
use crate::rates::Rates;

/// Everything that control reaches.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) clock: Arc<Clock>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) sites: Arc<BTreeMap<&'static str, Site>>,
    /// Public sources of rates: they have faults and figures, no orders and no payments.
    pub(crate) rate_sources: Arc<BTreeMap<&'static str, Site>>,
}

type Answer = Result<Response, ControlError>;

impl Control {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/{provider}/pay", post(pay))
            .route("/{provider}/scenario", post(scenario))
            .route("/{provider}/faults", post(faults))
            .route("/{provider}/redeliver", post(redeliver))
            .route("/clock", post(clock))
            .route("/rates", post(rates).get(told_rates))
            .route("/{provider}/rates", post(own_rates))
            .route("/truth", get(truth))
            .fallback(|| async { ControlError::Unknown("no such control call".to_owned()) })
            .with_state(self)
    }

    fn site(&self, provider: &str) -> Result<&Site, ControlError> {
        let site = self.sites.get(provider).ok_or_else(|| {
            let known: Vec<_> = self.sites.keys().copied().collect();
            ControlError::Unknown(format!("{provider}: no such provider here; there is {}", known.join(", ")))
        })?;
        site.emulator.tick();
        Ok(site)
    }
}

fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}

fn ticker(fields: &Fields) -> Result<Option<Ticker>, ControlError> {
    let text = fields.text("ticker")?;
    text.map(|t| t.parse().map_err(|e| ControlError::field("ticker", e))).transpose()
}

async fn pay(State(control): State<Control>, Path(provider): Path<String>, body: Bytes) -> Answer {
    let site = control.site(&provider)?;
    let fields = Fields::read(&body, &["ref", "amount", "stage", "payment", "ticker"])?;
    let stage = match fields.text("stage")?.as_deref() {
        None | Some("confirmed") => PayStage::Confirmed,
        Some("seen") => PayStage::Seen,
        Some(_) => return Err(ControlError::field("stage", "must be seen or confirmed")),
    };
    let request = PayRequest {
        reference: fields.required_text("ref")?,
        amount: fields.decimal("amount")?,
        stage,
        payment: fields.text("payment")?,
        ticker: ticker(&fields)?,
    };
    let payment = site.emulator.pay(&request)?;
    Ok(ok(&Json::object([("payment", Json::text(payment))])))
}

async fn scenario(State(control): State<Control>, Path(provider): Path<String>, body: Bytes) -> Answer {
    let site = control.site(&provider)?;
    let fields = Fields::read(&body, &["ref", "name", "amount", "ticker"])?;
    let reference = fields.required_text("ref")?;
    let name = fields.required_text("name")?;
    let name = ScenarioName::parse(&name)
        .ok_or_else(|| ControlError::field("name", format!("must be one of {}", ScenarioName::words())))?;
    let request =
        ScenarioRequest { reference, name, amount: fields.decimal("amount")?, ticker: ticker(&fields)? };
    let payments = site.emulator.scenario(&request)?;
    let payments = payments.iter().map(PlayedPayment::json).collect();
    Ok(ok(&Json::object([("payments", Json::List(payments))])))
}

async fn faults(State(control): State<Control>, Path(provider): Path<String>, body: Bytes) -> Answer {
    let site = match control.rate_sources.get(&*provider) {
        Some(site) => site,
        None => control.site(&provider)?,
    };
    site.context.faults.set(Faults::read(&body)?);
    Ok(ok(&Json::Object(vec![])))
}

async fn redeliver(State(control): State<Control>, Path(provider): Path<String>, body: Bytes) -> Answer {
    let site = control.site(&provider)?;
    let reference = Fields::read(&body, &["ref"])?.required_text("ref")?;
    let count = site.emulator.redeliver(&reference)?;
    let count = i128::try_from(count).unwrap_or(i128::MAX);
    Ok(ok(&Json::object([("redelivered", Json::int(count))])))
}

async fn clock(State(control): State<Control>, body: Bytes) -> Answer {
    let fields = Fields::read(&body, &["advance_seconds"])?;
    let seconds = fields
        .whole("advance_seconds")?
        .ok_or_else(|| ControlError::field("advance_seconds", "is missing"))?;
    control.clock.advance(seconds);
    for site in control.sites.values() {
        site.emulator.tick();
    }
    Ok(ok(&Json::object([("now", Json::int(control.clock.now()))])))
}

async fn rates(State(control): State<Control>, body: Bytes) -> Answer {
    control.rates.set(figures(&body)?);
    Ok(ok(&Json::Object(vec![])))
}

/// What one source says, apart from the others: to see what is made of sources that contradict each other.
async fn own_rates(State(control): State<Control>, Path(source): Path<String>, body: Bytes) -> Answer {
    let Some((name, _)) = control.rate_sources.get_key_value(&*source) else {
        let known: Vec<_> = control.rate_sources.keys().copied().collect();
        let text = format!("{source}: no such source of rates here; there is {}", known.join(", "));
        return Err(ControlError::Unknown(text));
    };
    control.rates.set_of(name, figures(&body)?);
    Ok(ok(&Json::Object(vec![])))
}

/// What the sources say now, and where each of them is asked.
async fn told_rates(State(control): State<Control>) -> Response {
    let address =
        |(name, site): (&&'static str, &Site)| ((*name).to_owned(), Json::text(&site.context.base_url));
    let sources = Json::Object(control.rate_sources.iter().map(address).collect());
    ok(&Json::object([("usd", control.rates.json()), ("sources", sources)]))
}

fn figures(body: &[u8]) -> Result<Vec<(Ticker, DecimalText)>, ControlError> {
    let body = Json::parse(body).map_err(|e| ControlError::field("body", e))?;
    if !matches!(body, Json::Object(_)) {
        return Err(ControlError::field("body", "must be a JSON object of ticker and USD for one unit"));
    }
    let read = |(name, value): &(String, Json)| {
        let ticker: Ticker = name.parse().map_err(|e| ControlError::field(name, e))?;
        let positive = |n: &DecimalText| !n.is_negative() && n.to_string() != "0" && n.decimals() <= 18;
        let rule = "must be a decimal number above 0 with at most 18 decimals";
        let usd = decimal_of(value).filter(positive).ok_or_else(|| ControlError::field(name, rule))?;
        Ok((ticker, usd))
    };
    body.members().iter().map(read).collect()
}

async fn truth(State(control): State<Control>) -> Response {
    let mut orders = Vec::new();
    for (name, site) in control.sites.iter() {
        site.emulator.tick();
        orders.extend(site.emulator.truth().iter().map(|order| order.json(name)));
    }
    ok(&Json::List(orders))
}
