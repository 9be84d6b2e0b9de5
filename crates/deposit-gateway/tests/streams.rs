//! Many event streams, slow ones and broken ones: writers never wait, and nobody misses the last state.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod common;
/// An engine over a scripted provider, which changes as often as a test wants.
#[path = "../../deposit-engine/tests/common/mod.rs"]
mod scripted;
mod sse;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Options, TestGateway};
use deposit_core::DepositId;
use deposit_engine::{Observation, keys};
use deposit_gateway::http::{HttpConfig, bind, serve};
use deposit_store::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use scripted::Bench;
use serde_json::Value;
use sse::{End, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// A gateway over the scripted provider.
struct Shop {
    bench: Bench,
    key: String,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Shop {
    async fn start(write_timeout: Duration) -> Self {
        let bench = scripted::bench().await;
        let now = bench.engine.now();
        let key = keys::issue(&*bench.store, &"alice".parse().unwrap(), now).await.unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let http = HttpConfig { listen, write_timeout, ..HttpConfig::default() };
        let listener = bind(&http).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (engine, stop) = (bench.engine.clone(), shutdown.clone());
        let server = tokio::spawn(async move { serve(listener, engine, http, stop).await.unwrap() });
        Self { bench, key: key.key.expose().to_owned(), address, shutdown, server }
    }

    /// Asks for a stream over a connection that takes in as little as a system allows, and reads nothing of it.
    async fn deaf(&self, id: &DepositId) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        let mut socket = socket.connect(self.address).await.unwrap();
        let path = path(id.as_str());
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\r\n", self.key);
        socket.write_all(head.as_bytes()).await.unwrap();
        while self.bench.engine.followed() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        socket
    }

    /// Change number `part`, of a payment whose reference is long enough to make an event a good kilobyte.
    async fn change(&self, id: &DepositId, part: u32) {
        let payment = "p".repeat(200);
        self.bench.till().pay(id, &payment, &format!("0.{part:08}"), "0");
        assert_eq!(self.bench.observe(id).await, Observation::Changed);
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        self.bench.check().await;
    }
}

fn path(id: &str) -> String {
    format!("/api/transaction/status/events?ticker=btc&txId={id}")
}

const CHANGES: u32 = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_nobody_up_and_gets_the_last_state() {
    let shop = Shop::start(Duration::from_secs(60)).await;
    let id = shop.bench.create().await;
    let mut deaf = shop.deaf(&id).await;
    let mut slowest = Duration::ZERO;
    for part in 1..=CHANGES {
        let since = Instant::now();
        shop.change(&id, part).await;
        slowest = slowest.max(since.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");

    // Now it wakes up. One more change is the end of the stream.
    let payment = "p".repeat(200);
    shop.bench.till().pay(&id, &payment, "0", "0.004");
    shop.bench.observe(&id).await;
    let mut text = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), async {
        let mut chunk = [0_u8; 16 * 1024];
        while !text.ends_with(b"\r\n0\r\n\r\n") {
            let n = deaf.read(&mut chunk).await.unwrap();
            assert!(n > 0, "the end is said");
            text.extend_from_slice(&chunk[..n]);
        }
    })
    .await
    .unwrap();
    let text = String::from_utf8(text).unwrap();
    let ids: Vec<u64> = text.lines().filter_map(|l| l.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids[0], 1);
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let last = u64::from(CHANGES) + 2;
    assert_eq!(ids.last(), Some(&last));
    // No queue was kept for it: what the socket held, a page, the newest.
    assert!(ids.len() < 900, "{} events of {last}", ids.len());
    assert!(text.contains(r#""status":"Completed""#));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_for_long_is_given_up() {
    let shop = Shop::start(Duration::from_millis(300)).await;
    let id = shop.bench.create().await;
    let deaf = shop.deaf(&id).await;
    let given_up = async {
        for part in 1.. {
            shop.change(&id, part).await;
            if shop.bench.engine.followed() == 0 {
                return;
            }
            // The socket is full by then.
            if part > 300 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), given_up).await.expect("its connection is still there");
    drop(deaf);
    shop.stop().await;
}

/// A way to the gateway on which every connection breaks after a while, without a word.
async fn breaking_proxy(gateway: SocketAddr, seed: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let lifetime = Duration::from_millis(random.random_range(200..8000));
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(gateway).await else { return };
                let copy = tokio::io::copy_bidirectional(&mut client, &mut server);
                // The rest is lost, at whatever byte it is.
                let _ = tokio::time::timeout(lifetime, copy).await;
            });
        }
    });
    address
}

