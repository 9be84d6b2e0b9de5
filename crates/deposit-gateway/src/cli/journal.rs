//! `deposit journal`: stored provider messages. Works beside a running gateway, on the same store.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use deposit_core::ProviderId;
use deposit_engine::{Engine, RETRIED_OUTCOMES};
use deposit_store::prelude::*;
use deposit_store::{JournalFilter, JournalRow, SqliteStore};
use serde_json::{Value, json};

use super::operator::{closing, dash, engine, store, table};
use super::{Global, print};
use crate::http::wire::rfc3339;

const REPLAY_HELP: &str = "Replay is safe at any time, beside a running gateway too: evidence merges and postings are differences, so a message that was
handled before changes nothing. Bodies that are gone are not needed. Without ids: what is not handled yet, and what could not be
done (`unreadable`, `to_be_read`); --all: everything. The journal takes the new outcome of what got done; a replay that fails leaves
it as it was.

Outcomes: changed, unchanged, review, no_deposit, not_ours, not_open, nothing; waiting (too early to tell, look again in two
minutes); to_be_read (the provider could not be read), unreadable, not_configured: these three failed, and the exit code is 1.

Examples:
  deposit journal replay
  deposit journal replay 17 18
  deposit journal replay --all --provider stripe --json";

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// List stored messages, newest last
    #[command(
        after_help = "Examples:\n  deposit journal list --provider stripe --limit 20\n  deposit journal list --unhandled --json"
    )]
    List(ListArgs),
    /// Work stored messages off again
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only this provider's
    #[arg(long, value_name = "P")]
    provider: Option<ProviderId>,
    /// Only those that nobody has handled yet
    #[arg(long)]
    unhandled: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The messages' ids, as `journal list` shows them
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Everything that is stored
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Only this provider's
    #[arg(long, value_name = "P")]
    provider: Option<ProviderId>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, command: JournalCommand) -> anyhow::Result<ExitCode> {
    match command {
        JournalCommand::List(args) => {
            let store = store(global).await?;
            let result = list(&store, args).await;
            closing(&store, result).await
        }
        JournalCommand::Replay(args) => {
            let (store, engine) = engine(global).await?;
            let result = replay(&store, &engine, args).await;
            closing(&store, result).await
        }
    }
}

async fn list(store: &SqliteStore, args: ListArgs) -> anyhow::Result<ExitCode> {
    let filter = JournalFilter {
        provider: args.provider,
        unhandled: args.unhandled,
        limit: args.limit,
        ..JournalFilter::default()
    };
    let mut rows = table(["id", "provider", "delivery", "received", "handled", "outcome"]);
    for row in store.journal_rows(filter).await? {
        let outcome = row.outcome.clone();
        if args.json {
            print::line(line(&row, outcome.as_deref()))?;
        } else {
            rows.add_row(cells(&row, outcome));
        }
    }
    if !args.json {
        print::line(rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(store: &SqliteStore, engine: &Engine, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let chosen = !args.ids.is_empty();
    let filter = JournalFilter {
        ids: args.ids.clone(),
        provider: args.provider,
        unhandled: !chosen && !args.all,
        outcomes: if chosen || args.all {
            Vec::new()
        } else {
            RETRIED_OUTCOMES.iter().map(|word| (*word).to_owned()).collect()
        },
        limit: None,
    };
    let rows = store.journal_rows(filter).await?;
    if let Some(missing) = args.ids.iter().find(|id| !rows.iter().any(|row| row.id == **id)) {
        let of = args.provider.map(|provider| format!(" of {provider}")).unwrap_or_default();
        bail!("no stored message{of} has the id {missing}; `deposit journal list` shows the ids");
    }
    let mut table = table(["id", "provider", "delivery", "received", "handled", "outcome"]);
    let mut failed = 0_usize;
    let replayed = engine.replay_deliveries(rows).await?;
    let count = replayed.len();
    for done in replayed {
        failed += usize::from(done.failed);
        if args.json {
            print::line(line(&done.row, Some(done.outcome)))?;
        } else {
            table.add_row(cells(&done.row, Some(done.outcome.to_owned())));
        }
    }
    if !args.json {
        if count == 0 {
            print::line("nothing to replay; `deposit journal replay --all` works everything off again")?;
        } else {
            print::line(table)?;
        }
    }
    if failed > 0 {
        print::error(format_args!(
            "deposit: {failed} of {count} messages could not be worked off; replay them again once the provider answers"
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &JournalRow, outcome: Option<&str>) -> Value {
    json!({
        "id": row.id,
        "provider": row.provider,
        "delivery": row.delivery,
        "receivedAt": rfc3339(row.received_at),
        "handledAt": row.handled_at.map(rfc3339),
        "outcome": outcome,
    })
}

fn cells(row: &JournalRow, outcome: Option<String>) -> [String; 6] {
    [
        row.id.to_string(),
        row.provider.to_string(),
        row.delivery.to_string(),
        rfc3339(row.received_at),
        dash(row.handled_at.map(rfc3339)),
        dash(outcome),
    ]
}
