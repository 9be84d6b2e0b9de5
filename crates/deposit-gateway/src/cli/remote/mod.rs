//! `deposit create`, `limits`, `status`, `watch`: a client of a running gateway.

mod create;
mod qr;
mod show;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use deposit_core::Secret;
use reqwest::Url;
use serde_json::json;

use super::print;
use crate::client::{Client, ClientError, gateway_url};

const KEY_VARIABLE: &str = "DEPOSIT_API_KEY";

const CREATE_EXAMPLES: &str = "Examples:
  deposit create BTC 0.0004
  deposit create USDC 10 --watch                    about 10 USD, followed until it is credited
  deposit create XMR 0.5 --json | jq -r .address
  deposit create BTC 0.0004 --idempotency-key o-17  however often it is run, one deposit

A lost connection is no reason for a second deposit: the same request is repeated with the same key.
Exit codes: 0 made (with --watch: credited), 1 failed, 2 wrong usage.";

const LIMITS_EXAMPLES: &str = "Examples:
  deposit limits KAS
  deposit limits BTC --json | jq .minimum";

const STATUS_EXAMPLES: &str = "Examples:
  deposit status BTC Jq4vT9mZxK2cRw7LbYd3Hp
  deposit status XNO 5C1A…                          by the hash of the send block
  deposit status BTC Jq4vT9mZxK2cRw7LbYd3Hp --json | jq -r .status";

const WATCH_EXAMPLES: &str = "Examples:
  deposit watch BTC Jq4vT9mZxK2cRw7LbYd3Hp && echo credited
  deposit watch BTC Jq4vT9mZxK2cRw7LbYd3Hp --timeout 600
  deposit watch BTC Jq4vT9mZxK2cRw7LbYd3Hp --json   one JSON line for each change

Exit codes: 0 Completed, 1 Expired, Failed, reversed after the credit, --timeout, interrupted or an error, 2 wrong usage.
An Expired or Failed deposit may still be paid and is then credited: --keep-watching waits for that.";

#[derive(Debug, Subcommand)]
pub(crate) enum RemoteCommand {
    /// Make a deposit and show how to pay it
    #[command(after_help = CREATE_EXAMPLES)]
    Create(create::CreateArgs),
    /// Show how much a ticker takes, now
    #[command(after_help = LIMITS_EXAMPLES)]
    Limits(LimitsArgs),
    /// Show a deposit as it is now
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Follow a deposit until it is credited
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(watch::WatchArgs),
}

/// Which gateway, as whom, in which form.
#[derive(Debug, Clone, Args)]
struct Remote {
    /// Address of the gateway
    #[arg(
        long,
        value_name = "URL",
        env = "DEPOSIT_URL",
        default_value = "http://127.0.0.1:8080",
        hide_env_values = true,
        value_parser = gateway_url,
        display_order = 100
    )]
    url: Url,
    /// File that holds the API key (default: the variable DEPOSIT_API_KEY). No argument takes the key itself: others could see it
    #[arg(long, value_name = "FILE", display_order = 101)]
    key_file: Option<PathBuf>,
    /// JSON as the gateway sends it, on one line; an error is a JSON line on standard error
    #[arg(long, display_order = 102)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    /// Ticker: BTC, XMR, USDC, EUR, …
    #[arg(value_name = "TICKER", value_parser = NonEmptyStringValueParser::new())]
    ticker: String,
    #[command(flatten)]
    remote: Remote,
}

/// One deposit.
#[derive(Debug, Args)]
struct Which {
    /// Ticker: BTC, XMR, USDC, EUR, …
    #[arg(value_name = "TICKER", value_parser = NonEmptyStringValueParser::new())]
    ticker: String,
    /// The deposit's ID, or the provider's own (Stripe session, Daimo payment, Nano block)
    #[arg(value_name = "TXID", value_parser = NonEmptyStringValueParser::new())]
    tx_id: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    remote: Remote,
}

impl RemoteCommand {
    fn remote(&self) -> &Remote {
        match self {
            Self::Create(args) => &args.remote,
            Self::Limits(args) => &args.remote,
            Self::Status(args) => &args.remote,
            Self::Watch(args) => &args.remote,
        }
    }
}

pub(super) async fn run(command: RemoteCommand) -> anyhow::Result<ExitCode> {
    let json = command.remote().json;
    let result = match command {
        RemoteCommand::Create(args) => create::run(args).await,
        RemoteCommand::Limits(args) => limits(args).await,
        RemoteCommand::Status(args) => status(args).await,
        RemoteCommand::Watch(args) => watch::run(args).await,
    };
    match result {
        Err(error) if !print::is_closed(&error) => Ok(failed(json, &error, None)),
        done => done,
    }
}

async fn limits(LimitsArgs { ticker, remote }: LimitsArgs) -> anyhow::Result<ExitCode> {
    let answer = remote.client()?.limits(&ticker).await?;
    if remote.json {
        print::line(answer.raw)?;
    } else {
        print::line(show::limits(&ticker, &answer.value))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(StatusArgs { which, remote }: StatusArgs) -> anyhow::Result<ExitCode> {
    let answer = remote.client()?.status(&which.ticker, &which.tx_id).await?;
    if remote.json {
        print::line(answer.raw)?;
    } else {
        print::line(show::deposit(&answer.value))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Remote {
    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url, Some(&self.key()?))?)
    }

    fn key(&self) -> anyhow::Result<Secret> {
        let key = match &self.key_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the key file {} cannot be read", path.display()))?;
                Secret::new(text.trim())
            }
            None => Secret::new(std::env::var(KEY_VARIABLE).unwrap_or_default().trim()),
        };
        if key.is_empty() { Err(ClientError::NoKey.into()) } else { Ok(key) }
    }
}

/// Says on standard error what went wrong and what to do next; `more` goes before the latter.
fn failed(json: bool, error: &anyhow::Error, more: Option<&str>) -> ExitCode {
    let known = error.downcast_ref::<ClientError>();
    let hint = known.and_then(ClientError::hint);
    let hint = match (more, hint) {
        (Some(more), Some(hint)) => Some(format!("{hint}; {more}")),
        (more, hint) => hint.or_else(|| more.map(str::to_owned)),
    };
    if json {
        let mut line = known.map_or_else(
            || json!({ "error": format!("{error:#}"), "code": "client_error" }),
            ClientError::json,
        );
        if let (Some(line), Some(hint)) = (line.as_object_mut(), hint) {
            line.insert("hint".to_owned(), hint.into());
        }
        print::error(line);
    } else {
        print::error(format_args!("deposit: {}", show::plain(&format!("{error:#}"))));
        if let Some(hint) = hint {
            print::error(format_args!("  {}", show::plain(&hint)));
        }
    }
    ExitCode::FAILURE
}
