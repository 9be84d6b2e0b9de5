//! `cargo xtask watch`: what the schedule of reads promises, for each provider's declared budget, and what a simulation of it measures.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use anyhow::{Context, Result};
use clap::Parser;
use deposit_core::PaymentProvider;
use deposit_facade::ProvidersConfig;
use deposit_lifecycle::watch::simulation::{Load, Outcome, Provider, run};
use deposit_lifecycle::watch::{DAY_SECS, Pace};

/// Enough to build each adapter; nothing is asked of anybody.
const SECTIONS: &str = include_str!("providers.toml");

#[derive(Debug, Parser)]
struct Cli {
    /// Deposits in the window of thirty days; several times for several.
    #[arg(long)]
    deposits: Vec<u32>,
    /// This provider alone.
    #[arg(long)]
    provider: Option<String>,
    /// Hours to simulate.
    #[arg(long, default_value_t = 3)]
    hours: i64,
}

fn main() -> Result<()> {
    let mut cli = Cli::parse();
    if cli.deposits.is_empty() {
        cli.deposits = vec![1_000, 10_000, 100_000, 1_000_000];
    }
    let sections: ProvidersConfig = toml::from_str(SECTIONS).context("providers.toml")?;
    let registry = sections.build()?;
    println!(
        "| provider | reads/s × orders | deposits | young | fit | a payment is read within (s) | measured | no deposit unread for (h) | measured | budget used |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for adapter in registry.providers() {
        if cli.provider.as_ref().is_some_and(|name| *name != adapter.id().to_string()) {
            continue;
        }
        for deposits in &cli.deposits {
            line(&**adapter, *deposits, cli.hours)?;
        }
    }
    Ok(())
}

fn line(adapter: &dyn PaymentProvider, deposits: u32, hours: i64) -> Result<()> {
    let declared = adapter.capabilities();
    let provider = Provider {
        requests: declared.budget.requests,
        per_millis: u64::try_from(declared.budget.per.as_millis())?,
        requests_per_read: declared.requests_per_read,
        read_batch: u32::try_from(declared.read_batch)?,
        concurrency: declared.budget.concurrency,
    };
    // The defaults of the configuration.
    let pace = Pace {
        young_secs: 10,
        old_secs: 600,
        window_secs: 30 * DAY_SECS,
        feed: adapter.feed_shows_changes(),
    };
    let load = Load {
        deposits,
        under_way: deposits / 1000,
        lifetime_secs: 3600,
        horizon_secs: hours.saturating_mul(3600),
    };
    let Outcome {
        young,
        fits,
        bound_secs,
        worst_secs,
        longest_unread_secs,
        old_bound_secs,
        used_permille,
        ..
    } = run(&provider, &pace, &load);
    let reads = u64::from(provider.requests) * 10_000
        / provider.per_millis.max(1)
        / u64::from(provider.requests_per_read.max(1));
    println!(
        "| {} | {}.{} × {} | {deposits} | {young} | {} | {bound_secs} | {worst_secs} | {} | {} | {} % |",
        adapter.id(),
        reads / 10,
        reads % 10,
        provider.read_batch,
        if fits { "yes" } else { "no" },
        old_bound_secs.div_euclid(3600) + 1,
        longest_unread_secs.div_euclid(3600) + 1,
        used_permille / 10,
    );
    Ok(())
}
