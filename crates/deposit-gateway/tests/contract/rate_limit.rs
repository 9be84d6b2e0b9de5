//! Section 4.

use std::time::Duration;

use serde_json::json;

use crate::common::Reply;
use crate::harness::{Setup, World};
use crate::row::{Call, Want, amount, assert_want, create, error, get, ok, post, row};

const BTC: &str = "/api/transaction/create/btc";

async fn strict() -> World {
    World::with(Setup { limited: true, ..Setup::default() }).await
}

fn limited(wait: u32) -> Want {
    error(429, "Too many requests, please try again later", "rate_limit_exceeded")
        .header("retry-after", wait.to_string())
        .no_header("www-authenticate")
}

/// `RateLimit-Limit`, `-Remaining`, `-Reset`.
fn window(want: Want, remaining: u32, reset: u32) -> Want {
    want.header("ratelimit-limit", "10")
        .header("ratelimit-remaining", remaining.to_string())
        .header("ratelimit-reset", reset.to_string())
}

fn any(status: u16) -> Want {
    Want { status, ..ok() }
}

/// One answer, its place in the window with it.
async fn one(world: &World, line: &str, call: Call, want: Want) -> Reply {
    let reply = world.call(&call).await;
    assert_want(line, &reply, &want);
    reply
}

#[tokio::test]
async fn at_most_ten_in_any_600_seconds() {
    let world = strict().await;
    let good = || amount("btc", "0.0004");
    one(&world, "4 the first", good(), window(ok(), 9, 600)).await;
    world.advance(100).await;
    for n in 0..9 {
        one(&world, "4 nine more", good(), window(ok(), 8 - n, 500)).await;
    }
    let full = window(limited(500), 0, 500);
    for _ in 0..3 {
        one(&world, "4 a refused request never lengthens the window", good(), full.clone()).await;
    }
    world.advance(499).await;
    one(&world, "4 at 599 s: still full", good(), window(limited(1), 0, 1)).await;
    world.advance(1).await;
    one(&world, "4 at 600 s: one has left", good(), window(ok(), 0, 100)).await;
    one(&world, "4 sliding, not fixed", good(), window(limited(100), 0, 100)).await;
    world.advance(99).await;
    one(&world, "4 the nine are still in it", good(), window(limited(1), 0, 1)).await;
    world.advance(1).await;
    for n in 0..9 {
        one(&world, "4 the nine have left", good(), window(ok(), 8 - n, 500)).await;
    }
    one(&world, "4 the one of 600 s is in it", good(), window(limited(500), 0, 500)).await;
    world.stop().await;
}

#[tokio::test]
async fn what_counts_and_what_does_not() {
    let world = strict().await;
    let big = " ".repeat(16_385);
    let bad_key = error(400, "Invalid idempotency key", "invalid_idempotency_key");
    let keyed = || amount("btc", "0.0004").idempotent("k");
    let at = |status: u16, remaining: u32| window(any(status), remaining, 600);
    // On all creation endpoints, one window.
    one(&world, "4 a 200 counts", keyed(), at(200, 9)).await;
    one(&world, "4 replays do not, and carry the headers", keyed(), at(200, 9)).await;
    one(&world, "4 413s do not", create("btc", big.clone()), at(413, 9)).await;
    one(&world, "4 400s count: JSON", create("ltc", "{"), at(400, 8)).await;
    one(&world, "4 400s count: ticker", amount("nope", "1"), at(400, 7)).await;
    one(&world, "4 400s count: daimo", amount("daimo/btc", "1"), at(400, 6)).await;
    one(
        &world,
        "4 400s count: amount, a replay of it does not",
        create("usd", "{}").idempotent("r"),
        at(400, 5),
    )
    .await;
    one(
        &world,
        "4 replays do not count",
        create("usd", "{}").idempotent("r"),
        at(400, 5).header("idempotent-replayed", "true"),
    )
    .await;
    one(&world, "4 409s count", amount("btc", "0.0005").idempotent("k"), at(409, 4)).await;
    one(&world, "4 400s count: malformed key", amount("btc", "1").idempotent(""), window(bad_key, 3, 600))
        .await;
    world.faults("btcpay", json!({ "error_rate": 1.0 })).await;
    one(&world, "4 500s count", amount("btc", "0.0004"), at(500, 2)).await;
    world.faults("btcpay", json!({})).await;
    one(&world, "4 daimo", amount("daimo/usdc", "1"), at(200, 1)).await;
    one(&world, "4 eur", amount("eur", "2"), at(200, 0)).await;
    one(&world, "4 429s do not", amount("btc", "1"), window(limited(600), 0, 600)).await;
    one(&world, "4 replays do not, in a full window too", keyed(), at(200, 0)).await;
    one(&world, "4 413s do not, in a full window too", create("btc", big), at(413, 0)).await;
    // Nothing else is limited.
    for _ in 0..12 {
        for call in [
            get("/api/transaction/limits/btc"),
            post("/api/check-balance"),
            get("/api/transaction/status/btc/x"),
        ] {
            let reply = world.call(&call).await;
            assert!(matches!(reply.status.as_u16(), 200 | 404), "4 nothing else is limited: {}", reply.body);
            assert_eq!(reply.header("ratelimit-limit"), None);
        }
        let reply = world.call(&post("/api/check-balance").anonymous()).await;
        assert_eq!(reply.status, 401, "4 nothing else is limited, without a key too");
    }
    let second = world.issue_key("ana").await;
    one(&world, "4 two keys of one account count apart", amount("ltc", "1").key(&second), at(200, 9)).await;
    world.advance(600).await;
    one(&world, "4 all have left", amount("ltc", "1"), at(200, 9)).await;
    world.stop().await;
}

