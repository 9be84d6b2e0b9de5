//! Measures what an open event stream costs the gateway: `cargo run --release -p deposit-gateway --example streams [STREAMS]`.
//!
//! Two processes, so that only the gateway's own memory is counted: this one serves, a second one (itself, with `client`) opens the
//! streams over loopback and holds them. Prints one line of figures. Needs `/proc` (Linux) and as many open files as streams.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use deposit_core::{Price, Ticker};
use deposit_engine::{AmountInput, Caller, CreateRequest, Engine, EngineConfig, SystemClock, keys};
use deposit_facade::{ProvidersConfig, Registry};
use deposit_gateway::http::{HttpConfig, bind, serve};
use deposit_rates::{Rates, StaticRates};
use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::{RateLimit, SqliteStore, Store};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Deposits among which the streams are shared out.
const DEPOSITS: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rlimit::increase_nofile_limit(HttpConfig::OPEN_FILES)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => measure(5000).await,
        [streams] => measure(streams.parse()?).await,
        ["client", address, key, streams, ids] => {
            let ids: Vec<&str> = ids.split(',').collect();
            client(address.parse()?, key, streams.parse()?, &ids).await
        }
        _ => bail!("usage: streams [NUMBER]"),
    }
}

async fn measure(streams: usize) -> anyhow::Result<()> {
    let files = rlimit::increase_nofile_limit(HttpConfig::OPEN_FILES)?;
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    let directory = tempfile::tempdir()?;
    let store = Arc::new(
        SqliteStore::open(&format!("sqlite://{}", directory.path().join("deposit.db").display())).await?,
    );
    let price: Price = "50000".parse()?;
    let prices: BTreeMap<Ticker, Price> = [(Ticker::BTC, price)].into();
    let rates = Rates::new(vec![Arc::new(StaticRates::new(prices)?)], Duration::from_secs(300));
    let config = EngineConfig {
        create_limit: RateLimit { requests: 1_000_000, window_millis: 600_000 },
        ..EngineConfig::default()
    };
    let shared: Arc<dyn Store> = store.clone();
    let engine = Engine::new(shared, registry(&sandbox)?, Arc::new(rates), config, Arc::new(SystemClock));
    engine.seed_rates().await?;
    let key = keys::issue(&*store, &"streams".parse()?, engine.now()).await?.key.expose().to_owned();
    let caller = engine.authenticate(&key).await?.context("a key that was just made")?;
    let mut ids = Vec::new();
    for _ in 0..DEPOSITS.min(streams) {
        ids.push(deposit(&engine, &caller).await?);
    }

    let http = HttpConfig { listen: "127.0.0.1:0".parse()?, ..HttpConfig::default() };
    let mut http = http.for_open_files(files);
    http.max_streams_per_account = http.max_streams;
    ensure!(http.max_streams >= streams, "only {} streams fit under {files} open files", http.max_streams);
    let listener = bind(&http).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, engine.clone(), http, shutdown.clone()));

    // What everything else needs is there before the count: threads, connections to the database, buffers.
    let (before_warm, _) = run_client(address, &key, 50.min(streams), &ids, true).await?;
    drop(before_warm);
    let before = resident_kib()?;
    let (child, seconds) = run_client(address, &key, streams, &ids, false).await?;
    let after = resident_kib()?;
    // Some silences later: comments were written, histories looked at.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let later = resident_kib()?;
    ensure!(engine.followed() == ids.len(), "streams ended by themselves");
    drop(child);
    let each = |kib: u64| kib.saturating_sub(before) * 1024 / u64::try_from(streams).unwrap_or(1).max(1);
    println!(
        "{streams} streams opened in {seconds} s: resident {before} KiB before, {after} KiB open, {later} KiB after a silence; \
         {} and {} bytes a stream",
        each(after),
        each(later),
    );
    shutdown.cancel();
    server.await??;
    sandbox.shutdown().await;
    Ok(())
}

fn registry(sandbox: &Sandbox) -> anyhow::Result<Registry> {
    let setting = |key| sandbox.setting("btcpay", key).context("a setting of the sandbox");
    let mut providers = ProvidersConfig::default();
    providers.btcpay = Some(deposit_btcpay::Config::new(
        setting("base_url")?,
        setting("api_key")?,
        setting("store_id")?,
        setting("webhook_secret")?,
    ));
    Ok(providers.build()?)
}

async fn deposit(engine: &Engine, caller: &Caller) -> anyhow::Result<String> {
    let request = CreateRequest {
        caller: caller.clone(),
        ticker: "btc".to_owned(),
        family: None,
        amount: AmountInput::Number("0.004".parse()?),
        idempotency_key: None,
    };
    Ok(engine.create(request).await.result?.id.to_string())
}

/// Starts the other process and waits until all its streams have their first event. It holds them until it is dropped; `ends`: only
/// until then.
async fn run_client(
    address: SocketAddr,
    key: &str,
    streams: usize,
    ids: &[String],
    ends: bool,
) -> anyhow::Result<(tokio::process::Child, u64)> {
    let started = std::time::Instant::now();
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["client", &address.to_string(), key, &streams.to_string(), &ids.join(",")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("its output")?;
    let line = BufReader::new(output).lines().next_line().await?;
    ensure!(line.as_deref() == Some("open"), "the client said {line:?}");
    if ends {
        drop(child.stdin.take());
        child.wait().await?;
    }
    Ok((child, started.elapsed().as_secs()))
}

/// Opens the streams, says so, and holds them until its standard input ends.
async fn client(address: SocketAddr, key: &str, streams: usize, ids: &[&str]) -> anyhow::Result<()> {
    let mut held = Vec::new();
    let mut opening = tokio::task::JoinSet::new();
    for number in 0..streams {
        let id = ids.get(number % ids.len()).context("an id")?;
        let head = format!(
            "GET /api/transaction/status/events?ticker=btc&txId={id} HTTP/1.1\r\nHost: localhost\r\n\
             Accept: text/event-stream\r\nX-Api-Key: {key}\r\n\r\n"
        );
        opening.spawn(first_event(address, head));
        // As many at a time as a busy hour may bring.
        while opening.len() >= 64 {
            held.push(opening.join_next().await.context("a task")???);
        }
    }
    while let Some(opened) = opening.join_next().await {
        held.push(opened??);
    }
    println!("open");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    drop(held);
    Ok(())
}

async fn first_event(address: SocketAddr, head: String) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(6).any(|bytes| bytes == b"\ndata:") {
        ensure!(socket.read_buf(&mut answer).await? > 0, "no stream: {}", String::from_utf8_lossy(&answer));
    }
    Ok(socket)
}

/// Memory of this process that is really there, in KiB.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
