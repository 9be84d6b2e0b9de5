//! Create: the answer, every refusal, limits to the last digit, the rate limit.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use deposit_store::prelude::*;
use std::time::Duration;

use common::*;

fn number(text: &str) -> AmountInput {
    AmountInput::Number(text.parse().unwrap())
}

/// One refusal of a BTC request.
async fn refused(bench: &Bench, amount: AmountInput) -> Refusal {
    refusal(bench.engine.create(CreateRequest { amount, ..bench.request("1", None) }).await)
}

#[tokio::test]
async fn a_deposit_is_created_and_can_be_asked_for() {
    let bench = bench().await;
    let mut changes = bench.engine.changes();
    let outcome = bench.try_create("0.004", Some("k")).await;
    assert!(!outcome.replayed);
    assert_eq!(outcome.rate.unwrap().remaining, 999);
    let view = outcome.result.unwrap();
    assert_eq!(view.status, Status::New);
    assert_eq!(view.amount, Some(Amount::parse("0.004", Asset::BTC).unwrap()));
    assert_eq!(view.unit_price.unwrap().to_string(), "50000");
    assert_eq!(view.expires_at, Some(START.plus_secs(3600)));
    assert_eq!(view.instructions.address(), Some("till-address-1"));
    assert_eq!(view.credited, None);
    assert_eq!(changes.try_recv().unwrap(), Change { id: view.id.clone(), n: 1 });

    // By our id and by the provider's; not by a wrong ticker, nor for another account.
    let me = bench.caller.account.id;
    for id in [view.id.as_str(), "till-order-1"] {
        let found = bench.engine.deposit(me, Ticker::BTC, id).await.unwrap();
        assert_eq!(found.unwrap(), view, "{id}");
    }
    assert_eq!(bench.engine.deposit(me, Ticker::LTC, view.id.as_str()).await.unwrap(), None);
    let other = bench.store.ensure_account(&"bob".parse().unwrap(), START).await.unwrap();
    assert_eq!(bench.engine.deposit(other.id, Ticker::BTC, view.id.as_str()).await.unwrap(), None);

    // The provider was told our id, the amount and the end of the quote.
    let asked = bench.till().state().opened[0].clone();
    assert_eq!((asked.deposit_id, asked.attempt), (view.id.clone(), 1));
    assert_eq!(Some(asked.expires_at), view.expires_at);
    // The locked rate is in the store, for good.
    assert_eq!(bench.store.newest_rates().await.unwrap()[0].price.to_string(), "50000");
}

#[tokio::test]
async fn each_refusal_says_what_is_wrong() {
    let bench = bench().await;
    assert_eq!(refused(&bench, AmountInput::Unreadable).await, Refusal::InvalidJson);
    assert_eq!(refused(&bench, AmountInput::Missing).await, Refusal::AmountMissing);
    assert_eq!(refused(&bench, AmountInput::NotANumber("\"1\"".into())).await, Refusal::InvalidAmount);
    assert_eq!(refused(&bench, number("0")).await, Refusal::InvalidAmount);
    assert_eq!(refused(&bench, number("-1")).await, Refusal::InvalidAmount);
    let precision = Refusal::AmountPrecision { ticker: Ticker::BTC, decimals: 8 };
    assert_eq!(refused(&bench, number("0.004000001")).await, precision);
    for ticker in ["nope", "xno", "b t c", ""] {
        let outcome = bench
            .engine
            .create(CreateRequest { ticker: ticker.into(), ..bench.request("0.004", None) })
            .await;
        assert!(matches!(refusal(outcome), Refusal::UnsupportedTicker { .. }), "{ticker}");
    }
    let family = Some(ProviderId::constant("daimo"));
    let outcome = bench.engine.create(CreateRequest { family, ..bench.request("0.004", None) }).await;
    assert!(matches!(refusal(outcome), Refusal::UnsupportedTicker { hint } if hint.contains("BTC")));
    assert_eq!(bench.till().opened(), 0);
}

