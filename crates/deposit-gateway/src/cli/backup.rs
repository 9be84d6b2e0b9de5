//! `deposit backup`: a copy of the store while a gateway runs on it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use deposit_store::SqliteStore;
use serde_json::json;

use super::operator::{closing, store};
use super::{Global, load, print};

pub(super) const HELP: &str = "The copy is of one moment, is checked, and is on disk when the command ends; it never replaces a file. It holds payers' data and hashes of API keys,
and none of the secrets of the configuration: keep those, the Nano seed above all, apart from it.

After a restore new accounts and ledger entries get numbers that were not given before: docs/backup.md says what else to do, step by step.

Examples:
  deposit backup /backups/deposit-$(date +%F).db
  deposit backup nightly.db --json | jq .lastLedgerEntry";

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The new file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(global: &Global, args: BackupArgs) -> anyhow::Result<ExitCode> {
    let url = load(global, None)?.config.store.url;
    // Opening would make a new and empty one, and its copy would look like a backup.
    if let Some(path) = url.strip_prefix("sqlite://")
        && !Path::new(path).is_file()
    {
        bail!("there is no database {path} (store.url)");
    }
    let store = store(global).await?;
    let result = copy(&store, &args).await;
    closing(&store, result).await
}

async fn copy(store: &SqliteStore, args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let done = store.backup(&args.file).await?;
    if args.json {
        print::line(json!({
            "file": args.file.display().to_string(),
            "bytes": done.bytes,
            "accounts": done.accounts,
            "deposits": done.deposits,
            "lastLedgerEntry": done.last_entry,
        }))?;
    } else {
        print::line(format_args!(
            "{}: {} bytes, {} accounts, {} deposits, ledger entries up to {}",
            args.file.display(),
            done.bytes,
            done.accounts,
            done.deposits,
            done.last_entry
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
