//! Project tasks, run as `cargo xtask TASK`.
//!
//! Kept light on purpose: `cargo xtask test` should start to test, not to compile. What needs the sandbox
//! (the recorder of the fixtures) is a binary of its own behind the feature `fixtures`.
#![allow(clippy::print_stdout, reason = "a command-line program")]

mod ci;
mod circles;
mod eighth;
mod features;
mod fixtures;
mod fuzz;
mod layers;
mod new_adapter;
mod run;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Project tasks", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// All tests: with nextest where it is installed, else `cargo test`; then the doctests and the crash test.
    Test,
    /// What `.ci/run` runs, in its order; stops at the first failure.
    Ci {
        /// All steps but the tests.
        #[arg(long)]
        skip_test: bool,
    },
    /// The adapter features of the facade: none, each alone, each pair, all; what is compiled for each; who may depend on whom.
    Features,
    /// Circles between files: none may be left.
    Circles,
    /// Records `fixtures/PROVIDER/*.json` from the emulators.
    Fixtures {
        /// Write nothing; fail if a file differs from what would be recorded.
        #[arg(long)]
        check: bool,
        /// Record `fixtures/PROVIDER/live/*.json` from a real account instead, every secret redacted.
        #[arg(long, value_name = "PROVIDER", requires = "config", conflicts_with = "check")]
        live: Option<String>,
        /// The configuration of a gateway with `[providers.PROVIDER]`, for `--live`.
        #[arg(long, value_name = "FILE", requires = "live")]
        config: Option<std::path::PathBuf>,
        /// An order to open at the real provider, such as BTC=0.0004; several times for several. Without one, `--live` only reads.
        #[arg(long, value_name = "TICKER=AMOUNT", requires = "live")]
        order: Vec<String>,
    },
    /// Fuzzes a live gateway by its own OpenAPI document, with every check of schemathesis (needs Python 3.11; installs the rest).
    Fuzz {
        /// Requests for each call and phase.
        #[arg(long, default_value_t = fuzz::EXAMPLES)]
        examples: u32,
        /// Other requests than the usual ones.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// What the schedule of reads promises for each provider's budget, and what a simulation of it measures: the table of docs/watch.md.
    Watch {
        /// Deposits in the window; several times for several.
        #[arg(long)]
        deposits: Vec<u32>,
        /// This provider alone.
        #[arg(long)]
        provider: Option<String>,
    },
    /// What a create, a credit, a webhook, a scan and a page cost with few rows and with many: the table of docs/growth.md.
    Growth {
        /// Rows of everything; several times for several.
        #[arg(long)]
        rows: Vec<u32>,
    },
    /// Scaffolds an adapter: crate, emulator module, fixtures folder, suite, and its lines where adapters are listed.
    NewAdapter {
        /// Its name: 2-16 of a-z and 0-9, a letter first.
        name: String,
        /// Do it in a copy of the workspace, compile that, and throw it away. Slow.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test => test::all(),
        Task::Ci { skip_test } => ci::all(skip_test),
        Task::Features => features::all(),
        Task::Circles => circles::check(),
        Task::Fixtures { live: Some(provider), config: Some(config), order, .. } => {
            fixtures::live(&provider, &config, &order)
        }
        Task::Fixtures { check, .. } => fixtures::record(check),
        Task::Fuzz { examples, seed } => fuzz::all(examples, seed),
        Task::Watch { deposits, provider } => fixtures::watch(&deposits, provider.as_deref()),
        Task::Growth { rows } => fixtures::growth(&rows),
        Task::NewAdapter { name, check: false } => new_adapter::new_adapter(&name),
        Task::NewAdapter { name, check: true } => new_adapter::trial(&name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
