//! The engine in a program of its own, without any HTTP server of this project.
//!
//! A provider (here the emulated BTCPay Server, in the same process), a SQLite file, prices, and the engine over them: one deposit is
//! created, paid, followed until it is completed, and found in the balance.
//!
//! ```text
//! cargo run -p deposit-engine --example embedded
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use deposit_core::Status;
use deposit_engine::{AmountInput, Caller, CreateRequest, Engine, EngineConfig, SystemClock, keys};
use deposit_facade::{ProvidersConfig, RatesConfig};
use deposit_sandbox::{Emulator, PayRequest, PayStage, Sandbox, SandboxConfig};
use deposit_store::SqliteStore;
use serde::Deserialize;

/// The part of a configuration file that the emulator prints ready for use.
#[derive(Debug, Deserialize)]
struct Config {
    rates: RatesConfig,
    providers: ProvidersConfig,
}

/// Goes the whole way of one deposit; `say` gets a line for each step. Returns the account's balance in USD.
///
/// # Errors
/// Whatever went wrong.
pub async fn run(mut say: impl FnMut(String)) -> Result<String, Box<dyn Error>> {
    // The provider. A real one is a section `[providers.btcpay]` with its address, key and secret.
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    let mut sections: toml::Table = sandbox.config_toml().parse()?;
    if let Some(toml::Value::Table(providers)) = sections.get_mut("providers") {
        // The sandbox speaks for all providers; this program is built with the adapter of one.
        providers.retain(|name, _| name == "btcpay");
    }
    let config: Config = sections.try_into()?;

    // What an engine is made of: a store, providers, prices, settings, a clock.
    let folder = tempfile::tempdir()?;
    let store =
        SqliteStore::open(&format!("sqlite://{}", folder.path().join("deposits.db").display())).await?;
    let rates = config.rates.build(&config.providers)?;
    let registry = config.providers.build()?;
    // Without webhooks, a program that wants to know soon asks often.
    let settings = EngineConfig { young_secs: 1, ..EngineConfig::default() };
    let engine = Engine::new(Arc::new(store), registry, Arc::new(rates), settings, Arc::new(SystemClock));
    let background = engine.start().await?;

    // Whose deposit it is.
    let key = keys::issue(&**engine.store(), &"alice".parse()?, engine.now()).await?;
    let caller: Caller = engine.authenticate(key.key.expose()).await?.ok_or("the key is not known")?;
    let account = caller.account.clone();

    let mut changes = engine.changes();
    let request = CreateRequest {
        caller,
        ticker: "BTC".to_owned(),
        family: None,
        amount: AmountInput::Number("0.0004".parse()?),
        idempotency_key: Some("order-1".to_owned()),
    };
    let deposit = engine.create(request).await.result?;
    let address = deposit.instructions.address().ok_or("no address")?.to_owned();
    say(format!("{}: pay 0.0004 BTC to {address}", deposit.status));

    let mut payment = None;
    let mut status = deposit.status;
    while status != Status::Completed {
        // The payer: first the payment is seen, then confirmed.
        if status == Status::New || status == Status::Processing {
            let stage = if payment.is_none() { PayStage::Seen } else { PayStage::Confirmed };
            let pay = PayRequest {
                reference: address.clone(),
                amount: None,
                stage,
                payment: payment.take(),
                ticker: None,
            };
            payment = Some(sandbox.emulators().btcpay.pay(&pay)?);
        }
        // Each change is told after it is committed. Other programs may read `store().history(...)` instead.
        loop {
            let change = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await??;
            let now =
                engine.deposit(account.id, deposit.ticker, change.id.as_str()).await?.ok_or("no deposit")?;
            if now.status != status {
                status = now.status;
                break;
            }
        }
        say(status.to_string());
    }

    let balance = engine.balances(&account).await?.usd.to_string();
    let ledger = engine.check_ledger().await?;
    say(format!("balance {balance} USD, ledger balanced: {}", ledger.balanced));
    background.stop().await;
    sandbox.shutdown().await;
    Ok(balance)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(|line| println!("{line}")).await?;
    Ok(())
}
