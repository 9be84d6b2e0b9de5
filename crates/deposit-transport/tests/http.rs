//! The client against real sockets.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::error::Error as _;
use std::time::{Duration, Instant};

use deposit_core::{ErrorKind, Operation, ProviderError, ProviderId, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Response, Safety};
use support::{Reply, Server, ok};

const TRANSIENT: ErrorKind = ErrorKind::Transient { retry_after: None };

fn quick() -> HttpConfig {
    let mut config = HttpConfig::default();
    config.connect_timeout = Duration::from_millis(150);
    config.read_timeout = Duration::from_millis(300);
    config.timeout = Duration::from_millis(400);
    config.deadline = Duration::from_secs(3);
    config.min_backoff = Duration::from_millis(5);
    config.max_backoff = Duration::from_millis(20);
    config.max_retry_after = Duration::from_secs(1);
    config
}

fn client(config: HttpConfig) -> HttpClient {
    HttpClient::new(ProviderId::constant("test"), config).unwrap()
}

async fn send(http: &HttpClient, server: &Server, safety: Safety) -> Result<Response, ProviderError> {
    let (operation, method) = match safety {
        Safety::Idempotent => (Operation::Read, Method::GET),
        Safety::Once => (Operation::Open, Method::POST),
    };
    http.request(operation, safety, method, server.url.clone()).json("{}").send().await
}

async fn kind(reply: impl Fn(usize) -> Reply + Send + Sync + 'static, safety: Safety) -> (ErrorKind, usize) {
    let server = Server::start(reply).await;
    let error = send(&client(quick()), &server, safety).await.unwrap_err();
    (error.kind().clone(), server.count())
}