/// Reads until it has seen the deposit completed, however often the connection breaks. Returns the last state and how often it came back.
async fn faithful_reader(address: SocketAddr, key: String, id: String, seed: u64) -> (u64, Value, u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut last: Option<(u64, Value)> = None;
    let mut connections = 0;
    loop {
        connections += 1;
        assert!(connections < 500, "{id}: {last:?}");
        let resumed = last.as_ref().map(|(n, _)| n.to_string());
        let mut headers = vec![("x-api-key", key.as_str())];
        headers.extend(resumed.as_deref().map(|n| ("last-event-id", n)));
        let Ok(mut stream) = Stream::open(address, &path(&id), &headers).await else { continue };
        if stream.status == 204 {
            let (n, data) = last.unwrap();
            assert_eq!(data["status"], "Completed");
            return (n, data, connections);
        }
        assert_eq!(stream.status, 200);
        // Some leave by themselves after a few events.
        let mut left = if random.random_range(0..4) == 0 { random.random_range(1..4) } else { u32::MAX };
        let end = loop {
            if left == 0 {
                break End::Cut;
            }
            left -= 1;
            match stream.event().await {
                Ok((n, data)) => {
                    assert!(last.as_ref().is_none_or(|(before, _)| *before < n), "{n} after {last:?}");
                    last = Some((n, data));
                }
                Err(end) => break end,
            }
        };
        if let Some((n, data)) = &last
            && end == End::Clean
        {
            // Nothing but completion ends these streams.
            assert_eq!(data["status"], "Completed");
            return (*n, data.clone(), connections);
        }
    }
}

const READERS: usize = 1000;
const DEPOSITS: usize = 8;
/// Payments of each deposit; each is seen first and confirmed later.
const PARTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_all_end_with_the_last_state() {
    let files = rlimit::increase_nofile_limit(8192).unwrap();
    assert!(files >= 5000, "this test needs 5000 open files and may have {files}");
    let options = Options::default();
    let http = options.http.clone().for_open_files(files);
    let gateway = TestGateway::start_with(Options { http, ..options }).await;
    let mut ids = Vec::new();
    for _ in 0..DEPOSITS {
        ids.push(gateway.create("btc", r#"{"amount":0.004}"#).await.member("txId"));
    }
    let proxy = breaking_proxy(gateway.address, 7).await;
    let mut readers = Vec::new();
    for number in 0..READERS {
        let (key, id) = (gateway.key.clone(), ids[number % DEPOSITS].clone());
        let address = if number % 2 == 0 { gateway.address } else { proxy };
        let seed = u64::try_from(number).unwrap();
        readers.push(tokio::spawn(async move {
            let read = faithful_reader(address, key, id.clone(), seed).await;
            (id, read)
        }));
    }

    let mut random = StdRng::seed_from_u64(1);
    let control = async |call: &str, body: String| gateway.control(call, &body).await;
    let mut under_way: Vec<(usize, String)> = Vec::new();
    let mut to_pay: Vec<usize> = (0..DEPOSITS * PARTS).map(|n| n % DEPOSITS).collect();
    let mut step = 0;
    while !to_pay.is_empty() || !under_way.is_empty() {
        if step % 4 == 0 {
            let webhooks = ["normal", "duplicated", "lost", "reordered"][step / 4 % 4];
            control("/btcpay/faults", format!(r#"{{"webhooks":"{webhooks}","error_rate":0.1}}"#)).await;
        }
        step += 1;
        let confirm = to_pay.is_empty() || (!under_way.is_empty() && random.random_range(0..2) == 0);
        let deposit = if confirm {
            let (deposit, payment) = under_way.swap_remove(random.random_range(0..under_way.len()));
            let id = &ids[deposit];
            let body = format!(r#"{{"ref":"{id}","payment":"{payment}","stage":"confirmed"}}"#);
            control("/btcpay/pay", body).await;
            deposit
        } else {
            let deposit = to_pay.swap_remove(random.random_range(0..to_pay.len()));
            let id = &ids[deposit];
            let body = format!(r#"{{"ref":"{id}","amount":"0.001","stage":"seen"}}"#);
            let paid = control("/btcpay/pay", body).await;
            under_way.push((deposit, paid["payment"].as_str().unwrap().to_owned()));
            deposit
        };
        // What polling does where no webhook comes; the provider may be failing just now.
        let id: DepositId = ids[deposit].parse().unwrap();
        let _ = gateway.engine.observe(&id, None).await;
    }
    control("/btcpay/faults", "{}".to_owned()).await;
    for id in &ids {
        while gateway.status("btc", id).await.member("status") != "Completed" {
            let _ = gateway.engine.observe(&id.parse().unwrap(), None).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    let mut connections = 0;
    let mut last = BTreeMap::new();
    for id in &ids {
        let newest = gateway.store.newest_history(&id.parse().unwrap()).await.unwrap().unwrap();
        last.insert(id.clone(), (newest.n, gateway.status("btc", id).await.json()));
    }
    for reader in readers {
        let (id, (n, data, opened)) = reader.await.unwrap();
        connections += opened;
        assert_eq!((n, &data), (last[&id].0, &last[&id].1), "{id}");
        assert_eq!(data["creditedUsd"], 200);
    }
    assert!(connections > 1200, "only {connections} connections: nothing broke");
    gateway.stop().await;
}
