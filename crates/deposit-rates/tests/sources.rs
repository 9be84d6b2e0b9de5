//! The HTTP sources against their emulators, and against a server that lies. Real sockets; time is an argument.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deposit_core::{Secret, Ticker, Timestamp};
use deposit_rates::http::{CoinGecko, Frankfurter, Kraken, KuCoin};
use deposit_rates::{RateError, RateSource, Rates};
use deposit_sandbox::{Faults, Sandbox, SandboxConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// 2026-03-04T09:30:00Z, a Wednesday morning: the central bank's figures are Tuesday's.
const START: i64 = 1_772_616_600;

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxConfig { clock: Some(START), ..SandboxConfig::default() }).await.unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn source(name: &str, url: &str) -> Arc<dyn RateSource> {
    match name {
        "coingecko" => Arc::new(CoinGecko::new(url, Secret::default()).unwrap()),
        "kraken" => Arc::new(Kraken::new(url).unwrap()),
        "kucoin" => Arc::new(KuCoin::new(url).unwrap()),
        "frankfurter" => Arc::new(Frankfurter::new(url).unwrap()),
        other => panic!("{other}"),
    }
}

const ALL: [&str; 4] = ["coingecko", "kraken", "kucoin", "frankfurter"];

fn emulated(sandbox: &Sandbox, name: &str) -> Arc<dyn RateSource> {
    source(name, &sandbox.rate_source_url(name).unwrap())
}

fn rates(sandbox: &Sandbox) -> Rates {
    Rates::new(ALL.iter().map(|name| emulated(sandbox, name)).collect(), Duration::from_secs(300))
}

async fn said(source: &dyn RateSource, tickers: &[Ticker]) -> Vec<String> {
    let quotes = source.fetch(tickers).await.unwrap();
    quotes.iter().map(|quote| format!("{} {}", quote.ticker, quote.price)).collect()
}

fn usd(rates: &Rates, ticker: Ticker, secs: i64) -> Option<(String, String)> {
    rates.current(ticker, at(secs)).ok().map(|rate| (rate.price.to_string(), rate.source))
}

fn some(price: &str, source: &str) -> Option<(String, String)> {
    Some((price.to_owned(), source.to_owned()))
}

async fn control(sandbox: &Sandbox, call: &str, body: &str) {
    let address = sandbox.address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /control{call} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Answers every request with this body; counts them.
async fn liar(body: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0_u8; 4096];
            _ = stream.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            _ = stream
                .write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
                .await;
        }
    });
    (url, count)
}

#[tokio::test]
async fn together_the_sources_price_every_ticker() {
    let sandbox = sandbox().await;
    let rates = rates(&sandbox);
    let report = rates.refresh(Ticker::KNOWN, at(0)).await;
    assert!(report.failures.is_empty() && report.missing.is_empty(), "{report:?}");
    assert!(report.disputed.is_empty() && report.held.is_empty());
    for (ticker, price, by) in [
        (Ticker::BTC, "50000", "coingecko+kraken+kucoin"),
        (Ticker::BTC_LN, "50000", "coingecko+kraken+kucoin"),
        (Ticker::XNO, "0.8", "coingecko+kraken+kucoin"),
        (Ticker::BAN, "0.004", "coingecko"),
        (Ticker::FUSD, "1", "coingecko"),
        (Ticker::EUR, "1.08", "kraken+frankfurter"),
        (Ticker::GBP, "1.25", "kraken+frankfurter"),
    ] {
        assert_eq!(usd(&rates, ticker, 0), some(price, by), "{ticker}");
    }
}

