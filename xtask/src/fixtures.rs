//! `cargo xtask fixtures`: starts the recorder, a binary of its own, because it is built with the sandbox.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{cargo, run};

/// Records the fixtures; with `check` it compares only.
pub(crate) fn record(check: bool) -> Result<()> {
    let mut args =
        vec!["run", "--quiet", "--package", "xtask", "--features", "fixtures", "--bin", "fixtures", "--"];
    if check {
        args.push("--check");
    }
    run(cargo(args))
}

/// Records from a real account, through its adapter.
pub(crate) fn live(provider: &str, config: &Path, orders: &[String]) -> Result<()> {
    // The recorder runs in the root of the workspace.
    let config = config.canonicalize().with_context(|| config.display().to_string())?;
    let mut command =
        cargo(["run", "--quiet", "--package", "xtask", "--features", "live", "--bin", "live", "--"]);
    command.arg(provider).arg("--config").arg(config);
    command.args(orders.iter().map(|order| format!("--order={order}")));
    run(command)
}

/// What single steps cost with few and with many rows. Ratios count, so it is built as everything else here is.
pub(crate) fn growth(rows: &[u32]) -> Result<()> {
    let mut command =
        cargo(["run", "--quiet", "--package", "xtask", "--features", "growth", "--bin", "growth", "--"]);
    command.args(rows.iter().map(|count| format!("--rows={count}")));
    run(command)
}

/// The simulation of the watch, a binary of its own because it is built with the adapters.
pub(crate) fn watch(deposits: &[u32], provider: Option<&str>) -> Result<()> {
    let mut command =
        cargo(["run", "--quiet", "--package", "xtask", "--features", "watch", "--bin", "watch", "--"]);
    command.args(deposits.iter().map(|count| format!("--deposits={count}")));
    command.args(provider.map(|name| format!("--provider={name}")));
    run(command)
}
