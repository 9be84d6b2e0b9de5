//! Section 3.6: live status as server-sent events.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use crate::harness::World;
use crate::row::{Call, Row, assert_want, error, get, member, row};

/// A stream as it is read.
struct Stream {
    status: u16,
    headers: http::HeaderMap,
    body: Incoming,
    text: String,
}

/// One event: its id and its data.
type Event = (u64, String);

impl Stream {
    async fn open(world: &World, call: &Call) -> Self {
        let response = world.request(world.address(), call).await;
        let (parts, body) = response.into_parts();
        Self { status: parts.status.as_u16(), headers: parts.headers, body, text: String::new() }
    }

    fn events(&self) -> Vec<Event> {
        let read = |block: &str| {
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            Some((field("id: ")?.parse().ok()?, field("data: ")?))
        };
        // The last block may not be whole yet.
        let whole = self.text.rfind("\n\n").map_or("", |end| &self.text[..end]);
        whole.split("\n\n").filter_map(read).collect()
    }

    /// Reads until it is enough or the stream ends; whether it ended.
    async fn until(&mut self, what: &str, enough: impl Fn(&[Event]) -> bool) -> bool {
        let reading = async {
            while !enough(&self.events()) {
                match self.body.frame().await {
                    Some(frame) => {
                        let data = frame.unwrap().into_data().unwrap_or_default();
                        self.text.push_str(std::str::from_utf8(&data).unwrap());
                    }
                    None => return true,
                }
            }
            false
        };
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        read.unwrap_or_else(|_| panic!("3.6 {what}: {}", self.text))
    }
}

fn status_of(event: &Event) -> String {
    let data: serde_json::Value = serde_json::from_str(&event.1).unwrap();
    data["status"].as_str().unwrap().to_owned()
}

fn path(ticker: &str, id: &str) -> Call {
    get(format!("/api/transaction/status/events?ticker={ticker}&txId={id}"))
}

