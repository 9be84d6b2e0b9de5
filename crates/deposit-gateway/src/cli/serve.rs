//! `deposit serve`.

use std::process::ExitCode;

use super::{Global, load};
use crate::gateway::Gateway;

#[cfg(feature = "sandbox")]
pub(super) async fn run(global: &Global, sandbox: bool) -> anyhow::Result<ExitCode> {
    use deposit_sandbox::{Sandbox, SandboxConfig};

    if !sandbox {
        return serve(global, None).await;
    }
    // The port that the documentation shows, if it is free; any other serves as well.
    let shown = SandboxConfig { listen: super::sandbox::LISTEN.parse()?, ..SandboxConfig::default() };
    let emulators = match Sandbox::start(shown).await {
        Ok(emulators) => emulators,
        Err(_) => Sandbox::start(SandboxConfig::default()).await?,
    };
    super::print::error(format_args!("sandbox control {}", emulators.control_url()));
    let result = serve(global, Some(&emulators)).await;
    emulators.shutdown().await;
    result
}

#[cfg(feature = "sandbox")]
type Emulators = deposit_sandbox::Sandbox;
#[cfg(not(feature = "sandbox"))]
enum Emulators {}

#[cfg(not(feature = "sandbox"))]
pub(super) async fn run(global: &Global, _sandbox: bool) -> anyhow::Result<ExitCode> {
    serve(global, None).await
}

async fn serve(global: &Global, emulators: Option<&Emulators>) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "sandbox")]
    let sections = emulators.map(deposit_sandbox::Sandbox::config_toml);
    #[cfg(not(feature = "sandbox"))]
    let sections: Option<String> = emulators.map(|never| match *never {});

    let built = load(global, sections.as_deref())?.build()?;
    let listener = Gateway::bind(&built.server).await?;
    #[cfg(feature = "sandbox")]
    if let Some(emulators) = emulators {
        emulators.set_gateways(vec![format!("http://{}", listener.local_addr()?)]);
    }
    let public_url = built.server.public_url.clone();
    let mut gateway = Gateway::start(built, listener).await?;
    // In the background: a provider that is slow or wrong keeps no gateway from serving.
    let context = super::online::context(&public_url, gateway.address());
    let check = tokio::spawn(super::online::log(gateway.engine().clone(), context));
    // A gateway serves whether or not anybody reads this.
    let _ = super::print::line(format_args!("listening on http://{}", gateway.address()));
    let ended = tokio::select! {
        ended = gateway.failed() => {
            ended?;
            Ok(ExitCode::FAILURE)
        }
        () = super::stop_signal() => {
            tracing::info!("stopping");
            gateway.stop().await;
            Ok(ExitCode::SUCCESS)
        }
    };
    check.abort();
    ended
}
