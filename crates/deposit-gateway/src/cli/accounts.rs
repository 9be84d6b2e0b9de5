//! `deposit accounts`: works beside a running gateway, on the same store.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use deposit_core::{AccountIndex, AccountName, Asset, Signed};
use deposit_store::prelude::*;
use deposit_store::{Account, SqliteStore};
use serde_json::{Value, json};

use super::operator::{closing, dash, now, store, table};
use super::{Global, print};
use crate::http::wire::rfc3339;

/// Accounts in one page of the list.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum AccountsCommand {
    /// List the accounts with their balances
    #[command(
        after_help = "Examples:\n  deposit accounts list\n  deposit accounts list --json | jq .balances"
    )]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Close an account: its keys stop working, money that still comes goes to review
    #[command(
        after_help = "Closing twice keeps the first time. The balance stays; deposits that are open can still be paid, and what comes\n\
                            waits in `deposit review list` for you to assign to another account.\n\nExample:\n  deposit accounts close shop"
    )]
    Close {
        /// The account, as `accounts list` shows it
        name: AccountName,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Skip numbers of accounts, and with them Nano addresses, that may have been given before
    #[command(
        after_help = "For a database that was restored together with its mark (DATABASE-mark: a snapshot of the whole machine or volume), where nothing tells which\n\
                            accounts were made since; a copy by `deposit backup`, and one whose mark stayed or is missing, does this by itself. Ids of ledger\n\
                            entries are skipped as well. Skipping once too often does no harm. See docs/backup.md.\n\nExamples:\n  deposit accounts gap\n  deposit accounts gap --by 5000000 --json"
    )]
    Gap {
        /// At least so many: more than accounts were made since the backup
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
        by: u32,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(global: &Global, command: AccountsCommand) -> anyhow::Result<ExitCode> {
    let store = store(global).await?;
    let result = match command {
        AccountsCommand::List { json } => list(&store, json).await,
        AccountsCommand::Close { name, json } => close(&store, &name, json).await,
        AccountsCommand::Gap { by, json } => gap(&store, by, json).await,
    };
    closing(&store, result).await
}

async fn list(store: &SqliteStore, json: bool) -> anyhow::Result<ExitCode> {
    // Page by page, a table for each: there may be more accounts than memory.
    let mut after = AccountIndex(0);
    loop {
        let page = store.accounts_after(after, PAGE).await?;
        let mut rows = table(["account", "index", "created", "closed", "USD", "XNO"]);
        for account in &page {
            let balances = store.balances(account.id).await?;
            if json {
                print::line(line(account, &balances))?;
            } else {
                rows.add_row([
                    account.name.to_string(),
                    account.index.0.to_string(),
                    rfc3339(account.created_at),
                    dash(account.closed_at.map(rfc3339)),
                    balance(&balances, Asset::USD),
                    balance(&balances, Asset::XNO),
                ]);
            }
        }
        let last = page.last().map(|account| account.index);
        // Where there is none at all, the head of the table says so.
        if !json && (last.is_some() || after == AccountIndex(0)) {
            print::line(rows)?;
        }
        match last {
            Some(last) if page.len() >= usize::try_from(PAGE)? => after = last,
            Some(_) | None => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn close(store: &SqliteStore, name: &AccountName, json: bool) -> anyhow::Result<ExitCode> {
    let before = store.account_by_name(name).await?.and_then(|account| account.closed_at);
    let Some(account) = store.close_account(name, now()).await? else {
        bail!("no account is called {name}; `deposit accounts list` shows them");
    };
    if json {
        print::line(line(&account, &store.balances(account.id).await?))?;
    } else if let Some(at) = before {
        print::line(format_args!("{name} was closed already, at {}", rfc3339(at)))?;
    } else {
        print::line(format_args!(
            "{name} is closed: its keys stop working, money that still comes goes to review"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn gap(store: &SqliteStore, by: u32, json: bool) -> anyhow::Result<ExitCode> {
    let skipped = store.skip_numbers(by, now()).await?;
    if json {
        print::line(json!({ "accountIndex": skipped.account_index, "ledgerEntry": skipped.ledger_entry }))?;
    } else {
        print::line(format_args!(
            "new accounts are numbered above {}, new ledger entries above {}",
            skipped.account_index, skipped.ledger_entry
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(account: &Account, balances: &[Signed]) -> Value {
    json!({
        "name": account.name,
        "index": account.index.0,
        "createdAt": rfc3339(account.created_at),
        "closedAt": account.closed_at.map(rfc3339),
        "balances": { "USD": balance(balances, Asset::USD), "XNO": balance(balances, Asset::XNO) },
    })
}

fn balance(balances: &[Signed], asset: Asset) -> String {
    let held = balances.iter().find(|held| held.asset() == asset);
    held.map_or_else(|| "0".to_owned(), Signed::to_string)
}
