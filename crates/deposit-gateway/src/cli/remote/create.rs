//! `deposit create`.

use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use console::Term;
use deposit_core::json::NumberText;

use super::watch::{Until, follow};
use super::{Remote, failed, print, qr, show};
use crate::client::{Deposit, random_id};

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Ticker: BTC, XMR, USDC, EUR, …
    #[arg(value_name = "TICKER", value_parser = NonEmptyStringValueParser::new())]
    ticker: String,
    /// Amount in the coin or currency; in USD for USDC, USDT, ETH and SOL
    #[arg(value_name = "AMOUNT", value_parser = amount, allow_negative_numbers = true)]
    amount: NumberText,
    /// Name of this order, 1 to 255 printable characters: a repeat within a day gives the same deposit (default: a random one)
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Follow it until it is credited, as `deposit watch` does
    #[arg(long)]
    watch: bool,
    /// With --watch: go on where the deposit is Expired or Failed, since it may still be paid
    #[arg(long, requires = "watch")]
    keep_watching: bool,
    /// With --watch: stop after so many seconds, with exit code 1
    #[arg(long, value_name = "SECS", requires = "watch")]
    timeout: Option<u32>,
    /// When to draw the link as a QR code
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    qr: qr::When,
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// Kept as it was typed: it goes to the gateway digit for digit.
fn amount(text: &str) -> Result<NumberText, String> {
    text.parse().map_err(|_| "an amount looks like 0.0004, 25 or 4e-4".to_owned())
}

pub(super) async fn run(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let CreateArgs { ticker, amount, idempotency_key, watch, keep_watching, timeout, qr, remote } = args;
    let client = remote.client()?;
    let key = idempotency_key.unwrap_or_else(random_id);
    let answer = match client.create(&ticker, &amount, &key).await {
        Ok(answer) => answer,
        Err(error) => {
            let open = error.leaves_a_create_open().then(|| {
                format!("it is not known whether a deposit was made: with --idempotency-key {key} the same command gives that one")
            });
            return Ok(failed(remote.json, &error.into(), open.as_deref()));
        }
    };
    let deposit = &answer.value;
    if remote.json {
        print::line(&answer.raw)?;
    } else {
        let mut rows = show::Rows::default();
        rows.add("deposit", &deposit.tx_id);
        show::terms(deposit, &mut rows);
        print::line(rows.text())?;
        draw(deposit, qr)?;
        if !watch {
            print::line(format_args!("\n{}", show::follow_hint(deposit)))?;
        }
    }
    if !watch {
        return Ok(ExitCode::SUCCESS);
    }
    follow(&client, &deposit.ticker, &deposit.tx_id, Until { keep_watching, timeout }, &remote).await
}

fn draw(deposit: &Deposit, when: qr::When) -> anyhow::Result<()> {
    let terminal = Term::stdout();
    let wanted = match when {
        qr::When::Always => true,
        qr::When::Never => false,
        qr::When::Auto => terminal.is_term(),
    };
    let Some(link) = deposit.payment_link.as_deref().filter(|_| wanted) else { return Ok(()) };
    let Some(drawing) = qr::draw(&qr::payload(link), terminal.is_term() && console::colors_enabled()) else {
        return Ok(());
    };
    // A code that is broken over lines is none.
    let (_, columns) = terminal.size();
    if when == qr::When::Auto && drawing.columns > usize::from(columns) {
        let needed = drawing.columns;
        return Ok(print::line(format!("(the terminal is too narrow for the QR code: {needed} columns)"))?);
    }
    Ok(print::line(format!("\n{}", drawing.text))?)
}