#[tokio::test]
async fn a_known_ticker_without_provider_is_unavailable() {
    let bench = bench().await;
    let outcome =
        bench.engine.create(CreateRequest { ticker: "doge".into(), ..bench.request("1", None) }).await;
    assert!(matches!(outcome.result, Err(CreateError::Unavailable { retry_after: None })));
}

#[tokio::test]
async fn limits_hold_to_the_last_digit() {
    let bench = bench().await;
    // 0.10 to 500 USD at 50000.
    let limits = bench.engine.limits("btc").await.unwrap().limits;
    assert_eq!(limits.minimum.to_string(), "0.000002");
    assert_eq!(limits.maximum.to_string(), "0.01");
    assert_eq!(
        refused(&bench, number("0.00000199")).await,
        Refusal::BelowMinimum { minimum: limits.minimum }
    );
    let above = Refusal::AboveMaximum { maximum: limits.maximum };
    assert_eq!(refused(&bench, number("0.01000001")).await, above);
    // Larger than any integer here can hold.
    assert_eq!(refused(&bench, number("1e60")).await, above);
    for fine in ["0.000002", "0.01", "0.0100000000"] {
        bench.try_create(fine, None).await.result.unwrap();
    }
}

#[tokio::test]
async fn what_was_quoted_is_taken_for_a_minute_though_the_rate_moved() {
    let bench = bench().await;
    bench.pass(100).await;
    let quoted = bench.engine.limits("BTC").await.unwrap().limits;
    bench.set_price("100000");
    bench.pass(1).await;
    // The old maximum is 1000 USD now, the new minimum half of the old one.
    bench.clock.advance_secs(59);
    let view = bench.try_create(&quoted.maximum.to_string(), None).await.result.unwrap();
    assert_eq!(view.unit_price.unwrap().to_string(), "100000", "the newest rate is locked");
    bench.try_create("0.000001", None).await.result.unwrap();
    bench.clock.advance_secs(1);
    let late = refused(&bench, number(&quoted.maximum.to_string())).await;
    assert!(matches!(late, Refusal::AboveMaximum { maximum } if maximum.to_string() == "0.005"), "{late:?}");
}

#[tokio::test]
async fn without_a_fresh_rate_nothing_is_created() {
    let bench = bench().await;
    bench.clock.advance_secs(300);
    bench.try_create("0.004", None).await.result.unwrap();
    bench.clock.advance_secs(1);
    let outcome = bench.try_create("0.004", None).await;
    assert!(matches!(outcome.result, Err(CreateError::Unavailable { .. })));
    assert!(matches!(bench.engine.limits("btc").await, Err(LimitsError::Unavailable { .. })));
    assert!(matches!(bench.engine.limits("nope").await, Err(LimitsError::UnsupportedTicker { .. })));
}

#[tokio::test]
async fn the_window_counts_refusals_too_and_says_when_it_ends() {
    let mut setup = Setup::replay(Replay::LookUp);
    setup.config.create_limit = RateLimit { requests: 2, window_millis: 600_000 };
    let bench = setup.bench().await;
    refused(&bench, AmountInput::Missing).await;
    assert_eq!(bench.try_create("0.004", None).await.rate.unwrap().remaining, 0);
    let outcome = bench.try_create("0.004", None).await;
    assert!(matches!(outcome.result, Err(CreateError::RateLimited)));
    assert_eq!(outcome.rate.unwrap().reset_at, START.plus_secs(600));
    assert_eq!(bench.till().opened(), 1);
    bench.pass(600).await;
    bench.try_create("0.004", None).await.result.unwrap();
    // Another key of the same account counts apart.
    let caller = Caller { key_id: "second".into(), ..bench.caller.clone() };
    bench.engine.create(CreateRequest { caller, ..bench.request("0.004", None) }).await.result.unwrap();
}