#[tokio::test]
async fn a_first_request_still_running_does_not_count_twice() {
    let world = strict().await;
    world.faults("btcpay", json!({ "latency_ms": 900 })).await;
    let call = amount("btc", "0.0004").idempotent("k");
    let repeats = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let running =
            error(409, "Idempotency key already used", "idempotency_conflict").header("retry-after", "1");
        for _ in 0..3 {
            one(
                &world,
                "4 409s count, but not for a first request still running",
                call.clone(),
                window(running.clone(), 9, 600),
            )
            .await;
        }
    };
    let (first, ()) = tokio::join!(world.call(&call), repeats);
    assert_want("4 the first", &first, &window(ok(), 9, 600));
    world.faults("btcpay", json!({})).await;
    one(&world, "4 the next", amount("btc", "0.0004"), window(ok(), 8, 600)).await;
    world.stop().await;
}

#[tokio::test]
async fn at_the_same_moment() {
    let world = strict().await;
    let call = create("btc", "{}");
    let replies = futures_util::future::join_all((0..40).map(|_| world.call(&call))).await;
    let count = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(400), count(429)), (10, 30), "4 at most 10, however many at once");
    world.stop().await;
}

#[tokio::test]
async fn without_a_key_the_address_counts() {
    let sections =
        "[server]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n";
    let world = World::with(Setup { limited: true, sections: sections.into(), ..Setup::default() }).await;
    let from = |forwarded: &str| post(BTC).anonymous().body("{").header("x-forwarded-for", forwarded);
    let unauthorized =
        |code| error(401, "Incorrect API key", code).no_header("ratelimit-limit").no_header("retry-after");
    for n in 0..10 {
        let (call, code) = if n % 2 == 0 {
            (from("203.0.113.7"), "missing_api_key")
        } else {
            (from("203.0.113.7").header("x-api-key", "nonsense"), "invalid_api_key")
        };
        one(&world, "4 without a valid key: 401 ten times", call, unauthorized(code)).await;
        world.advance(1).await;
    }
    let line = "4 then 429";
    one(&world, line, from("203.0.113.7"), limited(590)).await;
    one(&world, line, from("203.0.113.7").header("authorization", "Bearer nonsense"), limited(590)).await;
    one(&world, "4 on all creation endpoints", call_to("/api/transaction/create/daimo/usdc"), limited(590))
        .await;
    one(
        &world,
        "1 401 (or 429 for bad keys) > 413",
        from("203.0.113.7").body(" ".repeat(20_000)),
        limited(590),
    )
    .await;
    let line = "4 the address is the right-most that is no trusted proxy";
    for forwarded in [
        "198.51.100.1, 203.0.113.7",
        "198.51.100.1,203.0.113.7, 10.1.2.3",
        "203.0.113.7:443",
        "::ffff:203.0.113.7",
    ] {
        one(&world, line, from(forwarded), limited(590)).await;
    }
    one(&world, "4 another address", from("203.0.113.8"), unauthorized("missing_api_key")).await;
    one(&world, "4 another address", from("203.0.113.7, 198.51.100.1"), unauthorized("missing_api_key"))
        .await;
    let line = "4 IPv6: whoever has one address has its /64";
    for n in 0..10 {
        let call = from(&format!("2001:db8:1:2:{n:x}::1"));
        one(&world, line, call, unauthorized("missing_api_key")).await;
    }
    one(&world, line, from("2001:db8:1:2:ffff::1"), limited(600)).await;
    one(&world, line, from("2001:db8:1:3::1"), unauthorized("missing_api_key")).await;
    let keyed = from("203.0.113.7").header("x-api-key", &world.key);
    one(&world, "4 a valid key counts on that key, whatever the IP", keyed, window(any(400), 9, 600)).await;
    let other_ip = from("192.0.2.77").header("x-api-key", &world.key);
    one(&world, "4 a valid key counts on that key, whatever the IP", other_ip, window(any(400), 8, 600))
        .await;
    let elsewhere = get("/api/transaction/limits/btc").anonymous().header("x-forwarded-for", "203.0.113.7");
    one(&world, "4 nothing else is limited", elsewhere, unauthorized("missing_api_key")).await;
    world.advance(590).await;
    one(&world, "4 the first has left", from("203.0.113.7"), unauthorized("missing_api_key")).await;
    one(&world, "4 and no other", from("203.0.113.7"), limited(1)).await;
    world.stop().await;
}