#[tokio::test]
async fn an_answer_is_read_and_the_request_is_as_it_was_built() {
    let server = Server::start(|_| ok(r#"{"amount":"0.1"}"#)).await;
    let http = client(quick());
    let answer = http
        .request(Operation::Open, Safety::Once, Method::POST, server.url.join("/a/b").unwrap())
        .secret_header("authorization", "token ", &Secret::new("k-1"))
        .header("x-version", "2")
        .query("orderId", "a b&c")
        .query("orderId", "d")
        .json(&serde_json::json!({"x": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json::<serde_json::Value>().unwrap()["amount"], "0.1");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /a/b?orderId=a+b%26c&orderId=d HTTP/1.1\r\n"), "{request}");
    for part in [
        "authorization: token k-1\r\n",
        "x-version: 2\r\n",
        "content-type: application/json\r\n",
        concat!("user-agent: deposit/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "\r\n\r\n{\"x\":1}",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

#[tokio::test]
async fn forms_keep_their_order() {
    let server = Server::start(|_| ok("{}")).await;
    let http = client(quick());
    let request = http.request(Operation::Open, Safety::Once, Method::POST, server.url.clone());
    request.form([("b[0]", "x y"), ("a", "&")]).send().await.unwrap();
    assert!(server.requests()[0].ends_with("\r\n\r\nb%5B0%5D=x+y&a=%26"));
}

#[tokio::test]
async fn transient_failures_of_reads_are_tried_again() {
    let server = Server::start(|n| match n {
        0 => Reply::Cut,
        1 => Reply::Http("502 Bad Gateway\r\ncontent-type: text/html", b"<html>".into()),
        _ => ok("{}"),
    })
    .await;
    send(&client(quick()), &server, Safety::Idempotent).await.unwrap();
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn tries_end() {
    assert_eq!(kind(|_| Reply::Http("500 Oops", vec![]), Safety::Idempotent).await, (TRANSIENT, 3));
    assert_eq!(kind(|_| Reply::Cut, Safety::Idempotent).await, (TRANSIENT, 3));
    assert_eq!(kind(|_| Reply::CutInBody, Safety::Idempotent).await, (TRANSIENT, 3));
    assert_eq!(kind(|_| Reply::Silence, Safety::Idempotent).await, (TRANSIENT, 3));
}

#[tokio::test]
async fn what_may_have_happened_is_never_repeated() {
    for reply in [
        || Reply::Cut,
        || Reply::CutInBody,
        || Reply::Silence,
        || Reply::Http("500 Oops", vec![]),
        || Reply::Http("502 Bad Gateway", b"<html>".into()),
        || Reply::Http("503 Later\r\nretry-after: 0", vec![]),
        || Reply::Endless,
    ] {
        assert_eq!(kind(move |_| reply(), Safety::Once).await, (ErrorKind::OutcomeUnknown, 1));
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_unknown_when_it_was_a_write() {
    let server = Server::start(|_| ok(r#"{"id":"payer@example.com"}"#)).await;
    for (safety, expected) in
        [(Safety::Idempotent, ErrorKind::Protocol), (Safety::Once, ErrorKind::OutcomeUnknown)]
    {
        let error = send(&client(quick()), &server, safety).await.unwrap().json::<u32>().unwrap_err();
        assert_eq!(*error.kind(), expected);
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "the answer cannot be read: unexpected type or missing member at line 1 column 0");
    }
}

#[tokio::test]
async fn no_connection_means_that_nothing_left() {
    // A port that was just given back: nobody listens.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = client(quick());
    for safety in [Safety::Idempotent, Safety::Once] {
        let url = format!("http://{address}/").parse().unwrap();
        let error = http.request(Operation::Open, safety, Method::POST, url).send().await.unwrap_err();
        assert_eq!(*error.kind(), TRANSIENT);
    }
}

#[tokio::test]
async fn refusals_are_told_at_once() {
    for (head, expected) in [
        ("401 Unauthorized", ErrorKind::Authentication),
        ("403 Forbidden", ErrorKind::Authentication),
        ("404 Not Found", ErrorKind::NotFound),
        ("422 Unprocessable", ErrorKind::Rejected("invalid_request")),
    ] {
        for safety in [Safety::Idempotent, Safety::Once] {
            let reply = move |_| Reply::Http(head, b"<html>not json</html>".into());
            assert_eq!(kind(reply, safety).await, (expected.clone(), 1), "{head}");
        }
    }
}

#[tokio::test]
async fn an_adapter_refines_a_refusal_by_its_bounded_body() {
    let server = Server::start(|_| {
        let mut body = br#"{"code":"gone-for-good"}"#.to_vec();
        body.resize(1 << 20, b' ');
        Reply::Http("404 Not Found", body)
    })
    .await;
    let http = client(quick());
    let error = http
        .request(Operation::Read, Safety::Idempotent, Method::GET, server.url.clone())
        .refine(|status, body| {
            assert!(status.as_u16() == 404 && body.len() <= 64 << 10, "{}", body.len());
            body.starts_with(br#"{"code":"gone"#).then_some(ErrorKind::Rejected("gone"))
        })
        .send()
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Rejected("gone"));
}

#[tokio::test]
async fn retry_after_is_waited_for_when_short_and_told_when_long() {
    let server = Server::start(|n| match n {
        0 => Reply::Http("429 Too Many\r\nretry-after: 1", vec![]),
        _ => ok("{}"),
    })
    .await;
    let begun = Instant::now();
    send(&client(quick()), &server, Safety::Idempotent).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let reply = |_| Reply::Http("429 Too Many\r\nretry-after: 30", vec![]);
    let expected = ErrorKind::Transient { retry_after: Some(Duration::from_secs(30)) };
    assert_eq!(kind(reply, Safety::Idempotent).await, (expected.clone(), 1));
    assert_eq!(kind(reply, Safety::Once).await, (expected, 1));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::start(|_| ok("{}")).await;
    let target: &'static str = format!("302 Found\r\nlocation: {}", other.url).leak();
    let expected = (ErrorKind::Configuration, 1);
    assert_eq!(kind(move |_| Reply::Http(target, vec![]), Safety::Idempotent).await, expected);
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn large_answers_are_given_up() {
    let mut config = quick();
    config.max_body = 10_000;
    let http = client(config);
    for reply in [|| Reply::Http("200 OK", vec![b' '; 10_001]), || Reply::Endless] {
        let server = Server::start(move |_| reply()).await;
        let error = send(&http, &server, Safety::Idempotent).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol);
        assert_eq!(server.count(), 1);
    }
    let server = Server::start(|_| Reply::Http("200 OK", vec![b' '; 10_000])).await;
    assert_eq!(send(&http, &server, Safety::Idempotent).await.unwrap().bytes().len(), 10_000);
}

#[tokio::test]
async fn a_dripping_answer_ends_by_the_total_time() {
    let mut config = quick();
    config.max_tries = 1;
    let server = Server::start(|_| Reply::Drip(Duration::from_millis(50))).await;
    let begun = Instant::now();
    let error = send(&client(config), &server, Safety::Idempotent).await.unwrap_err();
    assert_eq!(*error.kind(), TRANSIENT);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_deadline_covers_all_tries() {
    let mut config = quick();
    config.max_tries = 100;
    config.deadline = Duration::from_millis(700);
    config.breaker.window = 1000;
    let server = Server::start(|_| Reply::Silence).await;
    let begun = Instant::now();
    let error = send(&client(config), &server, Safety::Idempotent).await.unwrap_err();
    assert_eq!(*error.kind(), TRANSIENT);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert!((2..=3).contains(&server.count()), "{}", server.count());
}

#[tokio::test]
async fn the_breaker_opens_and_closes() {
    let mut config = quick();
    config.max_tries = 1;
    config.breaker.window = 4;
    config.breaker.probes = 1;
    config.breaker.open_for = Duration::from_millis(200);
    let http = client(config);
    let server = Server::start(|n| if n < 5 { Reply::Http("500 Oops", vec![]) } else { ok("{}") }).await;
    for _ in 0..5 {
        let error = send(&http, &server, Safety::Idempotent).await.unwrap_err();
        assert_eq!(*error.kind(), TRANSIENT);
    }
    // Open: the caller is told at once, for writes too, and the provider is not asked.
    for safety in [Safety::Idempotent, Safety::Once] {
        let error = send(&http, &server, safety).await.unwrap_err();
        let expected = ErrorKind::Transient { retry_after: Some(Duration::from_millis(200)) };
        assert_eq!(*error.kind(), expected);
    }
    assert_eq!(server.count(), 5);
    tokio::time::sleep(Duration::from_millis(250)).await;
    for _ in 0..6 {
        send(&http, &server, Safety::Idempotent).await.unwrap();
    }
    assert_eq!(server.count(), 11);
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let mut config = quick();
    config.breaker.window = 2;
    let http = client(config);
    let server = Server::start(|n| match n % 3 {
        0 => Reply::Http("401 Unauthorized", vec![]),
        1 => Reply::Http("422 No", vec![]),
        _ => Reply::Http("429 Slow\r\nretry-after: 60", vec![]),
    })
    .await;
    for n in 1..=9 {
        send(&http, &server, Safety::Idempotent).await.unwrap_err();
        assert_eq!(server.count(), n);
    }
}

#[tokio::test]
async fn no_more_than_the_slots_at_once() {
    let mut config = quick();
    config.max_concurrent = 3;
    let http = client(config);
    let server = Server::start(|_| Reply::Late(Duration::from_millis(50), b"{}".into())).await;
    let (http, server) = (&http, &server);
    let mut calls = Vec::new();
    for _ in 0..12 {
        calls.push(send(http, server, Safety::Idempotent));
    }
    let begun = Instant::now();
    let answers = join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.most_at_once(), 3);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn waiting_for_a_slot_ends_and_nothing_left() {
    let mut config = quick();
    config.max_concurrent = 1;
    config.deadline = Duration::from_millis(200);
    let http = client(config);
    let server = Server::start(|_| Reply::Silence).await;
    let answers =
        join_all(vec![send(&http, &server, Safety::Once), send(&http, &server, Safety::Once)]).await;
    let kinds: Vec<_> = answers.iter().map(|a| a.as_ref().unwrap_err().kind().clone()).collect();
    assert_eq!(kinds, [ErrorKind::OutcomeUnknown, TRANSIENT]);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn no_secret_is_in_any_error_or_debug() {
    let http = client(quick());
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Server::start(|n| match n {
        0 => Reply::Http("401 No S3CR3T", b"S3CR3T".into()),
        1 => Reply::Http("400 No", b"S3CR3T".into()),
        2 => Reply::Http("200 OK", br#""S3CR3T""#.into()),
        3 => Reply::Http("302 Found\r\nlocation: /S3CR3T", vec![]),
        _ => Reply::Cut,
    })
    .await;
    let live = server.url.authority().to_owned();
    for host in [&live, &live, &live, &live, &live, &dead] {
        let url = format!("http://S3CR3T:S3CR3T@{host}/path?key=S3CR3T#S3CR3T").parse().unwrap();
        let request = http
            .request(Operation::Open, Safety::Once, Method::POST, url)
            .secret_header("authorization", "token ", &Secret::new("S3CR3T"))
            .header("x-more", "S3CR3T")
            .query("q", "S3CR3T")
            .json("S3CR3T");
        let mut shown = format!("{request:?} {http:?}");
        let answer = request.send().await;
        shown += &format!("{answer:?}");
        let error = answer.and_then(|a| a.json::<u8>().map(|_| ())).unwrap_err();
        shown += &format!("{error:?} {error}");
        let mut source = error.source();
        while let Some(inner) = source {
            shown += &format!(" {inner} {inner:?}");
            source = inner.source();
        }
        assert!(!shown.contains("S3CR3T"), "{shown}");
        assert!(shown.contains("/path"), "{shown}");
    }
    assert_eq!(server.count(), 5);
}

#[tokio::test]
async fn what_no_header_can_have_is_a_configuration_error() {
    let server = Server::start(|_| ok("{}")).await;
    let http = client(quick());
    let error = http
        .request(Operation::Read, Safety::Idempotent, Method::GET, server.url.clone())
        .secret_header("authorization", "token ", &Secret::new("line\nbreak"))
        .send()
        .await
        .unwrap_err();
    assert_eq!((error.kind(), server.count()), (&ErrorKind::Configuration, 0));
}

/// https works without a process-wide crypto provider, and a server that is none of TLS is "never left".
#[tokio::test]
async fn tls_needs_no_installed_provider() {
    let server = Server::start(|_| ok("{}")).await;
    let url = format!("https://{}/", server.url.authority()).parse().unwrap();
    let http = client(quick());
    let error = http.request(Operation::Open, Safety::Once, Method::POST, url).send().await.unwrap_err();
    assert_eq!(*error.kind(), TRANSIENT);
    assert_eq!(server.count(), 0);
}

/// All at once, in this task; futures-util is no dependency here.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
