//! `deposit sandbox`: the emulators alone.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use deposit_sandbox::{Sandbox, SandboxConfig};
use serde_json::json;

/// Where the emulators listen unless told otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:4010";

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = LISTEN, value_name = "ADDR")]
    listen: SocketAddr,
    /// Seed of everything that is random: addresses, ids, faults
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Where webhooks go; may be given several times, they then go there in turn
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    gateway: Vec<String>,
}

pub(super) async fn run(args: SandboxArgs) -> anyhow::Result<ExitCode> {
    let SandboxArgs { listen, seed, gateway } = args;
    let sandbox =
        Sandbox::start(SandboxConfig { listen, seed, gateways: gateway, ..SandboxConfig::default() })
            .await
            .with_context(|| format!("the sandbox cannot listen on {listen}"))?;
    super::print::line(json!({ "control": sandbox.control_url(), "config": sandbox.config_toml() }))?;
    super::stop_signal().await;
    sandbox.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
