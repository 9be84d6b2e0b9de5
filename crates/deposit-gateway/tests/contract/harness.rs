//! A whole gateway as `deposit serve` builds it, with all seven emulated providers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deposit_core::Timestamp;
use deposit_engine::{Clock, ManualClock, SystemClock};
use deposit_gateway::gateway::Gateway;
use deposit_sandbox::{Sandbox, SandboxConfig};
use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::{Reply, START, sandboxed};
use crate::row::{Call, get, member, post};

/// The time of the contract's sample: where a clock that stands still stands at first.
pub const AT: i64 = START;
/// How long is waited for what travels over sockets.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a world is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Further sections of the configuration.
    pub sections: String,
    /// What the emulators' own sections say otherwise: text and replacement.
    pub instead: Vec<(String, String)>,
    /// Providers whose section is left out.
    pub without: Vec<&'static str>,
    /// Time runs with the machine instead of standing still.
    pub running: bool,
    /// The contract's own rate limit, not a higher one.
    pub limited: bool,
}

pub struct World {
    pub sandbox: Sandbox,
    /// The first takes the requests; the others are its replicas.
    pub gateways: Vec<Gateway>,
    pub clock: ManualClock,
    /// A key of the account `ana`.
    pub key: String,
    setup: Setup,
    client: Client<HttpConnector, Full<Bytes>>,
    directory: tempfile::TempDir,
}