#[tokio::test]
async fn a_provider_that_fails_is_known_to_be_down_for_a_moment() {
    let bench = bench().await;
    bench.till().next_open(Opening::Fails(transient()));
    for _ in 0..2 {
        let outcome = bench.try_create("0.004", None).await;
        assert!(matches!(outcome.result, Err(CreateError::Unavailable { .. })));
    }
    assert_eq!(bench.till().opened(), 1, "the second was not even tried");
    bench.clock.advance_secs(1);
    bench.create().await;

    let wait = Duration::from_secs(42);
    bench.till().next_open(Opening::Fails(ErrorKind::Transient { retry_after: Some(wait) }));
    let outcome = bench.try_create("0.004", None).await;
    assert!(
        matches!(outcome.result, Err(CreateError::Unavailable { retry_after }) if retry_after == Some(wait))
    );
    bench.clock.advance_secs(1);
    // Refused for good: no use in trying again soon.
    bench.till().next_open(Opening::Fails(ErrorKind::Authentication));
    let outcome = bench.try_create("0.004", None).await;
    assert!(matches!(outcome.result, Err(CreateError::Unavailable { retry_after: None })));
}

#[tokio::test]
async fn an_order_of_another_deposit_is_never_shown() {
    let bench = bench().await;
    let first = bench.create().await;
    let taken = ProviderRef::new(bench.order(&first).await).unwrap();
    bench.till().next_open(Opening::Reuses(taken));
    let outcome = bench.try_create("0.004", Some("k")).await;
    assert!(matches!(outcome.result, Err(CreateError::Unavailable { .. })));
    // A retry is not held up by the attempt that came to nothing.
    bench.till().state().orders.retain(|order| order.record.deposit_id == first);
    bench.pass(60).await;
    let second = bench.try_create("0.004", Some("k")).await.result.unwrap();
    assert_ne!(bench.order(&second.id).await, bench.order(&first).await);
}

#[tokio::test]
async fn a_bonus_is_frozen_in_the_terms() {
    let mut setup = Setup::of(vec![Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key)]);
    setup.config.bonus.insert(Ticker::BTC, "2.50".parse().unwrap());
    let mut bench = setup.bench().await;
    let id = bench.create().await;
    assert_eq!(bench.view(&id).await.bonus_percent, "2.5");
    bench.config.bonus.clear();
    bench.restart().await;
    bench.paid(&id, "p", "0", "0.004").await;
    let view = bench.view(&id).await;
    assert_eq!(view.credited.unwrap().to_string(), "205");
    assert_eq!(view.bonus.unwrap().to_string(), "5");
    bench.check().await;
}

#[tokio::test]
async fn a_create_that_nobody_takes_up_is_given_up_after_a_day() {
    let bench = bench().await;
    bench.till().next_open(Opening::RequestLost);
    assert!(bench.try_create("0.004", Some("k")).await.result.is_err());
    let id = bench.till().state().opened[0].deposit_id.clone();
    bench.pass(86_400).await;
    bench.engine.tidy().await.unwrap();
    assert_eq!(bench.row(&id).await.phase, Phase::Creating);
    bench.pass(1).await;
    bench.engine.tidy().await.unwrap();
    assert_eq!(bench.row(&id).await.phase, Phase::Abandoned);
    assert_eq!(bench.engine.deposit(bench.caller.account.id, Ticker::BTC, id.as_str()).await.unwrap(), None);
}

#[tokio::test]
async fn a_key_says_whose_it_is_until_its_account_is_closed() {
    let bench = bench().await;
    let name: AccountName = "carol".parse().unwrap();
    let issued = keys::issue(&*bench.store, &name, START).await.unwrap();
    let caller = bench.engine.authenticate(issued.key.expose()).await.unwrap().unwrap();
    assert_eq!((caller.key_id, caller.account.name.as_str()), (issued.id.clone(), "carol"));
    let mut altered = issued.key.expose().to_owned();
    altered.push('x');
    assert_eq!(bench.engine.authenticate(&altered).await.unwrap(), None);
    assert!(!format!("{issued:?}").contains(issued.key.expose()), "a key is not printed");
    bench.store.close_account(&name, START).await.unwrap();
    assert_eq!(bench.engine.authenticate(issued.key.expose()).await.unwrap(), None);
    // A key that opens nothing is not handed out.
    let refused = keys::issue(&*bench.store, &name, START).await;
    assert!(matches!(refused, Err(deposit_engine::EngineError::AccountClosed)), "{refused:?}");
}