#[tokio::test]
async fn errors_as_of_the_status() {
    let world = World::start().await;
    let (id, _) = world.created("btc", "0.0004").await;
    let ben = world.issue_key("ben").await;
    let events = "/api/transaction/status/events";
    let missing = || error(400, "Missing ticker or txId", "missing_parameter");
    let unsupported = || error(400, "Unsupported ticker", "unsupported_ticker");
    let invalid_id = || error(400, "Invalid transaction ID", "invalid_tx_id");
    let not_found = || error(404, "Transaction not found", "not_found");
    let missing_key = || error(401, "Incorrect API key", "missing_api_key");
    let mut rows: Vec<Row> = vec![
        row("3.6 auth by header; 401 first", get(events).anonymous(), missing_key()),
        row(
            "3.6 auth by header",
            get(format!("{events}?ticker=btc&txId={id}&api_key={}", world.key)).anonymous(),
            missing_key(),
        ),
        row("3.6 unsupported ticker > id", path("nope", "!!"), unsupported()),
        row("3.6 invalid transaction ID", path("btc", "a.b"), invalid_id()),
        row("3.6 invalid transaction ID", path("btc", &"a".repeat(256)), invalid_id()),
        row("3.6 404", path("btc", "unknown"), not_found()),
        row("3.6 404: a wrong ticker", path("ltc", &id), not_found()),
        row("3.6 404: another account's", path("btc", &id).key(&ben), not_found()),
    ];
    for query in [
        "",
        "?",
        "?ticker=btc",
        &format!("?txId={id}"),
        "?ticker=&txId=",
        "?ticker=btc&txId=",
        "?ticker=nope",
    ] {
        rows.push(row(
            "3.6 missing parameter: 400, before the ticker",
            get(format!("{events}{query}")),
            missing(),
        ));
    }
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn from_new_to_completed() {
    let world = World::start().await;
    let (id, _) = world.created("btc", "0.0004").await;
    let mut stream = Stream::open(&world, &path("BTC", &id)).await;
    assert_eq!(stream.status, 200);
    let header = |name: &str| stream.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("text/event-stream"), "3.6 Content-Type");
    assert_eq!(header("cache-control").as_deref(), Some("no-cache"), "3.6 Cache-Control");
    assert_eq!(header("x-accel-buffering").as_deref(), Some("no"), "3.6 X-Accel-Buffering");
    stream.until("at once the present state", |events| !events.is_empty()).await;
    assert!(stream.text.starts_with("retry: 5000\n"), "3.6 first retry: 5000: {}", stream.text);
    let state = world.status("btc", &id).await;
    assert_eq!(stream.events()[0].1, state.body, "3.6 data: the 3.5 object on one line");

    let payment = world.pay("btcpay", json!({ "ref": id, "stage": "seen" })).await;
    stream.until("one event per change", |events| events.iter().any(|e| status_of(e) == "Processing")).await;
    world.pay("btcpay", json!({ "ref": id, "payment": payment, "stage": "confirmed" })).await;
    let ended = stream.until("closes after Completed", |_| false).await;
    assert!(ended);
    let events = stream.events();
    assert!(events.windows(2).all(|pair| pair[0].0 < pair[1].0), "3.6 id: N (rising): {}", stream.text);
    assert_eq!(status_of(events.last().unwrap()), "Completed");
    assert!(
        !stream.text.lines().any(|line| line.starts_with("event:")),
        "3.6 no event: line: {}",
        stream.text
    );
    let without_time = |text: &str| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object_mut().unwrap().remove("remainingTime");
        value
    };
    let last = world.status("btc", &id).await;
    assert_eq!(without_time(&events.last().unwrap().1), without_time(&last.body), "3.6 the 3.5 object");

    let resume = |after: u64| path("btc", &id).header("last-event-id", &after.to_string());
    let mut newer = Stream::open(&world, &resume(events[0].0)).await;
    assert!(newer.until("Last-Event-ID: newer states", |_| false).await);
    let ids: Vec<u64> = newer.events().iter().map(|event| event.0).collect();
    assert!(
        !ids.is_empty() && ids.iter().all(|id| *id > events[0].0),
        "3.6 Last-Event-ID: newer states: {}",
        newer.text
    );
    let done = Stream::open(&world, &resume(events.last().unwrap().0)).await;
    assert_eq!(done.status, 204, "3.6 Completed already delivered: 204");
    let mut again = Stream::open(&world, &path("btc", &id)).await;
    assert!(again.until("Completed, then closes", |_| false).await);
    assert_eq!(again.events().len(), 1, "3.6 at once the present state: {}", again.text);
    world.stop().await;
}

#[tokio::test]
async fn expired_and_failed_stay_open() {
    let world = World::start().await;
    for (name, status) in [("expire", "Expired"), ("fail", "Failed")] {
        let (id, _) = world.created("btc", "0.0004").await;
        let mut stream = Stream::open(&world, &path("btc", &id)).await;
        world.control("/btcpay/scenario", json!({ "ref": id, "name": name })).await;
        let ended = stream.until("the change", |events| events.iter().any(|e| status_of(e) == status)).await;
        assert!(!ended, "3.6 {status} may still be paid: the stream stays");
        world.pay("btcpay", json!({ "ref": id, "amount": "0.0004" })).await;
        assert!(stream.until("paid all the same", |_| false).await);
        assert_eq!(status_of(stream.events().last().unwrap()), "Completed");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_payment_to_the_standing_address() {
    let world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    let hash = world.pay("nano", json!({ "ref": address, "amount": "1" })).await;
    let state = world.until_status("xno", &hash, "Completed").await;
    let mut stream = Stream::open(&world, &path("xno", &hash)).await;
    assert!(stream.until("Completed, then closes", |_| false).await);
    assert_eq!(stream.events()[0].1, state.body, "3.6 by the provider's id, as 3.5");
    assert_want("3.5", &state, &crate::row::ok());
    world.stop().await;
}
