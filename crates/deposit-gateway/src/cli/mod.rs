//! The command line.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what these commands do")]

mod accounts;
mod backup;
mod completions;
mod config_check;
mod journal;
mod keys;
mod online;
mod openapi;
mod operator;
pub(crate) mod print;
mod reconcile;
mod remote;
mod review;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use comfy_table::{LineStyle, TableStyle, presets};

use crate::config::{Environment, Loaded};
use crate::logging::{self, LogFormat};

/// Tables: lines around the header and the end, none between rows.
pub(crate) const TABLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

const EXAMPLES: &str = "Examples:
  deposit demo                                 everything at once, offline, nothing to configure
  deposit serve --sandbox                      the gateway with emulated providers
  deposit keys create --account shop           an API key, printed once
  deposit reconcile                            compares the providers with the ledger
  deposit review list                          money that no rule could credit
  deposit config check --online                what is configured, and what is wrong, at the providers too
  deposit create BTC 0.0004 --watch            a deposit at a running gateway, followed until it is credited

Exit codes: 0 done, 1 failed, 2 wrong usage.
Logs go to standard error; DEPOSIT_LOG sets what is logged (info, debug, deposit_engine=debug).";

/// Takes deposits through many payment providers and credits each exactly once.
#[derive(Debug, Parser)]
#[command(name = "deposit", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file (default: deposit.toml where it exists); DEPOSIT__SECTION__KEY variables go over it
    #[arg(long, global = true, value_name = "FILE", display_order = 900)]
    config: Option<PathBuf>,
    /// Form of the logs
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "DEPOSIT_LOG_FORMAT",
        hide_env_values = true,
        display_order = 901
    )]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and pay one deposit of every ticker against emulated providers, and check the ledger
    #[cfg(feature = "sandbox")]
    #[command(after_help = "Examples:\n  deposit demo\n  deposit demo --json | tail -1")]
    Demo {
        /// One JSON line for each deposit and one for the ledger
        #[arg(long)]
        json: bool,
    },
    /// Run the gateway
    #[command(after_help = "Examples:\n  deposit serve --config deposit.toml\n  deposit serve --sandbox")]
    Serve {
        /// Start the provider emulators in this process and use them
        #[cfg(feature = "sandbox")]
        #[arg(long)]
        sandbox: bool,
    },
    /// Run the provider emulators alone
    #[cfg(feature = "sandbox")]
    #[command(
        after_help = "Prints one JSON line when it is ready: `control`, the address of the control API, and `config`, a deposit.toml for a gateway that uses
these emulators. With it the operator's commands (reconcile, journal replay) see the providers, which they do not beside `serve --sandbox`.

Example:
  deposit sandbox > sandbox.json &
  jq -r .config sandbox.json > deposit.toml
  deposit serve"
    )]
    Sandbox(sandbox::SandboxArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List and close accounts, skip numbers after a restore
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Look through money that no rule could credit, and assign or dismiss it
    #[command(subcommand)]
    Review(review::ReviewCommand),
    /// List stored provider messages, and work them off again
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Compare providers with the ledger
    #[command(after_help = reconcile::HELP)]
    Reconcile(reconcile::ReconcileArgs),
    /// Copy the store into a new file, while a gateway runs on it
    #[command(after_help = backup::HELP)]
    Backup(backup::BackupArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(flatten)]
    Remote(remote::RemoteCommand),
    /// Print completions for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the OpenAPI document of the HTTP API; needs no configuration
    #[command(after_help = "Example:\n  deposit openapi > openapi.json")]
    Openapi {
        /// As JSON, which it is anyway
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is configured, which tickers that enables, and what is wrong
    #[command(
        after_help = "With --online each provider is asked, reading only: whether it takes the credentials, which rights they have, settings that matter, and
whether its webhook is there, enabled, and was answered last time. States: right; advice (it works, something is not covered); unknown (could
not be looked at); WRONG (payers would find it, the text says what to change). `deposit serve` does the same at start and logs what is wrong.

Exit codes: 0 nothing is wrong, 1 otherwise.

Examples:
  deposit config check
  deposit config check --online
  deposit config check --online --json | jq '.online[] | select(.state == \"wrong\")'"
    )]
    Check {
        /// Ask the providers too
        #[arg(long)]
        online: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.global.log_format, default_filter(&cli.command));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(format_args!("deposit: the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        // As with other programs: no word about it, and no success, since not all was written.
        Err(error) if print::is_closed(&error) => ExitCode::FAILURE,
        Err(error) => {
            // One line with the whole chain: the first says what, the rest why.
            print::error(format_args!("deposit: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn default_filter(command: &Command) -> &'static str {
    match command {
        // Their own output is what a person looks at.
        #[cfg(feature = "sandbox")]
        Command::Demo { .. } => "error",
        // What a provider refuses is in the report.
        Command::Journal(_) | Command::Reconcile(_) => "error",
        Command::Keys(_)
        | Command::Accounts(_)
        | Command::Review(_)
        | Command::Backup(_)
        | Command::Config(_)
        | Command::Remote(_)
        | Command::Completions { .. }
        | Command::Openapi { .. } => "warn",
        Command::Serve { .. } => "info",
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => "info",
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        #[cfg(feature = "sandbox")]
        Command::Demo { json } => crate::demo::run(json).await,
        #[cfg(feature = "sandbox")]
        Command::Serve { sandbox } => serve::run(&global, sandbox).await,
        #[cfg(not(feature = "sandbox"))]
        Command::Serve {} => serve::run(&global, false).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Keys(command) => keys::run(&global, command).await,
        Command::Accounts(command) => accounts::run(&global, command).await,
        Command::Review(command) => review::run(&global, command).await,
        Command::Journal(command) => journal::run(&global, command).await,
        Command::Reconcile(args) => reconcile::run(&global, args).await,
        Command::Backup(args) => backup::run(&global, args).await,
        Command::Config(ConfigCommand::Check { online, json }) => {
            config_check::run(&global, online, json).await
        }
        Command::Remote(command) => remote::run(command).await,
        Command::Completions { shell } => completions::run(shell),
        Command::Openapi { json: _ } => openapi::run(),
    }
}

fn load(global: &Global, sandbox: Option<&str>) -> anyhow::Result<Loaded> {
    Ok(Loaded::read(global.config.as_deref(), sandbox, &Environment::of_process())?)
}

/// Ends at Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => {
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}

#[cfg(test)]
mod tests;
