//! What the adapter is made to ask.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use deposit_facade::ProvidersConfig;
use deposit_facade::core::{
    AccountIndex, Amount, Decimal, DepositId, IntentRecord, LookUpRequest, OpenRequest, PayInstructions,
    PaymentProvider, Price, ProviderRef, Quote, Replay, Ticker, TickerKind, TickerSpec, Timestamp,
};
use toml::Table;

use crate::proxy::{self, Exchange, Tape};

/// Addresses in a configuration that a payer or the provider is told, and that are not the provider's own.
const NOT_OF_THE_PROVIDER: [&str; 5] =
    ["success_url", "cancel_url", "callback_url", "return_url", "redirect_url"];

/// `TICKER=AMOUNT`
#[derive(Debug, Clone)]
pub(crate) struct Order {
    ticker: Ticker,
    amount: String,
}

impl FromStr for Order {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (ticker, amount) = text.split_once('=').ok_or("must be TICKER=AMOUNT")?;
        let ticker = ticker.parse().map_err(|error| format!("{ticker}: {error}"))?;
        Ok(Self { ticker, amount: amount.to_owned() })
    }
}

/// Puts a proxy before every address of the provider and makes the adapter ask.
pub(crate) async fn play(provider: &str, mut section: Table, orders: &[Order]) -> Result<Vec<Exchange>> {
    let tape = Tape::default();
    let mut there = 0;
    // Pushed messages cannot be recorded so, and are optional everywhere.
    section.retain(|_, value| {
        !value.as_str().is_some_and(|text| text.starts_with("ws:") || text.starts_with("wss:"))
    });
    for (key, value) in &mut section {
        let Some(text) = value.as_str() else { continue };
        let http = text.starts_with("http://") || text.starts_with("https://");
        if key.ends_with("_url") && http && !NOT_OF_THE_PROVIDER.contains(&key.as_str()) {
            *value = proxy::start(text, tape.clone())
                .await
                .with_context(|| format!("providers.{provider}.{key}"))?
                .into();
            there += 1;
        }
    }
    if there == 0 {
        bail!("[providers.{provider}] names no address of the provider");
    }
    let sections = Table::from_iter([(provider.to_owned(), toml::Value::Table(section))]);
    // The error's text would show the value.
    let config: ProvidersConfig = toml::Value::Table(sections)
        .try_into()
        .map_err(|error: toml::de::Error| anyhow::anyhow!("[providers.{provider}]: {}", error.message()))?;
    let registry = config.build()?;
    let adapter = registry.providers().next().context("no adapter was built")?;
    Script { adapter: adapter.as_ref(), tape: &tape, made: 0 }.all(orders).await?;
    Ok(tape.exchanges())
}

struct Script<'a> {
    adapter: &'a dyn PaymentProvider,
    tape: &'a Tape,
    made: u32,
}

impl Script<'_> {
    async fn all(&mut self, orders: &[Order]) -> Result<()> {
        let declared = self.adapter.capabilities().clone();
        if let Some(spec) = declared.tickers.iter().find(|spec| spec.kind != TickerKind::Standing) {
            let request =
                self.request(spec, Amount::new(10_u128.pow(u32::from(spec.asset.scale())), spec.asset))?;
            self.tape.begin("read_unknown");
            let unknown = IntentRecord {
                deposit_id: request.deposit_id.clone(),
                provider: self.adapter.id(),
                provider_ref: ProviderRef::new("no-such-order-0001")?,
                terms: request.terms,
                instructions: PayInstructions::HostedPage { url: String::new(), payment_id: None },
            };
            told("read_unknown", self.adapter.read(&unknown).await);
            self.look_up("look_up_unknown", &request).await;
        }
        if declared.standing_address {
            // The first account's address (index 0 is no account's): without one a scan has nothing to look at.
            self.adapter.watch(&[AccountIndex(1)]);
        }
        if declared.scan {
            self.tape.begin("scan");
            told("scan", self.adapter.scan(None).await);
        }
        for order in orders {
            let spec = declared.tickers.iter().find(|spec| spec.ticker == order.ticker);
            let spec =
                spec.with_context(|| format!("{} is not offered by {}", order.ticker, self.adapter.id()))?;
            let amount = Amount::parse(&order.amount, spec.asset).with_context(|| order.amount.clone())?;
            let request = self.request(spec, amount)?;
            let name = order.ticker.as_str().to_lowercase().replace('-', "_");
            self.tape.begin(&format!("open_{name}"));
            let Some(intent) = told(&format!("open_{name}"), self.adapter.open(&request).await) else {
                continue;
            };
            self.tape.begin(&format!("read_{name}"));
            told(&format!("read_{name}"), self.adapter.read(&IntentRecord::from(intent.as_ref())).await);
            self.look_up(&format!("look_up_{name}"), &request).await;
        }
        Ok(())
    }

    async fn look_up(&self, step: &str, request: &OpenRequest) {
        if self.adapter.capabilities().replay == Replay::LookUp {
            self.tape.begin(step);
            let wanted = LookUpRequest { deposit_id: request.deposit_id.clone(), terms: request.terms };
            told(step, self.adapter.look_up(&wanted).await);
        }
    }

    fn request(&mut self, spec: &TickerSpec, amount: Amount) -> Result<OpenRequest> {
        self.made += 1;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let (created_at, expires_at) = (Timestamp::from_secs(now), Timestamp::from_secs(now + 3_600));
        let rate = spec.credit.fixed_price().map_or_else(|| Price::new(Decimal::ONE), Ok)?;
        let terms = spec.terms(created_at).with_quote(Quote { amount, rate, unit_price: rate, expires_at });
        let deposit_id = DepositId::new(format!("fixture-{now}-{:04}", self.made))?;
        Ok(OpenRequest { deposit_id, terms, amount, expires_at, attempt: 1 })
    }
}

/// Refusals are worth recording as well: they are told and not fatal. What an adapter's error shows has no secret in it.
fn told<T, E: fmt::Display>(step: &str, result: Result<T, E>) -> Option<T> {
    match result {
        Ok(done) => {
            println!("{step}: ok");
            Some(done)
        }
        Err(error) => {
            println!("{step}: {error}");
            None
        }
    }
}
