//! The Nano node: both dialects, what it refuses, push, and the control API.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use deposit_sandbox::nano::{Dialect, Nano};
use deposit_sandbox::{Faults, Json, Sandbox, SandboxConfig};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Published in the dossier, worthless.
const PRIVATE: &str = "AB308F564D2FC791B2601C64E52E102C3E779AC6AB4A2AF875855C6256EB3686";
const ADDRESS: &str = "nano_3eizh9rjaaphzj4wd7mbmuawfmdz17e7pao9nbstwg4ohfhfcoxq98o6xdw7";
const OTHER: &str = "nano_37wowrys6iprrui1zbgscp5u7sb87eh3c11t6mbhfp15usdqn3dn3sfp714g";
const UNKNOWN: &str = "E2FB233EF4554077A7BF1AA85851D5BF0B36965D2B0FB504B2BC778AB89917D3";

struct World {
    sandbox: Sandbox,
}

impl World {
    async fn new() -> Self {
        Self::with(vec![]).await
    }

    async fn with(gateways: Vec<String>) -> Self {
        let config = SandboxConfig { gateways, clock: Some(1_785_000_000), ..SandboxConfig::default() };
        Self { sandbox: Sandbox::start(config).await.unwrap() }
    }

    fn nano(&self) -> &Nano {
        &self.sandbox.emulators().nano
    }

