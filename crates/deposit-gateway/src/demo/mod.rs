//! `deposit demo`: everything at once, offline. One deposit for every ticker goes the whole way over real HTTP: created at the
//! gateway, paid at the emulated provider, seen by webhook or poll, credited to a durable ledger.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this command does")]

mod http;
mod report;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use deposit_core::json::NumberText;
use deposit_core::{AccountName, Ticker, plain_decimal};
use deposit_engine::keys;
use deposit_sandbox::{Sandbox, SandboxConfig};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;

use self::http::Http;
use self::report::{Outcome, Progress};
use crate::config::{Environment, Loaded};
use crate::gateway::Gateway;

/// The demo asks for this many times the minimum: in the middle of every ticker's limits.
const TIMES_MINIMUM: u128 = 20;
/// How long one deposit may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a deposit's state is asked for.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Decimals that hold every ticker's amounts.
const FINEST: u8 = 30;

#[derive(Debug, Deserialize)]
struct Limits {
    minimum: NumberText,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    tx_id: String,
    status: String,
    paid_amount_crypto: NumberText,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    credited_usd: Option<NumberText>,
    #[serde(default)]
    credited_nano: Option<NumberText>,
}

#[derive(Debug, Deserialize)]
struct Paid {
    payment: String,
}

/// Runs the demo; exit code 0 only if every credit is there exactly once.
///
/// # Errors
/// What could not be started.
pub(crate) async fn run(json: bool) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let store = format!("sqlite://{}", folder.path().join("demo.db").display());
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    // Nothing but the create limit is relaxed: the demo makes more deposits in a minute than a payer may in ten.
    let sections = format!(
        "{}\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = {store:?}\n[create_rate_limit]\nrequests = 1000\n",
        sandbox.config_toml()
    );
    let built = Loaded::read(None, Some(&sections), &Environment::default())?.build()?;
    let listener = Gateway::bind(&built.server).await?;
    sandbox.set_gateways(vec![format!("http://{}", listener.local_addr()?)]);
    let gateway = Gateway::start(built, listener).await?;
    let result = demonstrate(&gateway, &sandbox, json).await;
    gateway.stop().await;
    sandbox.shutdown().await;
    Ok(if result? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the deposits of the demo share.
struct Stage<'a> {
    api: String,
    control: String,
    http: Http,
    control_http: Http,
    progress: &'a Progress,
}

async fn demonstrate(gateway: &Gateway, sandbox: &Sandbox, json: bool) -> anyhow::Result<bool> {
    let engine = gateway.engine();
    let account: AccountName = "demo".parse()?;
    let key = keys::issue(&**engine.store(), &account, engine.now()).await?;
    let tickers: Vec<(Ticker, String)> = engine
        .registry()
        .routes()
        .map(|route| (route.spec.ticker, route.provider.id().to_string()))
        .collect();
    let progress = Progress::new(tickers.len(), json);
    let stage = Stage {
        api: format!("http://{}/api", gateway.address()),
        control: sandbox.control_url(),
        http: Http::new(Some(key.key.expose().to_owned())),
        control_http: Http::new(None),
        progress: &progress,
    };
    let deposits = tickers.iter().map(|(ticker, provider)| stage.deposit(*ticker, provider));
    let outcomes: Vec<Outcome> = join_all(deposits).await;
    progress.finish();

    let check = engine.check_ledger().await?;
    let account = engine.store().ensure_account(&account, engine.now()).await?;
    let entries = engine.store().ledger_entries(account.id, 0, 10_000).await?;
    let mut postings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in &entries {
        let deposit = entry.deposit.as_ref().map(ToString::to_string).unwrap_or_default();
        postings.entry(deposit).or_default().push(entry.amount.to_string());
    }
    // Exactly once: one posting for each deposit, of just what the API says was credited, and none beside.
    let once = |outcome: &Outcome| postings.get(&outcome.tx_id) == Some(&vec![outcome.credited.clone()]);
    let complete = outcomes.iter().all(|outcome| outcome.is_complete() && once(outcome));
    let good = complete && check.balanced && entries.len() == outcomes.len();
    let ledger = if check.balanced { "balanced" } else { "unbalanced" };
    if json {
        for outcome in &outcomes {
            println!("{}", outcome.json());
        }
        println!("{}", json!({ "ledger": ledger, "deposits": outcomes.len(), "credits": check.credits }));
    } else {
        println!("{}", report::table(&outcomes));
        println!("ledger {ledger}: {} deposits, {} credits", outcomes.len(), check.credits);
        for fault in &check.faults {
            println!("  {fault}");
        }
        println!(
            "{}",
            if good { "every credit is there exactly once" } else { "a credit is missing or doubled" }
        );
    }
    Ok(good)
}

impl Stage<'_> {
    async fn deposit(&self, ticker: Ticker, provider: &str) -> Outcome {
        let begun = Instant::now();
        let mut outcome = Outcome::new(ticker, provider);
        if let Err(error) = self.walk(&mut outcome).await {
            outcome.error = Some(format!("{error:#}"));
        }
        outcome.seconds = begun.elapsed();
        self.progress.done(&outcome);
        outcome
    }

    async fn walk(&self, outcome: &mut Outcome) -> anyhow::Result<()> {
        let Self { api, control, .. } = self;
        let ticker = outcome.ticker;
        let provider = outcome.provider.clone();
        let limits: Limits = self.http.get(&format!("{api}/transaction/limits/{ticker}")).await?;
        let minimum = limits.minimum.decimal().to_minor(FINEST).context("limits")?;
        outcome.asked = plain_decimal(minimum.saturating_mul(TIMES_MINIMUM), FINEST);
        let body = format!("{{\"amount\":{}}}", outcome.asked);
        let created: State = self.http.post(&format!("{api}/transaction/create/{ticker}"), body).await?;
        outcome.take(&created);
        self.progress.step(outcome, "created");

        let pay = format!("{control}/{provider}/pay");
        let reference = created.address.as_deref().unwrap_or(&created.tx_id);
        let first = json!({ "ref": reference, "stage": "seen" }).to_string();
        let paid: Paid = self.control_http.post(&pay, first).await?;
        self.wait_for(outcome, |state| state.status != "New").await?;
        self.progress.step(outcome, "seen");
        let second = json!({ "ref": reference, "stage": "confirmed", "payment": paid.payment }).to_string();
        let _: Paid = self.control_http.post(&pay, second).await?;
        self.wait_for(outcome, |state| state.status == "Completed").await
    }

    async fn wait_for(&self, outcome: &mut Outcome, enough: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let url = format!("{}/transaction/status/{}/{}", self.api, outcome.ticker, outcome.tx_id);
        let begun = Instant::now();
        loop {
            let state: State = self.http.get(&url).await?;
            outcome.take(&state);
            if enough(&state) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("still {} after {} s", state.status, PATIENCE.as_secs());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
