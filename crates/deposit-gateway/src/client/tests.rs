//! Against a server that is written out here, answer by answer, so that it can cut, be silent and contradict itself.

use std::sync::Arc;
use std::sync::Mutex;

use deposit_core::Status;
use deposit_core::json::NumberText;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::follow::Pace;
use super::*;

/// What the server does after an answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    /// Keeps the connection open without another byte.
    Hold,
}

/// A server that gives its answers one by one, a connection each, and then is gone.
struct Tiny {
    url: Url,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Tiny {
    async fn start(script: Vec<(String, Then)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn({
            let heard = Arc::clone(&heard);
            async move {
                let mut held = Vec::new();
                for (answer, then) in script {
                    let (mut socket, _) = listener.accept().await.unwrap();
                    let request = request(&mut socket).await;
                    heard.lock().unwrap().push(request);
                    socket.write_all(answer.as_bytes()).await.unwrap();
                    if matches!(then, Then::Hold) {
                        held.push(socket);
                    }
                }
                drop(listener);
                std::future::pending::<()>().await;
            }
        });
        Self { url, heard }
    }

    fn client(&self) -> Client {
        Client::new(&self.url, Some(&Secret::new("hush-key"))).unwrap()
    }

    fn follow(&self) -> Follow {
        self.client().follow("BTC", "abc").paced(PACE)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

const PACE: Pace = Pace {
    retry: Duration::from_millis(5),
    silence: Duration::from_millis(300),
    poll: Duration::from_millis(5),
    patience: Duration::from_millis(100),
};

/// A whole request, in lower case but for its body.
async fn request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return format!("{head}\n{body}");
            }
        }
        let mut chunk = [0; 1024];
        let n = socket.read(&mut chunk).await.unwrap();
        assert_ne!(n, 0, "{bytes:?}");
        bytes.extend_from_slice(&chunk[..n]);
    }
}

fn state(status: &str, paid: &str) -> String {
    format!(
        r#"{{"txId":"abc","ticker":"BTC","amount":0.00040,"status":"{status}","createdAt":"2026-03-04T09:30:00.000Z","paidAmountCrypto":{paid},"remainingTime":7}}"#
    )
}

/// A stream that ends as one does, at the end of the connection.
fn stream(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}")
}