    async fn send(&self, url: &str, authorization: &str, body: &str) -> (u16, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = hyper::Request::post(url).header("authorization", authorization);
        let answer =
            client.request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn ask(&self, body: &str) -> (u16, String) {
        let setting = |key| self.sandbox.setting("nano", key).unwrap();
        self.send(&setting("rpc_url"), &setting("rpc_authorization"), body).await
    }

    /// With HTTP 200.
    async fn rpc(&self, body: &str) -> Json {
        let (status, text) = self.ask(body).await;
        assert_eq!(status, 200, "{text}");
        Json::parse(text.as_bytes()).unwrap()
    }

    async fn error(&self, body: &str) -> String {
        text(&self.rpc(body).await, "error")
    }

    async fn control(&self, path: &str, body: &str) -> (u16, Json) {
        let (status, text) = self.send(&format!("{}/{path}", self.sandbox.control_url()), "", body).await;
        (status, Json::parse(text.as_bytes()).unwrap())
    }

    async fn pay(&self, to: &str, amount: &str, stage: &str) -> String {
        let body = format!(r#"{{"ref":"{to}","amount":"{amount}","stage":"{stage}"}}"#);
        let (status, answer) = self.control("nano/pay", &body).await;
        assert_eq!(status, 200, "{}", answer.compact());
        text(&answer, "payment")
    }

    async fn confirm(&self, to: &str, payment: &str) {
        let body = format!(r#"{{"ref":"{to}","payment":"{payment}","stage":"confirmed"}}"#);
        assert_eq!(self.control("nano/pay", &body).await.0, 200);
    }

    fn process(&self, send: &str, subtype: &str) -> String {
        let block = self.nano().receive_block(PRIVATE, send).unwrap();
        format!(r#"{{"action":"process","json_block":"true","subtype":"{subtype}","block":{block}}}"#)
    }
}

fn text(json: &Json, name: &str) -> String {
    json.get(name)
        .and_then(Json::as_text)
        .unwrap_or_else(|| panic!("{name} in {}", json.compact()))
        .to_owned()
}

fn receivable(more: &str) -> String {
    format!(r#"{{"action":"receivable","account":"{ADDRESS}"{more}}}"#)
}

#[tokio::test]
async fn nothing_is_written_as_each_dialect_writes_it() {
    let w = World::new().await;
    for (options, empty) in [("", "[]"), (r#","threshold":"1""#, "{}"), (r#","source":"true""#, "{}")] {
        w.nano().speak(Dialect::Cpp);
        assert_eq!(w.rpc(&receivable(options)).await.compact(), r#"{"blocks":""}"#);
        w.nano().speak(Dialect::RsNano);
        assert_eq!(w.rpc(&receivable(options)).await.compact(), format!(r#"{{"blocks":{empty}}}"#));
    }
    // Any case, any prefix on input; always `nano_` on output.
    let hash = w.pay(&ADDRESS.replace("nano_", "xrb_"), "1", "confirmed").await;
    let many =
        format!(r#"{{"action":"accounts_receivable","accounts":["{ADDRESS}","{OTHER}"],"threshold":"1"}}"#);
    let raw = "1000000000000000000000000000000";
    assert_eq!(w.rpc(&many).await.compact(), format!(r#"{{"blocks":{{"{ADDRESS}":{{"{hash}":"{raw}"}}}}}}"#));
    let lower = format!(r#"{{"action":"block_info","hash":"{}","json_block":"true"}}"#, hash.to_lowercase());
    let info = w.rpc(&lower).await;
    assert_eq!(
        (text(&info, "amount"), text(&info, "confirmed"), text(&info, "subtype")),
        (raw.into(), "true".into(), "send".into())
    );
    assert_eq!(text(info.get("contents").unwrap(), "link_as_account"), ADDRESS);
}

#[tokio::test]
async fn bad_requests() {
    let w = World::new().await;
    let number = receivable(r#","count":10"#);
    for (body, cpp, status) in
        [("{", "Unable to parse JSON", 400), (r#"{"action":"fly"}"#, "Unknown command", 422)]
    {
        w.nano().speak(Dialect::Cpp);
        assert_eq!(w.error(body).await, cpp);
        w.nano().speak(Dialect::RsNano);
        let (got, text) = w.ask(body).await;
        assert_eq!(got, status);
        assert!(Json::parse(text.as_bytes()).is_err(), "plain text: {text}");
    }
    assert_eq!(w.ask(&number).await.0, 422, "RsNano takes numbers as text only");
    w.nano().speak(Dialect::Cpp);
    assert_eq!(w.ask(&number).await.0, 200);
    for (body, error) in [
        (r#"{"action":"receivable","account":"nano_1"}"#.to_owned(), "Bad account number"),
        (r#"{"action":"block_info","hash":"xyz"}"#.to_owned(), "Invalid block hash"),
        (format!(r#"{{"action":"block_info","hash":"{UNKNOWN}"}}"#), "Block not found"),
        (format!(r#"{{"action":"blocks_info","hashes":["{UNKNOWN}"]}}"#), "Block not found"),
        (format!(r#"{{"action":"account_info","account":"{ADDRESS}"}}"#), "Account not found"),
        (format!(r#"{{"action":"work_generate","hash":"{UNKNOWN}"}}"#), "RPC control is disabled"),
        (
            r#"{"action":"process","json_block":"true","block":{"type":"state"}}"#.to_owned(),
            "Block is invalid",
        ),
    ] {
        assert_eq!(w.error(&body).await, error, "{body}");
    }
    let url = w.sandbox.setting("nano", "rpc_url").unwrap();
    assert_eq!(w.send(&url, "Bearer x", r#"{"action":"version"}"#).await.0, 401);
    let version = w.rpc(r#"{"action":"version"}"#).await;
    assert_eq!(text(&version, "network"), "dev");
}

#[tokio::test]
async fn a_payment_is_seen_confirmed_and_taken_in() {
    let w = World::new().await;
    let hash = w.pay(ADDRESS, "340282366.920938463463374607431768211455", "seen").await;
    let source = r#","source":"true""#;
    assert_eq!(w.rpc(&receivable(source)).await.compact(), r#"{"blocks":""}"#, "confirmed ones by default");
    let any = r#","source":"true","include_only_confirmed":"false""#;
    assert_eq!(w.rpc(&receivable(any)).await.compact(), r#"{"blocks":""}"#, "it is being voted on");
    let active = format!(r#"{any},"include_active":"true""#);
    let listed = w.rpc(&receivable(&active)).await;
    let entry = listed.get("blocks").unwrap().get(&hash).unwrap();
    assert_eq!(text(entry, "amount"), u128::MAX.to_string());
    w.confirm(ADDRESS, &hash).await;
    assert!(w.rpc(&receivable(source)).await.get("blocks").unwrap().get(&hash).is_some());

    let open = w.process(&hash, "open");
    let opened = text(&w.rpc(&open).await, "hash");
    assert_eq!(w.error(&open).await, "Old block");
    assert_eq!(w.nano().chain_of(ADDRESS), Some((1, u128::MAX)));
    let info = w.rpc(&format!(r#"{{"action":"block_info","hash":"{opened}"}}"#)).await;
    assert_eq!((text(&info, "subtype"), text(&info, "confirmed")), ("open".to_owned(), "true".to_owned()));
    let blocks = format!(r#"{{"action":"blocks_info","hashes":["{hash}"],"receive_hash":"true"}}"#);
    let blocks = w.rpc(&blocks).await;
    assert_eq!(text(blocks.get("blocks").unwrap().get(&hash).unwrap(), "receive_hash"), opened);
    let history = format!(r#"{{"action":"account_history","account":"{ADDRESS}","count":"5"}}"#);
    let line = &w.rpc(&history).await.get("history").unwrap().items()[0].clone();
    assert_eq!((text(line, "type"), text(line, "hash")), ("receive".to_owned(), opened));
}

#[tokio::test]
async fn a_repeated_or_wrong_block_is_refused_in_the_nodes_words() {
    let w = World::new().await;
    let first = w.pay(ADDRESS, "2", "confirmed").await;
    let second = w.pay(ADDRESS, "3", "confirmed").await;
    let open = w.process(&first, "open");
    assert_eq!(
        w.error(&open.replace("\"open\"", "\"send\"")).await,
        "Invalid block balance for given subtype"
    );
    w.rpc(&open).await;
    let receive = w.process(&second, "receive");
    let (before, after) = receive.split_once("\"signature\":\"").unwrap();
    let forged = format!("{before}\"signature\":\"00{}", after.get(2..).unwrap());
    assert_eq!(w.error(&forged).await, "Bad signature");
    let no_work = receive.split_once("\"work\":\"").unwrap().0.to_owned() + "\"work\":\"0000000000000001\"}}";
    let error = w.error(&no_work).await;
    assert!(error.starts_with("Block work is"), "{error}");
    w.rpc(&receive).await;
    assert_eq!(w.nano().chain_of(ADDRESS), Some((2, 5 * 10_u128.pow(30))));
    // The first block again, on its old place, by another content.
    assert_eq!(w.error(&open).await, "Old block");
}

#[tokio::test]
async fn work_by_a_server_and_by_a_node_that_may() {
    let w = World::new().await;
    w.nano().allow_control(true);
    let body = format!(r#"{{"action":"work_generate","hash":"{UNKNOWN}","difficulty":"fe00000000000000"}}"#);
    let node = w.rpc(&body).await;
    assert!(text(&node, "difficulty").as_str() >= "fe00000000000000");
    let url = format!("{}/work", w.sandbox.setting("nano", "rpc_url").unwrap());
    let (status, server) = w.send(&url, "", &body).await;
    assert_eq!((status, Json::parse(server.as_bytes()).unwrap()), (200, node));
    w.nano().speak(Dialect::RsNano);
    assert_eq!(w.ask(&body).await.0, 422);
}

#[tokio::test]
async fn the_socket_tells_what_was_asked_for() {
    let w = World::new().await;
    let (mut socket, _) = connect_async(w.sandbox.setting("nano", "ws_url").unwrap()).await.unwrap();
    let say = |text: String| Message::text(text);
    let next = async |socket: &mut tokio_tungstenite::WebSocketStream<_>| {
        let frame =
            tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap();
        Json::parse(frame.to_text().unwrap().as_bytes()).unwrap()
    };
    let subscribe = format!(
        r#"{{"action":"subscribe","topic":"confirmation","ack":true,"id":"7","options":{{"accounts":["{ADDRESS}"]}}}}"#
    );
    socket.send(say(subscribe)).await.unwrap();
    let ack = next(&mut socket).await;
    assert_eq!((text(&ack, "ack"), text(&ack, "id")), ("subscribe".to_owned(), "7".to_owned()));
    w.pay(OTHER, "1", "confirmed").await;
    let hash = w.pay(ADDRESS, "1", "seen").await;
    w.confirm(ADDRESS, &hash).await;
    let event = next(&mut socket).await;
    let message = event.get("message").unwrap();
    assert_eq!((text(&event, "topic"), text(message, "hash")), ("confirmation".to_owned(), hash));
    assert_eq!(text(message.get("block").unwrap(), "link_as_account"), ADDRESS);
    let update = format!(
        r#"{{"action":"update","topic":"confirmation","ack":true,"options":{{"accounts_add":["{OTHER}"],"accounts_del":["{ADDRESS}"]}}}}"#
    );
    socket.send(say(update)).await.unwrap();
    assert_eq!(text(&next(&mut socket).await, "ack"), "update");
    w.pay(ADDRESS, "1", "confirmed").await;
    w.sandbox
        .set_faults("nano", Faults { webhooks: deposit_sandbox::WebhookMode::Lost, ..Faults::default() });
    w.pay(OTHER, "1", "confirmed").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    w.sandbox.set_faults("nano", Faults::default());
    let hash = w.pay(OTHER, "2", "confirmed").await;
    assert_eq!(text(next(&mut socket).await.get("message").unwrap(), "hash"), hash);
    socket.send(say(r#"{"action":"ping"}"#.to_owned())).await.unwrap();
    assert_eq!(text(&next(&mut socket).await, "ack"), "pong");
    w.nano().cut_sockets();
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap();
    assert!(ended.is_none_or(|frame| frame.is_err()), "no close frame");
}

#[tokio::test]
async fn callbacks_carry_the_token_and_the_block() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut got) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new().fallback(move |uri: axum::http::Uri, body: axum::body::Bytes| {
        sender.send((uri.to_string(), Json::parse(&body).unwrap())).unwrap();
        async {}
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let w = World::with(vec![url]).await;
    let token = w.sandbox.setting("nano", "callback_token").unwrap();
    for dialect in [Dialect::Cpp, Dialect::RsNano] {
        w.nano().speak(dialect);
        let hash = w.pay(ADDRESS, "1", "confirmed").await;
        let (path, body) = got.recv().await.unwrap();
        assert_eq!(path, format!("/webhooks/nano?token={token}"));
        assert_eq!((text(&body, "hash"), text(&body, "is_send")), (hash, "true".to_owned()));
        match dialect {
            Dialect::Cpp => {
                let block = Json::parse(text(&body, "block").as_bytes()).unwrap();
                assert_eq!(
                    (text(&block, "link_as_account"), text(&body, "subtype")),
                    (ADDRESS.to_owned(), "send".to_owned())
                );
            }
            Dialect::RsNano => {
                assert_eq!(text(body.get("block").unwrap(), "link_as_account"), ADDRESS);
                assert_eq!(text(&body, "sub_type"), "send");
            }
        }
    }
    let (status, answer) = w.control("nano/redeliver", &format!(r#"{{"ref":"{ADDRESS}"}}"#)).await;
    assert_eq!((status, answer.compact()), (200, r#"{"redelivered":2}"#.to_owned()));
}

#[tokio::test]
async fn the_control_api_and_the_truth() {
    let w = World::new().await;
    for (path, body, error) in [
        ("nano/pay", format!(r#"{{"ref":"{ADDRESS}"}}"#), "amount: is missing"),
        ("nano/pay", format!(r#"{{"ref":"{ADDRESS}","amount":"0"}}"#), "amount: must be above 0"),
        ("nano/pay", r#"{"ref":"dep_1","amount":"1"}"#.to_owned(), "ref: "),
        (
            "nano/pay",
            format!(r#"{{"ref":"{ADDRESS}","amount":"0.0000000000000000000000000000001"}}"#),
            "amount: ",
        ),
        ("nano/pay", format!(r#"{{"ref":"{ADDRESS}","payment":"{UNKNOWN}"}}"#), "payment: "),
        ("nano/pay", format!(r#"{{"ref":"{ADDRESS}","amount":"1","ticker":"BTC"}}"#), "ticker: "),
        ("nano/scenario", format!(r#"{{"ref":"{ADDRESS}","name":"partial"}}"#), "amount: is missing"),
        ("nano/scenario", format!(r#"{{"ref":"{ADDRESS}","name":"replace"}}"#), "ref: "),
    ] {
        let (status, answer) = w.control(path, &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(text(&answer, "error").starts_with(error), "{body}: {}", answer.compact());
    }
    for name in ["late", "expire", "fail", "reorg", "return", "refund", "refund_part", "dispute"] {
        let body = format!(r#"{{"ref":"{ADDRESS}","name":"{name}","amount":"2"}}"#);
        assert_eq!(w.control("nano/scenario", &body).await.0, 400, "{name}");
    }
    assert!(w.sandbox.emulators().nano.chain_of(ADDRESS).is_none());
    for (name, amounts) in
        [("partial", vec!["1"]), ("over", vec!["1", "3"]), ("double", vec!["1", "3", "2", "2"])]
    {
        let body = format!(r#"{{"ref":"{ADDRESS}","name":"{name}","amount":"2"}}"#);
        let (_, answer) = w.control("nano/scenario", &body).await;
        let got: Vec<_> = answer.get("payments").unwrap().items().iter().map(|p| text(p, "amount")).collect();
        assert_eq!(got, amounts, "{name}");
    }
    let seen = w.pay(OTHER, "0.5", "seen").await;
    let (status, _) = w.control("nano/scenario", &format!(r#"{{"ref":"{OTHER}","name":"replace"}}"#)).await;
    assert_eq!(status, 200);
    assert_eq!(w.error(&format!(r#"{{"action":"block_info","hash":"{seen}"}}"#)).await, "Block not found");
    let truth: Vec<_> = deposit_sandbox::Emulator::truth(w.nano());
    assert_eq!(truth.len(), 2);
    assert_eq!((truth[0].reference.as_str(), truth[0].payments.len(), truth[0].due), (ADDRESS, 4, None));
    assert_eq!(truth[1].payments[0].stage.word(), "withdrawn");
    assert_eq!(truth[1].payments[0].id, seen);
}

#[tokio::test]
async fn a_node_that_is_behind_shows_less() {
    let w = World::new().await;
    let hash = w.pay(ADDRESS, "1", "confirmed").await;
    w.sandbox.set_faults("nano", Faults { not_synchronized: true, ..Faults::default() });
    assert_eq!(w.rpc(&receivable("")).await.compact(), r#"{"blocks":""}"#);
    assert_eq!(w.error(&format!(r#"{{"action":"block_info","hash":"{hash}"}}"#)).await, "Block not found");
    assert_eq!(text(&w.rpc(r#"{"action":"block_count"}"#).await, "unchecked"), "5000000");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_blocks() {
    let (a, b) = (World::new().await, World::new().await);
    for amount in ["1", "2"] {
        assert_eq!(a.pay(ADDRESS, amount, "confirmed").await, b.pay(ADDRESS, amount, "confirmed").await);
    }
    assert_ne!(a.pay(ADDRESS, "1", "confirmed").await, a.pay(ADDRESS, "1", "confirmed").await);
}
