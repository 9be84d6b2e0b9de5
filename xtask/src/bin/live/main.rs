//! Records what a real account answers, as `fixtures/PROVIDER/live/NAME.json`: the adapter itself asks, through a proxy of ours that
//! writes down both sides. Every secret is redacted, and nothing is written if one is left.
//!
//! Run by `cargo xtask fixtures --live PROVIDER --config FILE [--order TICKER=AMOUNT]...`. Without `--order` it only reads.
#![allow(clippy::print_stdout, reason = "a command-line program")]

#[path = "../fixtures/json.rs"]
mod json;
mod proxy;
mod redact;
mod script;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use toml::Table;

use crate::redact::Secrets;
use crate::script::Order;

/// File name -> content.
type Recorded = BTreeMap<String, String>;

#[derive(Debug, Parser)]
struct Cli {
    /// Which section `[providers.*]`.
    provider: String,
    /// A gateway's configuration.
    #[arg(long)]
    config: PathBuf,
    /// An order to open there, such as BTC=0.0004. Nobody has to pay it.
    #[arg(long, value_name = "TICKER=AMOUNT")]
    order: Vec<Order>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(&cli.provider).join("live");
    match all(&cli, &folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn all(cli: &Cli, folder: &Path) -> Result<()> {
    let text =
        fs::read_to_string(&cli.config).with_context(|| format!("reading {}", cli.config.display()))?;
    // An error of the parser would show the line, and with it a secret.
    let config: Table = text.parse().map_err(|_| anyhow::anyhow!("{} is no TOML", cli.config.display()))?;
    let section = section(&config, &cli.provider)?;
    let recorded = record(&cli.provider, section, &cli.order).await?;
    // Files of an earlier recording stay: each records what its orders were.
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    for (name, text) in &recorded {
        fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    println!(
        "fixtures/{}/live: {} files written; review them before you commit",
        cli.provider,
        recorded.len()
    );
    Ok(())
}

/// `[providers.NAME]` with the values of `KEY_file` read.
fn section(config: &Table, provider: &str) -> Result<Table> {
    let section = config.get("providers").and_then(|all| all.get(provider)).and_then(|one| one.as_table());
    let section = section.with_context(|| format!("the configuration has no [providers.{provider}]"))?;
    let mut read = Table::new();
    for (key, value) in section {
        match (key.strip_suffix("_file"), value.as_str()) {
            (Some(plain), Some(path)) => {
                let text =
                    fs::read_to_string(path).with_context(|| format!("reading the file of `{key}`"))?;
                read.insert(plain.to_owned(), text.trim_end().into());
            }
            _ => _ = read.insert(key.clone(), value.clone()),
        }
    }
    Ok(read)
}

/// Everything but the writing: the files, with no secret in any of them.
async fn record(provider: &str, section: Table, orders: &[Order]) -> Result<Recorded> {
    let secrets = Secrets::of(&section)?;
    let exchanges = script::play(provider, section, orders).await?;
    ensure!(!exchanges.is_empty(), "nothing was recorded: no request was answered");
    let mut recorded = Recorded::new();
    for exchange in &exchanges {
        let text = secrets.hide(&exchange.document()?)?;
        recorded.insert(format!("{}.json", exchange.name), text + "\n");
    }
    // Looked for once more in what would be written, in more ways than they were hidden.
    for (name, text) in &recorded {
        secrets.refuse(name, text)?;
    }
    Ok(recorded)
}

#[cfg(test)]
mod tests;
