//! `deposit keys`: works beside a running gateway, on the same store.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use deposit_core::AccountName;
use deposit_engine::keys;
use deposit_store::prelude::*;
use serde_json::json;

use super::{Global, operator, print};
use crate::http::wire::rfc3339;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key and print it, once: only its hash is stored
    #[command(after_help = "Example:\n  export DEPOSIT_API_KEY=$(deposit keys create --account shop)")]
    Create {
        /// The account that the key acts for; made if it is new. 1-64 characters of A-Z a-z 0-9 . _ @ -
        #[arg(long, value_name = "NAME")]
        account: AccountName,
    },
    /// List the keys (never the keys themselves)
    #[command(after_help = "Examples:\n  deposit keys list\n  deposit keys list --json | jq -r .id")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key
    #[command(after_help = "Example:\n  deposit keys revoke 3f9c01d2e4b5a6c7")]
    Revoke {
        /// The key's id, as `keys list` shows it
        id: String,
    },
}

pub(super) async fn run(global: &Global, command: KeysCommand) -> anyhow::Result<ExitCode> {
    let store = operator::store(global).await?;
    let now = operator::now();
    match command {
        KeysCommand::Create { account } => {
            let issued = keys::issue(&*store, &account, now).await?;
            print::line(issued.key.expose())?;
        }
        KeysCommand::List { json } => {
            let keys = store.api_keys().await?;
            if json {
                for key in keys {
                    let line = json!({
                        "id": key.id,
                        "account": key.account.name,
                        "createdAt": rfc3339(key.created_at),
                        "revokedAt": key.revoked_at.map(rfc3339),
                    });
                    print::line(line)?;
                }
            } else {
                let mut table = operator::table(["id", "account", "created", "revoked"]);
                for key in keys {
                    let revoked = operator::dash(key.revoked_at.map(rfc3339));
                    table.add_row([key.id, key.account.name.to_string(), rfc3339(key.created_at), revoked]);
                }
                print::line(table)?;
            }
        }
        KeysCommand::Revoke { id } => {
            if !store.revoke_api_key(&id, now).await? {
                bail!("no key has the id {id:?}; `deposit keys list` shows the ids");
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