fn call_to(path: &str) -> Call {
    post(path).anonymous().header("x-forwarded-for", "203.0.113.7")
}

#[tokio::test]
async fn an_untrusted_client_cannot_choose_its_address() {
    let world = strict().await;
    for n in 0..12_u16 {
        let call = post(BTC).anonymous().header("x-forwarded-for", &format!("203.0.113.{n}"));
        let status = if n < 10 { 401 } else { 429 };
        assert_eq!(
            world.call(&call).await.status,
            status,
            "4 X-Forwarded-For of a client that is no trusted proxy"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn replicas_share_the_window_and_a_restart_keeps_it() {
    let mut world = strict().await;
    world.add_gateway().await;
    let addresses = [world.gateways[0].address(), world.gateways[1].address()];
    for n in 0..10_u32 {
        let reply = world.call_at(addresses[n as usize % 2], &create("btc", "{}")).await;
        assert_want("4 shared over replicas", &reply, &window(any(400), 9 - n, 600));
    }
    for address in addresses {
        assert_want(
            "4 shared over replicas",
            &world.call_at(address, &create("btc", "{}")).await,
            &limited(600),
        );
    }
    for n in 0..11_usize {
        let reply = world.call_at(addresses[n % 2], &create("btc", "{}").anonymous()).await;
        assert_eq!(reply.status, if n < 10 { 401 } else { 429 }, "4 shared over replicas, by address");
    }
    world.restart().await;
    one(&world, "4 a restart forgets nothing", create("btc", "{}"), limited(600)).await;
    // Idempotency too: what one replica answered, the other replays.
    world.add_gateway().await;
    let second = world.issue_key("ana").await;
    let call = amount("btc", "0.0004").idempotent("shared").key(&second);
    let first = world.call(&call).await;
    let again = world.call_at(world.gateways[1].address(), &call).await;
    assert_want(
        "3.1 the first answer again, at another replica",
        &again,
        &ok().header("idempotent-replayed", "true"),
    );
    assert_eq!(crate::row::member(&first, "txId"), crate::row::member(&again, "txId"));
    world.stop().await;
}

#[tokio::test]
async fn the_limit_is_configurable() {
    let sections = "[create_rate_limit]\nrequests = 2\nwindow_seconds = 10\n";
    let world = World::with(Setup { limited: true, sections: sections.into(), ..Setup::default() }).await;
    let of = |want: Want, remaining: &str, reset: &str| {
        want.header("ratelimit-limit", "2")
            .header("ratelimit-remaining", remaining)
            .header("ratelimit-reset", reset)
    };
    one(&world, "4 configured", create("btc", "{}"), of(any(400), "1", "10")).await;
    world.advance(4).await;
    one(&world, "4 configured", create("btc", "{}"), of(any(400), "0", "6")).await;
    one(&world, "4 configured", create("btc", "{}"), limited(6)).await;
    world.advance(6).await;
    world.check(vec![row("4 configured", create("btc", "{}"), of(any(400), "0", "4"))]).await;
    world.stop().await;
}