impl World {
    /// Time stands still, and practically no rate limit.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let clock = (!setup.running).then_some(AT);
        let sandbox = Sandbox::start(SandboxConfig { clock, ..SandboxConfig::default() }).await.unwrap();
        let mut world = Self {
            sandbox,
            gateways: Vec::new(),
            clock: ManualClock::at(Timestamp::from_secs(AT)),
            key: String::new(),
            setup,
            client: Client::builder(TokioExecutor::new()).build_http(),
            directory: tempfile::tempdir().unwrap(),
        };
        world.add_gateway().await;
        world.key = world.issue_key("ana").await;
        world
    }

    /// One more gateway on the same store.
    pub async fn add_gateway(&mut self) {
        let store = sandboxed::store_url(self.directory.path());
        let mut sections = self.sandbox.config_toml();
        for (text, instead) in &self.setup.instead {
            assert!(sections.contains(text.as_str()), "{text}");
            sections = sections.replace(text.as_str(), instead);
        }
        for provider in &self.setup.without {
            let begin = sections.find(&format!("[providers.{provider}]")).unwrap();
            let end = sections[begin + 1..].find("\n[").map_or(sections.len(), |at| begin + 1 + at);
            sections.replace_range(begin..end, "");
        }
        if !self.setup.sections.contains("[server]") {
            sections.push_str(sandboxed::FREE_PORT);
        }
        if !self.setup.limited {
            sections.push_str("\n[create_rate_limit]\nrequests = 100000\n");
        }
        sections.push_str(&format!("\n[store]\nurl = {store:?}\n{}\n", self.setup.sections));
        let clock: Arc<dyn Clock> =
            if self.setup.running { Arc::new(SystemClock) } else { Arc::new(self.clock.clone()) };
        let first = self.gateways.is_empty();
        let gateway = sandboxed::start(&sections, clock, |url| {
            if first {
                self.sandbox.set_gateways(vec![url]);
            }
        });
        let gateway = gateway.await;
        self.gateways.push(gateway);
    }

    /// Ends the gateway and starts another one on the same store.
    pub async fn restart(&mut self) {
        for gateway in self.gateways.drain(..) {
            gateway.stop().await;
        }
        self.add_gateway().await;
    }

    pub fn address(&self) -> SocketAddr {
        self.gateways[0].address()
    }

    pub fn public_url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub async fn issue_key(&self, account: &str) -> String {
        sandboxed::issue_key(&self.gateways[0], account).await
    }

    /// Moves both clocks, and asks the rate sources as would have been done meanwhile.
    pub async fn advance(&self, secs: u32) {
        self.clock.advance_secs(i64::from(secs));
        self.sandbox.advance(secs);
        for gateway in &self.gateways {
            gateway.engine().seed_rates().await.unwrap();
        }
    }

    pub async fn call(&self, call: &Call) -> Reply {
        self.call_at(self.address(), call).await
    }

    /// The same at another gateway.
    pub async fn call_at(&self, address: SocketAddr, call: &Call) -> Reply {
        Reply::read(self.request(address, call).await).await
    }

    /// The answer before its body is read.
    pub async fn request(&self, address: SocketAddr, call: &Call) -> http::Response<Incoming> {
        let url = match &call.path {
            path if path.starts_with('/') => format!("http://{address}{path}"),
            url => url.clone(),
        };
        let mut request = Request::builder().method(call.method.parse::<Method>().unwrap()).uri(url);
        if call.keyed {
            request = request.header("x-api-key", &self.key);
        }
        for (name, value) in &call.headers {
            request = request.header(name.as_str(), http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let body = Full::new(Bytes::from(call.body.clone()));
        self.client.request(request.body(body).unwrap()).await.unwrap()
    }

    pub async fn status(&self, ticker: &str, id: &str) -> Reply {
        self.call(&get(format!("/api/transaction/status/{ticker}/{id}"))).await
    }

    pub async fn balance(&self) -> Reply {
        self.call(&post("/api/check-balance")).await
    }

    /// A deposit; answers its id and the answer.
    pub async fn created(&self, ticker: &str, amount: &str) -> (String, Reply) {
        let reply = self.call(&crate::row::amount(ticker, amount)).await;
        assert_eq!(reply.status, 200, "{ticker} {amount}: {}", reply.body);
        (member(&reply, "txId"), reply)
    }

    /// `POST /control/…`
    pub async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.sandbox.control_url());
        let reply = self.call(&post(url).anonymous().body(body.to_string())).await;
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    /// Every order that the providers have.
    pub async fn truth(&self) -> Vec<Value> {
        let reply = self.call(&get(format!("{}/truth", self.sandbox.control_url())).anonymous()).await;
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The order of one deposit, by our id or its address.
    pub async fn order_of(&self, reference: &str) -> Value {
        let orders = self.truth().await;
        let is = |member: &Value| {
            let text = member.as_str().unwrap_or_default();
            text == reference || text.strip_prefix("kaspa:") == Some(reference)
        };
        let found = orders.into_iter().find(|o| ["order", "ref", "address"].iter().any(|name| is(&o[*name])));
        found.unwrap_or_else(|| panic!("no order of {reference}"))
    }

    pub async fn faults(&self, provider: &str, faults: Value) {
        self.control(&format!("/{provider}/faults"), faults).await;
    }

    /// The payer pays; answers the payment's id.
    pub async fn pay(&self, provider: &str, order: Value) -> String {
        let paid = self.control(&format!("/{provider}/pay"), order).await;
        paid["payment"].as_str().unwrap().to_owned()
    }

    pub async fn pay_all(&self, provider: &str, reference: &str) -> String {
        self.pay(provider, json!({ "ref": reference })).await
    }

    /// Asks until it is so. Where time stands still it moves on a little now and then, so that polls fall due.
    pub async fn until(&self, ticker: &str, id: &str, what: &str, enough: impl Fn(&Reply) -> bool) -> Reply {
        let begun = std::time::Instant::now();
        let mut asked = 0_u32;
        loop {
            let reply = self.status(ticker, id).await;
            if reply.status == 200 && enough(&reply) {
                return reply;
            }
            assert!(begun.elapsed() < PATIENCE, "{ticker} {id} is not {what}: {}", reply.body);
            tokio::time::sleep(Duration::from_millis(30)).await;
            asked += 1;
            if !self.setup.running && asked.is_multiple_of(10) {
                self.advance(5).await;
            }
        }
    }

    pub async fn until_status(&self, ticker: &str, id: &str, wanted: &str) -> Reply {
        self.until(ticker, id, wanted, |reply| member(reply, "status") == wanted).await
    }

    /// Bytes over a socket of its own; what came back until the other side closed or a while was silent.
    pub async fn bytes(&self, bytes: &[u8]) -> String {
        let mut socket = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let (mut answer, mut chunk) = (Vec::new(), [0_u8; 4096]);
        while let Ok(Ok(n @ 1..)) =
            tokio::time::timeout(Duration::from_millis(1500), socket.read(&mut chunk)).await
        {
            answer.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stops everything; the ledger balances.
    pub async fn stop(self) {
        let check = self.gateways[0].engine().check_ledger().await.unwrap();
        assert!(check.balanced, "{check:?}");
        for gateway in self.gateways {
            gateway.stop().await;
        }
        self.sandbox.shutdown().await;
        drop(self.directory);
    }
}