#[tokio::test]
async fn what_the_control_sets_is_followed_by_all_and_one_alone_is_left_out() {
    let sandbox = sandbox().await;
    let rates = rates(&sandbox);
    rates.refresh(Ticker::KNOWN, at(0)).await;
    control(&sandbox, "/rates", r#"{"BTC":"100000.000000000000000001"}"#).await;
    rates.refresh(Ticker::KNOWN, at(60)).await;
    assert_eq!(usd(&rates, Ticker::BTC, 60), some("100000.000000000000000001", "coingecko+kraken+kucoin"));

    control(&sandbox, "/kraken/rates", r#"{"BTC":"9"}"#).await;
    rates.refresh(Ticker::KNOWN, at(120)).await;
    assert_eq!(usd(&rates, Ticker::BTC, 120), some("100000.000000000000000001", "coingecko+kraken+kucoin"));
    let age = |secs| rates.current(Ticker::BTC, at(secs)).is_ok();
    assert!(age(420) && !age(421), "confirmed by the other two");

    // Two that contradict each other: the last good rate stays for its time, and no other ticker is touched.
    sandbox.set_faults("coingecko", Faults { down: true, ..Faults::default() });
    for secs in [200, 300, 421, 480] {
        control(&sandbox, "/rates", &format!(r#"{{"LTC":"{secs}"}}"#)).await;
        control(&sandbox, "/kraken/rates", r#"{"BTC":"9"}"#).await;
        let report = rates.refresh(&[Ticker::BTC, Ticker::LTC], at(secs)).await;
        assert_eq!(report.disputed.contains(&Ticker::BTC), secs > 420, "{secs}");
    }
    assert!(!age(721 + 60));
    assert!(rates.current(Ticker::LTC, at(480)).is_ok());
}

#[tokio::test]
async fn each_fails_alone_and_none_for_long() {
    let sandbox = sandbox().await;
    type Fault = (&'static str, fn(Faults) -> Faults);
    let faults: [Fault; 6] = [
        ("down", |f| Faults { down: true, ..f }),
        ("errors", |f| Faults { error_rate: 1.0, ..f }),
        ("a proxy", |f| Faults { html_502: true, ..f }),
        ("types", |f| Faults { wrong_types: true, ..f }),
        ("huge", |f| Faults { huge_body: true, ..f }),
        ("key", |f| Faults { reject_key: true, ..f }),
    ];
    for name in ALL {
        for (what, fault) in faults {
            // A client of its own each time: its breaker has seen nothing.
            let rates = rates(&sandbox);
            sandbox.set_faults(name, fault(Faults::default()));
            let report = rates.refresh(Ticker::KNOWN, at(0)).await;
            let failed: Vec<&str> = report.failures.iter().map(|failure| failure.source.as_str()).collect();
            // Texts that became numbers are figures, and far from those of the others.
            assert!(failed == [name] || what == "types" && failed.is_empty(), "{name}, {what}: {failed:?}");
            for ticker in [Ticker::BTC, Ticker::EUR] {
                match usd(&rates, ticker, 0) {
                    Some((price, by)) => {
                        assert!(!by.contains(name), "{name}, {what}: {by}");
                        assert_eq!(price, if ticker == Ticker::BTC { "50000" } else { "1.08" });
                    }
                    None => assert_eq!((name, what, ticker), ("kraken", "types", Ticker::EUR)),
                }
            }
            sandbox.set_faults(name, Faults::default());
        }
    }
}

#[tokio::test]
async fn a_source_that_hangs_is_given_up_in_time() {
    let sandbox = sandbox().await;
    sandbox.set_faults("kucoin", Faults { latency_ms: 60_000, ..Faults::default() });
    let begun = std::time::Instant::now();
    let kucoin = emulated(&sandbox, "kucoin");
    let error = kucoin.fetch(&[Ticker::BTC]).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(error.to_string(), "the rate source kucoin failed");
}

#[tokio::test]
async fn who_says_too_often_is_left_alone_for_as_long() {
    let sandbox = sandbox().await;
    let rates = Rates::new(vec![emulated(&sandbox, "kraken")], Duration::from_secs(300));
    let (url, count) = liar(r#"{"error":["EGeneral:Too many requests"]}"#.to_owned()).await;
    let busy = Rates::new(vec![source("kraken", &url)], Duration::from_secs(300));
    for (secs, asked) in [(0, 1), (20, 1), (59, 1), (60, 2)] {
        busy.refresh(&[Ticker::BTC], at(secs)).await;
        assert_eq!(count.load(Ordering::SeqCst), asked, "{secs}");
    }
    // By a proxy's 429 as well.
    sandbox.set_faults("kraken", Faults { status_429: true, ..Faults::default() });
    assert_eq!(rates.refresh(&[Ticker::BTC], at(0)).await.failures.len(), 1);
    sandbox.set_faults("kraken", Faults::default());
    rates.refresh(&[Ticker::BTC], at(0)).await;
    assert!(usd(&rates, Ticker::BTC, 0).is_none());
    rates.refresh(&[Ticker::BTC], at(1)).await;
    assert!(usd(&rates, Ticker::BTC, 1).is_some());
}

#[tokio::test]
async fn a_source_is_asked_at_its_own_pace() {
    let (url, count) = liar(r#"{"bitcoin":{"usd":50000}}"#.to_owned()).await;
    let rates = Rates::new(vec![source("coingecko", &url)], Duration::from_secs(300));
    for (secs, asked) in [(0, 1), (20, 1), (59, 1), (60, 2), (80, 2), (120, 3)] {
        rates.refresh(&[Ticker::BTC], at(secs)).await;
        assert_eq!(count.load(Ordering::SeqCst), asked, "{secs}");
    }
    // At least twice within the time that its figures are good for.
    let hasty = Rates::new(vec![source("coingecko", &url)], Duration::from_secs(30));
    for secs in [0, 14, 15] {
        hasty.refresh(&[Ticker::BTC], at(secs)).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn what_is_no_price_is_refused_for_its_ticker_alone() {
    let digits = format!("1.{}", "3".repeat(50));
    for bad in [
        "0",
        "-5",
        "null",
        "\"NaN\"",
        "1e400",
        "1e-400",
        "{}",
        "[1]",
        "true",
        "\"\"",
        "1e12",
        digits.as_str(),
    ] {
        let two = [Ticker::BTC, Ticker::LTC];
        let (url, _) = liar(format!(
            r#"{{"bitcoin":{{"usd":{bad},"last_updated_at":{START}}},"litecoin":{{"usd":80.5}}}}"#
        ))
        .await;
        assert_eq!(said(&*source("coingecko", &url), &two).await, ["LTC 80.5"], "{bad}");
        let (url, _) = liar(format!(r#"{{"code":"200000","data":{{"BTC":{bad},"LTC":"80.5"}}}}"#)).await;
        assert_eq!(said(&*source("kucoin", &url), &two).await, ["LTC 80.5"], "{bad}");
        let good = r#"{"a":["81"],"b":["80"],"c":["80.5"]}"#;
        for spoilt in [
            format!(r#"{{"a":[{bad}],"b":["80"],"c":["80.5"]}}"#),
            format!(r#"{{"a":["81"],"b":[{bad}],"c":["80.5"]}}"#),
            bad.to_owned(),
        ] {
            let (url, _) =
                liar(format!(r#"{{"error":[],"result":{{"XXBTZUSD":{spoilt},"XLTCZUSD":{good}}}}}"#)).await;
            assert_eq!(said(&*source("kraken", &url), &two).await, ["LTC 80.5"], "{spoilt}");
        }
        let fx = [Ticker::EUR, Ticker::GBP];
        let (url, _) = liar(format!(
            r#"{{"amount":1.0,"base":"EUR","date":"2026-03-03","rates":{{"USD":1.08,"GBP":{bad}}}}}"#
        ))
        .await;
        assert_eq!(said(&*source("frankfurter", &url), &fx).await, ["EUR 1.08"], "{bad}");
    }
}

#[tokio::test]
async fn an_answer_of_another_kind_is_a_failure_of_the_source() {
    for (name, body) in [
        ("coingecko", "[]"),
        ("kucoin", r#"{"code":"400100","msg":"what"}"#),
        ("kucoin", r#"{"code":"200000"}"#),
        ("kraken", r#"{"error":["EGeneral:Internal error"]}"#),
        ("kraken", r#"{"error":[]}"#),
        ("frankfurter", r#"{"base":"USD","date":"2026-03-03","rates":{"USD":1,"GBP":2}}"#),
        ("frankfurter", r#"{"base":"EUR","date":"soon","rates":{"USD":1,"GBP":2}}"#),
        ("frankfurter", "<html>"),
    ] {
        let (url, _) = liar(body.to_owned()).await;
        let error = source(name, &url).fetch(&[Ticker::BTC, Ticker::EUR]).await.unwrap_err();
        assert!(matches!(error, RateError::Source { .. }), "{name}: {error:?}");
        assert_eq!(error.to_string(), format!("the rate source {name} failed"));
    }
}

#[tokio::test]
async fn kraken_s_price_is_the_middle_of_bid_ask_and_last() {
    for (ask, bid, last, price) in [
        ("101", "99", "100", "100"),
        ("101", "99", "150", "101"),
        ("101", "99", "1", "99"),
        ("5000", "99", "100", "100"),
    ] {
        let pair = format!(r#"{{"a":["{ask}","1","1"],"b":["{bid}","1","1"],"c":["{last}","1"]}}"#);
        let (url, _) = liar(format!(r#"{{"error":[],"result":{{"XXBTZUSD":{pair}}}}}"#)).await;
        assert_eq!(said(&*source("kraken", &url), &[Ticker::BTC]).await, [format!("BTC {price}")]);
    }
}

#[tokio::test]
async fn a_pair_that_kraken_does_not_list_spoils_nothing() {
    let sandbox = sandbox().await;
    let kraken = emulated(&sandbox, "kraken");
    // VVV is not among the emulated pairs: learned from the first answer, not asked for again.
    for _ in 0..3 {
        assert_eq!(said(&*kraken, &[Ticker::VVV, Ticker::SOL]).await, ["SOL 125"]);
    }
    assert!(said(&*kraken, &[Ticker::VVV]).await.is_empty());
    assert!(said(&*kraken, &[Ticker::ZANO]).await.is_empty());
}

#[tokio::test]
async fn figures_that_are_no_longer_kept_up_are_no_figures() {
    let day = |date: &str| {
        format!(r#"{{"amount":1.0,"base":"EUR","date":"{date}","rates":{{"USD":1.08,"GBP":0.864}}}}"#)
    };
    // Asked on Wednesday the 4th at 9:30: Easter's longest pause is no reason, a week is.
    for (date, fresh) in
        [("2026-03-03", true), ("2026-02-27", true), ("2026-02-26", false), ("2025-03-04", false)]
    {
        let (url, _) = liar(day(date)).await;
        let rates = Rates::new(vec![source("frankfurter", &url)], Duration::from_secs(300));
        rates.refresh(&[Ticker::EUR, Ticker::GBP], at(0)).await;
        assert_eq!(usd(&rates, Ticker::EUR, 0).is_some(), fresh, "{date}");
    }
    for (age, fresh) in [(0, true), (3_600, true), (3_601, false)] {
        let (url, _) =
            liar(format!(r#"{{"bitcoin":{{"usd":50000,"last_updated_at":{}}}}}"#, START - age)).await;
        let rates = Rates::new(vec![source("coingecko", &url)], Duration::from_secs(300));
        rates.refresh(&[Ticker::BTC], at(0)).await;
        assert_eq!(usd(&rates, Ticker::BTC, 0).is_some(), fresh, "{age}");
    }
}

#[tokio::test]
async fn a_daily_figure_stays_fresh_as_long_as_the_source_confirms_it() {
    let sandbox = sandbox().await;
    let rates = Rates::new(vec![emulated(&sandbox, "frankfurter")], Duration::from_secs(300));
    for minute in 0..60 {
        rates.refresh(&[Ticker::EUR], at(minute * 60)).await;
        assert!(rates.current(Ticker::EUR, at(minute * 60)).is_ok(), "{minute}");
    }
    sandbox.set_faults("frankfurter", Faults { down: true, ..Faults::default() });
    rates.refresh(&[Ticker::EUR], at(3_900)).await;
    assert!(rates.current(Ticker::EUR, at(3_900)).is_err());
}

#[tokio::test]
async fn nothing_secret_is_in_an_error() {
    let key = "cg-secret-of-nobody";
    let sandbox = sandbox().await;
    let url = sandbox.rate_source_url("coingecko").unwrap();
    let gecko = CoinGecko::new(&url, Secret::new(key)).unwrap();
    assert!(!format!("{gecko:?}").contains(key));
    assert_eq!(said(&gecko, &[Ticker::XNO]).await, ["XNO 0.8"]);
    sandbox.set_faults("coingecko", Faults { reject_key: true, ..Faults::default() });
    let error = gecko.fetch(&[Ticker::XNO]).await.unwrap_err();
    assert!(!format!("{error:?}").contains(key), "{error:?}");
    assert_eq!(
        CoinGecko::new(&url, Secret::new("with\nnewline")).unwrap_err().key,
        "rates.coingecko.api_key"
    );
}
