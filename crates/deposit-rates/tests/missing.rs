//! One bad line of a source's answer spoils no other, is told once, and is counted. Real sockets; time is an argument.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deposit_core::{Secret, Ticker, Timestamp};
use deposit_rates::http::{CoinGecko, Frankfurter, Kraken, KuCoin};
use deposit_rates::{RateSource, Rates};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, span};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_772_616_600 + secs)
}

/// A server with these answers, one after the other; the last one stays. What was asked for is noted.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn of(answers: &[&str]) -> (Self, String) {
        let script = Self::default();
        script.answers.lock().unwrap().extend(answers.iter().map(|answer| (*answer).to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = script.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0_u8; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or("").to_owned();
                served.asked.lock().unwrap().push(line);
                let body = {
                    let mut answers = served.answers.lock().unwrap();
                    if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap()
                };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (script, url)
    }
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

async fn said(source: &dyn RateSource, tickers: &[Ticker]) -> Vec<String> {
    let quotes = source.fetch(tickers).await.unwrap();
    quotes.iter().map(|quote| format!("{} {}", quote.ticker, quote.price)).collect()
}

const LTC: &str = r#"{"a":["80.5"],"b":["80.5"],"c":["80.5"]}"#;

#[tokio::test]
async fn one_bad_line_spoils_no_other() {
    let kraken = |members: &str| format!(r#"{{{members},"result":{{"XLTCZUSD":{LTC},"XXBTZUSD":null}}}}"#);
    for (name, body) in [
        ("coingecko", r#"{"bitcoin":null,"litecoin":{"usd":80.5}}"#.to_owned()),
        ("coingecko", r#"{"bitcoin":[],"litecoin":{"usd":80.5}}"#.to_owned()),
        ("coingecko", r#"{"bitcoin":"none","litecoin":{"usd":80.5,"last_updated_at":null}}"#.to_owned()),
        ("coingecko", r#"{"bitcoin":{"usd":null},"litecoin":{"usd":80.5}}"#.to_owned()),
        ("coingecko", r#"{"status":{"error_code":1},"litecoin":{"usd":80.5}}"#.to_owned()),
        ("coingecko", r#"{"litecoin":{"usd":80.5}}"#.to_owned()),
        ("kucoin", r#"{"code":"200000","data":{"BTC":null,"LTC":"80.5"}}"#.to_owned()),
        ("kraken", kraken(r#""error":[]"#)),
        ("kraken", kraken(r#""error":null"#)),
        ("kraken", kraken(r#""error":["EQuery:Unknown asset pair"]"#)),
        ("kraken", kraken(r#""error":["WGeneral:Danger"]"#)),
        ("kraken", kraken(r#""error":[null]"#)),
        ("kraken", kraken(r#""error":"odd""#)),
    ] {
        let (_, url) = Script::of(&[&body]).await;
        assert_eq!(said(&*source(name, &url), &[Ticker::BTC, Ticker::LTC]).await, ["LTC 80.5"], "{body}");
    }
    let body = r#"{"base":"EUR","date":"2026-03-03","rates":{"USD":1.08,"GBP":null}}"#;
    let (_, url) = Script::of(&[body]).await;
    let fx = source("frankfurter", &url);
    assert_eq!(said(&*fx, &[Ticker::EUR, Ticker::GBP]).await, ["EUR 1.08"]);
    // An error and nothing else is one all the same.
    for (name, body) in [
        ("coingecko", r#"{"status":{"error_code":429,"error_message":"x"}}"#),
        ("kraken", r#"{"error":["EGeneral:Internal error"],"result":{}}"#),
        ("kraken", r#"{"error":"odd"}"#),
        ("kraken", r#"{"error":null,"result":null}"#),
    ] {
        let (_, url) = Script::of(&[body]).await;
        assert!(source(name, &url).fetch(&[Ticker::BTC]).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_pair_that_kraken_no_longer_has_is_left_out_and_looked_for_again() {
    let all = format!(r#"{{"error":[],"result":{{"XLTCZUSD":{LTC},"XXBTZUSD":{LTC}}}}}"#);
    let without = format!(r#"{{"error":[],"result":{{"XLTCZUSD":{LTC}}}}}"#);
    let refused = r#"{"error":["EQuery:Invalid asset pair"]}"#;
    // The first question, one for both pairs, which is refused, and the question for all; then for the one pair.
    let (script, url) = Script::of(&[&all, refused, &without, &without]).await;
    let kraken = source("kraken", &url);
    let both = [Ticker::BTC, Ticker::LTC];
    assert_eq!(said(&*kraken, &both).await, ["BTC 80.5", "LTC 80.5"]);
    assert_eq!(said(&*kraken, &both).await, ["LTC 80.5"]);
    let asked_for = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    for _ in 1..180 {
        assert_eq!(said(&*kraken, &both).await, ["LTC 80.5"]);
    }
    let asked: Vec<String> = script.asked.lock().unwrap().iter().map(|line| asked_for(line)).collect();
    assert!(asked[3].ends_with("pair=XLTCZUSD") && asked[181].ends_with("pair=XLTCZUSD"), "{asked:?}");
    script.answers.lock().unwrap().clear();
    script.answers.lock().unwrap().push_back(all);
    assert_eq!(said(&*kraken, &both).await, ["BTC 80.5", "LTC 80.5"], "it is back");
    let asked = asked_for(script.asked.lock().unwrap().last().unwrap());
    assert!(!asked.contains("pair="), "{asked}");
}

/// What is logged at `WARN` and `INFO` by the rates, as `LEVEL source ticker`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), "source" | "ticker") {
            self.0.push(' ');
            self.0.push_str(&format!("{value:?}").replace('"', ""));
        }
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("deposit_rates") && *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut words = Words(event.metadata().level().to_string());
        event.record(&mut words);
        self.0.lock().unwrap().push(words.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn what_is_missing_is_told_once_until_it_is_back_and_counted() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let good = r#"{"bitcoin":{"usd":50000},"litecoin":{"usd":80.5}}"#;
    let bad = r#"{"bitcoin":{"usd":null},"litecoin":{"usd":80.5}}"#;
    let error = r#"{"status":{"error_code":429}}"#;
    let (_, url) = Script::of(&[bad, bad, bad, good, bad, error, error, good]).await;
    let rates = Rates::new(vec![source("coingecko", &url)], Duration::from_secs(300));
    // BTC-LN is worth what BTC is: it is not told apart. EUR is nothing that this source knows.
    let wanted = [Ticker::BTC, Ticker::BTC_LN, Ticker::LTC, Ticker::EUR];
    let mut told = Vec::new();
    for round in 0..8 {
        rates.refresh(&wanted, at(round * 60)).await;
        assert!(rates.current(Ticker::LTC, at(round * 60)).is_ok(), "the others' prices are used");
        told.push(std::mem::take(&mut *log.0.lock().unwrap()));
        let state = &rates.sources()[0];
        assert_eq!(state.source, "coingecko");
        assert_eq!(state.missing, if matches!(round, 3 | 7) { vec![] } else { vec![Ticker::BTC] }, "{round}");
        assert_eq!(state.failing, matches!(round, 5 | 6), "{round}");
    }
    assert_eq!(
        told.iter().map(|lines| lines.join(", ")).collect::<Vec<_>>(),
        [
            "WARN coingecko BTC",
            "",
            "",
            "INFO coingecko BTC",
            "WARN coingecko BTC",
            "WARN coingecko",
            "",
            "INFO coingecko, INFO coingecko BTC",
        ]
    );
    let state = &rates.sources()[0];
    assert_eq!((state.gaps, state.failures), (4, 2));
}
