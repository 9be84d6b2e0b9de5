//! `deposit demo`: everything at once, offline. One deposit for every ticker goes the whole way over real HTTP: created at the
//! gateway, paid at the emulated provider, seen by webhook or poll, credited to a durable ledger.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this command does")]

mod report;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use deposit_core::json::NumberText;
use deposit_core::{AccountName, Status, Ticker, TickerKind, plain_decimal};
use deposit_engine::keys;
use deposit_facade::Route;
use deposit_sandbox::{Sandbox, SandboxConfig};
use futures_util::future::join_all;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use self::report::{Outcome, Progress};
use crate::cli::print;
use crate::client::{Client, Follow, News, random_id};
use crate::config::{Environment, Loaded};
use crate::gateway::Gateway;

/// The demo asks for this many times the minimum: in the middle of every ticker's limits.
const TIMES_MINIMUM: u128 = 20;
/// How long one deposit may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether a direct payment has been seen: only then there is a deposit to follow.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Decimals that hold every ticker's amounts.
const FINEST: u8 = 30;

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
    gateway: Client,
    control: Client,
    progress: &'a Progress,
}

async fn demonstrate(gateway: &Gateway, sandbox: &Sandbox, json: bool) -> anyhow::Result<bool> {
    let engine = gateway.engine();
    let account: AccountName = "demo".parse()?;
    let key = keys::issue(&**engine.store(), &account, engine.now()).await?;
    let ways: Vec<Way> = engine.registry().routes().map(Way::of).collect();
    let progress = Progress::new(ways.len(), json);
    let address: Url = format!("http://{}", gateway.address()).parse()?;
    let stage = Stage {
        gateway: Client::new(&address, Some(&key.key))?,
        control: Client::new(&sandbox.control_url().parse()?, None)?,
        progress: &progress,
    };
    let deposits = ways.iter().map(|way| stage.deposit(way));
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
            print::line(outcome.json())?;
        }
        print::line(json!({ "ledger": ledger, "deposits": outcomes.len(), "credits": check.credits }))?;
    } else {
        print::line(report::table(&outcomes))?;
        print::line(format_args!("ledger {ledger}: {} deposits, {} credits", outcomes.len(), check.credits))?;
        for fault in &check.faults {
            print::line(format_args!("  {fault}"))?;
        }
        print::line(if good {
            "every credit is there exactly once"
        } else {
            "a credit is missing or doubled"
        })?;
    }
    Ok(good)
}

/// One way of paying, as the demo has to go about it.
struct Way {
    ticker: Ticker,
    provider: String,
    /// Paid to the account's own address: there is nothing to create.
    standing: bool,
    /// The provider tells of a payment by itself; else it is noticed at the next poll, and the demo pays in one step.
    pushes: bool,
    /// Found in a feed: such a provider may never have been told an amount, so its payer brings one. (Where it was, it is the one due.)
    brings_amount: bool,
}

impl Way {
    fn of(route: &Route) -> Self {
        let capabilities = route.provider.capabilities();
        let standing = route.spec.kind == TickerKind::Standing;
        Self {
            ticker: route.spec.ticker,
            provider: route.provider.id().to_string(),
            standing,
            pushes: capabilities.webhooks,
            brings_amount: standing || capabilities.scan,
        }
    }
}

impl Stage<'_> {
    async fn deposit(&self, way: &Way) -> Outcome {
        let begun = Instant::now();
        let mut outcome = Outcome::new(way.ticker, &way.provider);
        if let Err(error) = self.walk(way, &mut outcome).await {
            outcome.error = Some(format!("{error:#}"));
        }
        outcome.seconds = begun.elapsed();
        self.progress.done(&outcome);
        outcome
    }

    async fn walk(&self, way: &Way, outcome: &mut Outcome) -> anyhow::Result<()> {
        let ticker = way.ticker;
        let limits = self.gateway.limits(ticker.as_str()).await?.value;
        let minimum = limits.minimum.decimal().to_minor(FINEST).context("limits")?;
        outcome.asked = plain_decimal(minimum.saturating_mul(TIMES_MINIMUM), FINEST);
        let reference = if way.standing {
            self.gateway.balance().await?.value.nano_deposit_address
        } else {
            let amount: NumberText = outcome.asked.parse()?;
            let created = self.gateway.create(ticker.as_str(), &amount, &random_id()).await?.value;
            outcome.take(&created);
            self.progress.step(outcome, "created");
            created.address.unwrap_or(created.tx_id)
        };
        let mut payment = None;
        let mut watched = None;
        if way.pushes {
            payment = Some(self.pay(way, outcome, &reference, "seen", None).await?);
            if way.standing {
                // Its deposit opens when the payment is first seen; it is asked for by the provider's own id.
                outcome.tx_id = payment.clone().unwrap_or_default();
            }
            let follow = self.follow(outcome).await?;
            self.wait_for(outcome, watched.insert(follow), |status| status != Status::New).await?;
            self.progress.step(outcome, "seen");
        }
        let payment = self.pay(way, outcome, &reference, "confirmed", payment).await?;
        if outcome.tx_id.is_empty() {
            outcome.tx_id = payment;
        }
        let mut follow = match watched {
            Some(follow) => follow,
            None => self.follow(outcome).await?,
        };
        self.wait_for(outcome, &mut follow, |status| status == Status::Completed).await
    }

    /// The payer pays at the emulated provider; answers the payment's id.
    async fn pay(
        &self,
        way: &Way,
        outcome: &Outcome,
        reference: &str,
        stage: &str,
        payment: Option<String>,
    ) -> anyhow::Result<String> {
        let mut order = json!({ "ref": reference, "stage": stage });
        if let Some(order) = order.as_object_mut() {
            if let Some(payment) = payment {
                order.insert("payment".to_owned(), payment.into());
            }
            if way.brings_amount {
                order.insert("amount".to_owned(), outcome.asked.clone().into());
                order.insert("ticker".to_owned(), way.ticker.as_str().into());
            }
        }
        let paid: Paid = self.control.post(&[&way.provider, "pay"], order.to_string()).await?.value;
        Ok(paid.payment)
    }

    /// From now on; a direct payment has no deposit until it is first seen.
    async fn follow(&self, outcome: &Outcome) -> anyhow::Result<Follow> {
        let ticker = outcome.ticker.as_str();
        let begun = Instant::now();
        loop {
            match self.gateway.status(ticker, &outcome.tx_id).await {
                Err(error) if error.is_unknown_deposit() && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(ASK_EVERY).await;
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(self.gateway.follow(ticker, &outcome.tx_id)),
            }
        }
    }

    async fn wait_for(
        &self,
        outcome: &mut Outcome,
        follow: &mut Follow,
        enough: impl Fn(Status) -> bool,
    ) -> anyhow::Result<()> {
        let mut told = follow.last().map(|deposit| deposit.status);
        let end = tokio::time::Instant::now() + PATIENCE;
        while !told.is_some_and(&enough) {
            let news = tokio::time::timeout_at(end, follow.next()).await;
            let Ok(news) = news else {
                bail!("still {} after {} s", outcome.status, PATIENCE.as_secs());
            };
            match news? {
                Some(News::Change(answer)) => {
                    outcome.take(&answer.value);
                    told = Some(answer.value.status);
                }
                Some(News::Lost(_) | News::Polling) => {}
                None => bail!("the gateway tells no more at {}", outcome.status),
            }
        }
        Ok(())
    }
}