/// A stream that is cut: more was promised.
fn cut(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncontent-length: 99999\r\n\r\n{text}"
    )
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn refusal(status: &str, code: &str, error: &str, headers: &str) -> String {
    let number = status.split(' ').next().unwrap();
    let body = format!(r#"{{"error":"{error}","message":"{error}","status":{number},"code":"{code}"}}"#);
    answer(status, headers, &body)
}

fn event(id: u32, status: &str, paid: &str) -> String {
    format!("id: {id}\ndata: {}\n\n", state(status, paid))
}

async fn next(follow: &mut Follow) -> Option<News> {
    let news = tokio::time::timeout(Duration::from_secs(10), follow.next());
    news.await.expect("nothing comes").unwrap()
}

async fn next_status(follow: &mut Follow) -> Status {
    match next(follow).await {
        Some(News::Change(answer)) => answer.value.status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_goes_on_where_it_was() {
    let first = format!(
        "retry: 20\n\n: ping\n\n{}{}id: 8\ndata: {{\"half",
        event(1, "New", "0"),
        event(7, "Processing", "1")
    );
    let again = format!("retry: 20\n\n{}{}", event(7, "Processing", "1"), event(9, "Completed", "1"));
    let tiny = Tiny::start(vec![(cut(&first), Then::Close), (stream(&again), Then::Close)]).await;
    let mut follow = tiny.follow();
    let Some(News::Change(new)) = next(&mut follow).await else { panic!() };
    assert_eq!(new.value.status, Status::New);
    assert_eq!(new.raw, state("New", "0"), "byte for byte");
    assert_eq!(next_status(&mut follow).await, Status::Processing);
    assert!(matches!(next(&mut follow).await, Some(News::Lost(ClientError::Lost { .. }))));
    assert_eq!(next_status(&mut follow).await, Status::Completed, "what was told once is not told again");
    assert!(next(&mut follow).await.is_none(), "closed after Completed");
    let heard = tiny.heard();
    assert!(heard[0].starts_with("get /api/transaction/status/events?ticker=btc&txid=abc "), "{heard:?}");
    assert!(heard[0].contains("authorization: bearer hush-key") && !heard[0].contains("last-event-id"));
    assert!(heard[1].contains("last-event-id: 7"), "{heard:?}");
}

#[tokio::test]
async fn a_stream_that_ends_in_good_order_is_opened_again_without_a_word() {
    let tiny = Tiny::start(vec![
        (stream(&event(3, "Expired", "0")), Then::Close),
        // Resumed: nothing new, then closed again.
        (stream("retry: 1\n\n"), Then::Close),
        (stream(": ping\n\n"), Then::Close),
        (stream(&event(4, "Processing", "1")), Then::Close),
        ("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned(), Then::Close),
    ])
    .await;
    let mut follow = tiny.follow();
    assert_eq!(next_status(&mut follow).await, Status::Expired);
    assert_eq!(next_status(&mut follow).await, Status::Processing);
    assert!(next(&mut follow).await.is_none(), "204 says that nothing more comes");
    assert_eq!(tiny.heard().len(), 5);
}

#[tokio::test]
async fn where_there_are_no_events_the_state_is_asked_for() {
    for none in [
        refusal("404 Not Found", "not_found", "Not found", ""),
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno".to_owned(),
        answer("200 OK", "", "{}"),
    ] {
        let ask = |status, paid| (answer("200 OK", "x-poll-after: 0\r\n", &state(status, paid)), Then::Close);
        let tiny = Tiny::start(vec![
            (none, Then::Close),
            ask("New", "0"),
            ask("New", "0"),
            (refusal("500 Internal Server Error", "internal_error", "Internal server error", ""), Then::Close),
            ask("Processing", "1"),
            ask("Completed", "1"),
        ])
        .await;
        let mut follow = tiny.follow();
        assert!(matches!(next(&mut follow).await, Some(News::Polling)));
        assert_eq!(next_status(&mut follow).await, Status::New);
        let Some(News::Lost(error)) = next(&mut follow).await else { panic!() };
        assert_eq!(error.code(), "internal_error");
        assert_eq!(next_status(&mut follow).await, Status::Processing);
        assert_eq!(next_status(&mut follow).await, Status::Completed);
        assert!(next(&mut follow).await.is_none());
        assert!(tiny.heard()[1].starts_with("get /api/transaction/status/btc/abc "));
    }
}

#[tokio::test]
async fn streams_that_something_holds_back_are_given_up() {
    let silent = || (stream(""), Then::Hold);
    let done = answer("200 OK", "", &state("Completed", "1"));
    let tiny = Tiny::start(vec![silent(), silent(), (done, Then::Close)]).await;
    let mut follow = tiny.follow();
    assert!(matches!(next(&mut follow).await, Some(News::Lost(_))), "silent for too long");
    assert!(matches!(next(&mut follow).await, Some(News::Polling)));
    assert_eq!(next_status(&mut follow).await, Status::Completed);
}

#[tokio::test]
async fn a_gateway_that_was_never_there_is_said_at_once_and_one_that_was_is_waited_for() {
    let tiny =
        Tiny::start(vec![(stream(&format!("retry: 10\n\n{}", event(1, "New", "0"))), Then::Close)]).await;
    let mut follow = tiny.follow();
    assert_eq!(next_status(&mut follow).await, Status::New);
    let mut lost = 0;
    let error = loop {
        match follow.next().await {
            Ok(Some(News::Lost(ClientError::Unreachable { .. }))) => lost += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(lost > 1, "{lost}");
    assert_eq!(error.code(), "unreachable");

    let error = tiny.follow().next().await.unwrap_err();
    assert!(error.to_string().starts_with("no gateway answers at http://127.0.0.1:"), "{error}");
    assert!(error.hint().unwrap().contains("deposit serve"));
}

#[tokio::test]
async fn a_refusal_ends_it() {
    for (status, code, text) in [
        ("404 Not Found", "not_found", "Transaction not found"),
        ("401 Unauthorized", "invalid_api_key", "Incorrect API key"),
        ("400 Bad Request", "unsupported_ticker", "Unsupported ticker"),
    ] {
        let tiny = Tiny::start(vec![(refusal(status, code, text, ""), Then::Close)]).await;
        let error = tiny.follow().next().await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(error.is_unknown_deposit(), code == "not_found");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_create_is_repeated_with_its_key_until_it_is_answered() {
    let tiny = Tiny::start(vec![
        ("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_owned(), Then::Close),
        (
            refusal(
                "409 Conflict",
                "idempotency_conflict",
                "Idempotency key already used",
                "retry-after: 0\r\n",
            ),
            Then::Close,
        ),
        (refusal("500 Internal Server Error", "internal_error", "Internal server error", ""), Then::Close),
        (answer("200 OK", "", &state("New", "0").replace(",\"amount", "\n ,\"amount")), Then::Close),
    ])
    .await;
    let amount: NumberText = "4.00e-4".parse().unwrap();
    let answer = tiny.client().create("btc", &amount, "o-17").await.unwrap();
    assert_eq!(answer.value.tx_id, "abc");
    assert!(!answer.raw.contains('\n') && answer.raw.contains(r#""amount":0.00040"#), "{}", answer.raw);
    let heard = tiny.heard();
    assert_eq!(heard.len(), 4);
    for request in heard {
        assert!(request.starts_with("post /api/transaction/create/btc "), "{request}");
        assert!(
            request.contains("idempotency-key: o-17") && request.ends_with("{\"amount\":4.00e-4}"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_create_that_is_refused_is_not_repeated() {
    for (status, code, headers, open) in [
        ("400 Bad Request", "amount_below_minimum", "", false),
        ("409 Conflict", "idempotency_conflict", "", false),
        ("429 Too Many Requests", "rate_limit_exceeded", "retry-after: 77\r\n", false),
        ("500 Internal Server Error", "payment_method_unavailable", "", true),
        ("500 Internal Server Error", "payment_method_unavailable", "retry-after: 30\r\n", true),
    ] {
        let tiny = Tiny::start(vec![(refusal(status, code, "No", headers), Then::Close)]).await;
        let error = tiny.client().create("btc", &"1".parse().unwrap(), "k").await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(error.leaves_a_create_open(), open);
        assert_eq!(tiny.heard().len(), 1);
    }
    // A gateway that fails again and again is not asked more than three times: each counts against the rate limit.
    let fail = || {
        (
            refusal(
                "500 Internal Server Error",
                "internal_error",
                "Internal server error",
                "x-request-id: r-1\r\n",
            ),
            Then::Close,
        )
    };
    let tiny = Tiny::start(vec![fail(), fail(), fail(), fail()]).await;
    let error = tiny.client().create("btc", &"1".parse().unwrap(), "k").await.unwrap_err();
    assert_eq!(tiny.heard().len(), 3);
    assert_eq!(error.to_string(), "Internal server error [request r-1]");
    assert!(error.hint().unwrap().contains("r-1"));
}

#[tokio::test]
async fn what_is_no_gateway_is_said_so() {
    for (raw, status, expected, hint) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 4\r\n\r\n<p/>",
            200,
            "text/html",
            "address of a deposit gateway",
        ),
        (
            "HTTP/1.1 301 Moved\r\nlocation: https://x.example/\r\ncontent-length: 0\r\n\r\n",
            301,
            "no content type",
            "redirects to https://x.example/",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            200,
            "another form",
            "address of a deposit gateway",
        ),
    ] {
        let tiny = Tiny::start(vec![(raw.to_owned(), Then::Close)]).await;
        let error = tiny.client().limits("BTC").await.unwrap_err();
        assert!(matches!(error, ClientError::Unexpected { status: s, .. } if s == status), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
    }
}

#[test]
fn an_address_is_checked_before_anything_is_sent() {
    for good in ["http://127.0.0.1:8080", "https://pay.example/prefix/", "http://[::1]:1"] {
        gateway_url(good).unwrap();
    }
    for bad in
        ["", "127.0.0.1:8080", "ftp://x", "http://user:pass@x", "http://x/?a=1", "http://x/#a", "unix:/x"]
    {
        gateway_url(bad).unwrap_err();
    }
    let client = |url: &str| Client::new(&gateway_url(url).unwrap(), None).unwrap();
    assert_eq!(client("http://x/pre/").url(&["api", "a b/c"]).as_str(), "http://x/pre/api/a%20b%2Fc");
    assert_eq!(client("http://x").url(&["api"]).as_str(), "http://x/api");
    for (url, loopback) in [
        ("http://localhost:1", true),
        ("http://[::1]", true),
        ("http://127.1.2.3", true),
        ("http://10.0.0.1", false),
    ] {
        assert_eq!(is_loopback(&gateway_url(url).unwrap()), loopback, "{url}");
    }
}

#[test]
fn the_key_is_never_printed_and_one_that_cannot_be_is_refused() {
    let url = gateway_url("http://127.0.0.1:1").unwrap();
    let client = Client::new(&url, Some(&Secret::new("hush-key"))).unwrap();
    assert!(!format!("{client:?}").contains("hush"));
    let error = Client::new(&url, Some(&Secret::new("hush\nkey"))).unwrap_err();
    assert!(matches!(error, ClientError::BadKey) && !format!("{error:?} {error}").contains("hush"));
}

#[test]
fn an_error_is_told_to_programs_too() {
    let refusal = Refusal {
        status: 429,
        error: "Too many requests, please try again later".to_owned(),
        code: "rate_limit_exceeded".to_owned(),
        details: None,
        retry_after: Some(77),
        request_id: "r-1".to_owned(),
        ticker: None,
    };
    let error = ClientError::Refused(Box::new(refusal));
    assert_eq!(error.hint().as_deref(), Some("try again in 77 s"));
    assert_eq!(
        error.json().to_string(),
        r#"{"code":"rate_limit_exceeded","error":"Too many requests, please try again later","hint":"try again in 77 s","requestId":"r-1","retryAfter":77,"status":429}"#
    );
}
