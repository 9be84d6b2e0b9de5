//! `cargo xtask growth`: what single steps cost with few and with many rows of everything, on a real SQLite file.
#![allow(clippy::print_stdout, reason = "a command-line program")]

mod fill;
mod steps;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use deposit_store::SqliteStore;
use deposit_store::prelude::*;

use steps::{Bench, STEPS};
use tempfile::TempDir;

/// So often is each step done before it is measured: a file that was just filled is in no cache.
const WARMING: u32 = 50;

#[derive(Debug, Parser)]
struct Cli {
    /// Rows of accounts, deposits, payments, postings, deliveries, rates and reviews; several times for several. The first is what the others
    /// are compared with.
    #[arg(long)]
    rows: Vec<u32>,
    /// How often each step is done; the median counts.
    #[arg(long, default_value_t = 101)]
    times: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut cli = Cli::parse();
    if cli.rows.is_empty() {
        cli.rows = vec![10_000, 1_000_000];
    }
    let mut benches = Vec::new();
    for rows in &cli.rows {
        benches.push(filled(*rows).await?);
    }
    let columns = measure(&benches, cli.times).await?;
    let heads: Vec<String> = cli.rows.iter().map(|rows| format!("{rows} rows (µs)")).collect();
    println!("| step | {} | ratio |", heads.join(" | "));
    println!("|---|{}---|", "---|".repeat(cli.rows.len()));
    for (at, name) in STEPS.iter().enumerate() {
        let times: Vec<u128> =
            columns.iter().filter_map(|column| column.get(at)).map(Duration::as_micros).collect();
        let (Some(first), Some(last)) = (times.first(), times.last()) else { continue };
        let tenths = last.saturating_mul(10).checked_div(*first).unwrap_or(0);
        let cells: Vec<String> = times.iter().map(ToString::to_string).collect();
        println!("| {name} | {} | {}.{} |", cells.join(" | "), tenths / 10, tenths % 10);
    }
    Ok(())
}

/// A file with so many rows; it goes with the folder.
async fn filled(rows: u32) -> Result<(TempDir, Bench)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("growth.db");
    let store = SqliteStore::open(&format!("sqlite://{}", path.display())).await?;
    store.ping().await?;
    let bench = Bench::new(store).await?;
    fill::fill(&path, rows, &bench).await?;
    Ok((folder, bench))
}

/// The median time of each step on each of them, by turns: what else the machine does meanwhile harms all alike.
async fn measure(benches: &[(TempDir, Bench)], times: u32) -> Result<Vec<Vec<Duration>>> {
    let mut medians = vec![Vec::new(); benches.len()];
    for step in 0..STEPS.len() {
        let mut taken = vec![Vec::new(); benches.len()];
        for n in 0..times.saturating_add(WARMING) {
            for ((_, bench), taken) in benches.iter().zip(&mut taken) {
                let prepared = bench.prepare(step, n).await?;
                let began = Instant::now();
                bench.run(step, n, prepared).await?;
                if n >= WARMING {
                    taken.push(began.elapsed());
                }
            }
        }
        for (mut taken, medians) in taken.into_iter().zip(&mut medians) {
            taken.sort_unstable();
            medians.push(taken.get(taken.len() / 2).copied().unwrap_or_default());
        }
    }
    Ok(medians)
}
