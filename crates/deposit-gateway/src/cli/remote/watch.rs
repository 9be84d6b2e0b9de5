//! `deposit watch`: from the first sight of a payment to the credit.

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::{Term, style};
use deposit_core::Status;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Remote, Which, print, show};
use crate::client::{Answer, Client, Deposit, News};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    until: Until,
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// When to stop.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Until {
    /// Go on where the deposit is Expired or Failed: it may still be paid
    #[arg(long)]
    pub(super) keep_watching: bool,
    /// Stop after so many seconds, with exit code 1
    #[arg(long, value_name = "SECS")]
    pub(super) timeout: Option<u32>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Completed,
    Reversed,
    /// `Expired` or `Failed`.
    Unpaid(Status),
    TimedOut(u32),
    Interrupted,
    /// The gateway has no more to tell.
    Over,
}

impl Outcome {
    /// Whether this state is the end.
    fn of(deposit: &Deposit, until: Until) -> Option<Self> {
        match deposit.status {
            Status::Completed if deposit.reversed => Some(Self::Reversed),
            Status::Completed => Some(Self::Completed),
            status @ (Status::Expired | Status::Failed) => {
                (!until.keep_watching).then_some(Self::Unpaid(status))
            }
            Status::New | Status::Pending | Status::Processing | Status::Paid => None,
        }
    }

    /// What standard error says; a code for programs.
    fn message(self) -> Option<(String, &'static str)> {
        Some(match self {
            Self::Completed => return None,
            Self::Reversed => {
                ("the deposit was credited, and its payment was taken back".to_owned(), "reversed")
            }
            Self::Unpaid(status) => (
                format!("the deposit is {status}; it may still be paid: --keep-watching waits for that"),
                "not_credited",
            ),
            Self::TimedOut(secs) => (format!("not credited after {secs} s (--timeout)"), "timeout"),
            Self::Interrupted => ("interrupted; the deposit goes on".to_owned(), "interrupted"),
            Self::Over => ("the gateway tells no more about this deposit".to_owned(), "ended"),
        })
    }
}

pub(super) async fn run(WatchArgs { which, until, remote }: WatchArgs) -> anyhow::Result<ExitCode> {
    let client = remote.client()?;
    follow(&client, &which.ticker, &which.tx_id, until, &remote).await
}

/// Prints each change until the end.
pub(super) async fn follow(
    client: &Client,
    ticker: &str,
    tx_id: &str,
    until: Until,
    remote: &Remote,
) -> anyhow::Result<ExitCode> {
    let screen = Screen::new(remote.json);
    let outcome = walk(client, ticker, tx_id, until, &screen).await;
    screen.finish();
    let outcome = outcome?;
    match outcome.message() {
        Some((error, code)) if remote.json => print::error(json!({ "error": error, "code": code })),
        Some((error, _)) => print::error(format_args!("deposit: {error}")),
        None => {}
    }
    Ok(if outcome == Outcome::Completed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn walk(
    client: &Client,
    ticker: &str,
    tx_id: &str,
    until: Until,
    screen: &Screen,
) -> anyhow::Result<Outcome> {
    let mut follow = client.follow(ticker, tx_id);
    let mut stopped = pin!(crate::cli::stop_signal());
    let mut late = pin!(async {
        match until.timeout {
            Some(secs) => {
                tokio::time::sleep(Duration::from_secs(secs.into())).await;
                secs
            }
            None => std::future::pending().await,
        }
    });
    loop {
        let news = tokio::select! {
            news = follow.next() => news?,
            () = &mut stopped => return Ok(Outcome::Interrupted),
            secs = &mut late => return Ok(Outcome::TimedOut(secs)),
        };
        match news {
            Some(News::Change(answer)) => {
                screen.change(&answer)?;
                if let Some(outcome) = Outcome::of(&answer.value, until) {
                    return Ok(outcome);
                }
            }
            Some(News::Lost(error)) => screen.note(&format!("{error}; trying again")),
            Some(News::Polling) => tracing::debug!("no events come through: asking instead"),
            None => return Ok(Outcome::Over),
        }
    }
}

/// Where progress goes: a line for each change, on a terminal above a bar.
enum Screen {
    Json,
    Lines,
    Bar(ProgressBar),
}

impl Screen {
    fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        // The bar is drawn on standard error, the lines go to standard output: it takes both.
        if !(Term::stdout().is_term() && Term::stderr().is_term()) {
            return Self::Lines;
        }
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {elapsed}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Bar(bar)
    }

    fn change(&self, answer: &Answer<Deposit>) -> anyhow::Result<()> {
        let deposit = &answer.value;
        let at = show::plain(deposit.updated_at.as_ref().unwrap_or(&deposit.created_at));
        let words = show::progress(deposit);
        match self {
            Self::Json => print::line(&answer.raw)?,
            Self::Lines => print::line(format!("{at}  {:<10}  {words}", deposit.status))?,
            Self::Bar(bar) => {
                let (done, all) = steps(deposit);
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(deposit.status.to_string());
                let word = style(format!("{:<10}", deposit.status));
                let word = match deposit.status {
                    Status::Completed if !deposit.reversed => word.green(),
                    Status::Completed | Status::Failed | Status::Expired => word.red(),
                    Status::New | Status::Pending | Status::Processing | Status::Paid => word.yellow(),
                };
                bar.suspend(|| print::line(format!("{at}  {word}  {words}")))?;
            }
        }
        Ok(())
    }

    /// Something that is no change of the deposit.
    fn note(&self, text: &str) {
        match self {
            Self::Json => {}
            Self::Lines => print::error(format_args!("deposit: {}", show::plain(text))),
            Self::Bar(bar) => bar.suspend(|| print::error(format_args!("deposit: {}", show::plain(text)))),
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// How far it is: one step for being seen, one for each confirmation, one for the credit.
fn steps(deposit: &Deposit) -> (u64, u64) {
    let confirmations = deposit.required_confirmations.unwrap_or(1).clamp(1, 1000);
    let all = confirmations + 2;
    let done = match deposit.status {
        Status::New | Status::Expired | Status::Failed => 0,
        Status::Pending => u64::from(!deposit.payments.is_empty()),
        Status::Processing => 1 + deposit.confirmations.unwrap_or(0).min(confirmations),
        Status::Paid => 1 + confirmations,
        Status::Completed => all,
    };
    (done, all)
}
