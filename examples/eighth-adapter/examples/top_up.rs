//! A program of one's own with a provider of one's own: registered from outside, beside nothing else.
//!
//! One deposit of ACORN is created, paid, followed until it is completed, and found in the balance.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use acornpay_emulator::{API_KEY, Emulator, MERCHANT, PaymentStatus, WEBHOOK_SECRET};
use deposit_acornpay::Config;
use deposit_core::{Price, Status, Ticker};
use deposit_engine::{AmountInput, CreateRequest, Engine, EngineConfig, SystemClock, keys};
use deposit_facade::Registry;
use deposit_facade::rates::{Rates, StaticRates};
use deposit_store::SqliteStore;

/// Goes the whole way of one deposit; `say` gets a line for each step. Returns the account's balance in USD.
///
/// # Errors
/// Whatever went wrong.
pub async fn run(mut say: impl FnMut(String)) -> Result<String, Box<dyn Error>> {
    // The provider, in this process. No webhooks: the engine asks by itself.
    let acorn = Emulator::start(None).await?;
    let provider = deposit_acornpay::build(Config::new(acorn.url(), API_KEY, MERCHANT, WEBHOOK_SECRET))?;
    let registry = Registry::builder().register(provider)?.build();

    // The price of a coin that the workspace has never heard of.
    let ticker: Ticker = "ACORN".parse()?;
    let prices = BTreeMap::from([(ticker, Price::new("0.25".parse()?)?)]);
    let rates = Rates::new(vec![Arc::new(StaticRates::new(prices)?)], Duration::from_secs(300));

    let folder = tempfile::tempdir()?;
    let store =
        SqliteStore::open(&format!("sqlite://{}", folder.path().join("deposits.db").display())).await?;
    let settings = EngineConfig { young_secs: 1, ..EngineConfig::default() };
    let engine = Engine::new(Arc::new(store), registry, Arc::new(rates), settings, Arc::new(SystemClock));
    let background = engine.start().await?;

    let key = keys::issue(&**engine.store(), &"alice".parse()?, engine.now()).await?;
    let caller = engine.authenticate(key.key.expose()).await?.ok_or("the key is not known")?;
    let account = caller.account.clone();

    let mut changes = engine.changes();
    let request = CreateRequest {
        caller,
        ticker: "acorn".to_owned(),
        family: None,
        amount: AmountInput::Number("80.00000004".parse()?),
        idempotency_key: Some("order-1".to_owned()),
    };
    let deposit = engine.create(request).await.result?;
    let address = deposit.instructions.address().ok_or("no address")?.to_owned();
    say(format!("{}: pay 80.00000004 ACORN to {address}", deposit.status));

    let mut payment = None;
    let mut status = deposit.status;
    while status != Status::Completed {
        match &payment {
            None => payment = acorn.pay(&address, None, PaymentStatus::Pending),
            Some(id) => assert!(acorn.set_payment(id, PaymentStatus::Confirmed), "the payment is known"),
        }
        // Each change is told after it is committed.
        while status == current(&engine, account.id, ticker, deposit.id.as_str()).await? {
            tokio::time::timeout(Duration::from_secs(20), changes.recv()).await??;
        }
        status = current(&engine, account.id, ticker, deposit.id.as_str()).await?;
        say(status.to_string());
    }

    let balance = engine.balances(&account).await?.usd.to_string();
    let ledger = engine.check_ledger().await?;
    say(format!("balance {balance} USD, ledger balanced: {}", ledger.balanced));
    background.stop().await;
    Ok(balance)
}

async fn current(
    engine: &Engine,
    account: deposit_store::AccountId,
    ticker: Ticker,
    id: &str,
) -> Result<Status, Box<dyn Error>> {
    Ok(engine.deposit(account, ticker, id).await?.ok_or("no deposit")?.status)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(|line| println!("{line}")).await?;
    Ok(())
}
