//! Refreshing, staleness and failing sources. Time is an argument: nothing here sleeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{Price, Ticker, Timestamp};
use deposit_rates::{Quote, Rate, RateError, RateSource, Rates, Rules, StaticRates, Trouble};
use futures_util::FutureExt as _;
use mockall::predicate::eq;
use proptest::prelude::*;

mockall::mock! {
    #[derive(Debug)]
    Source {}
    #[async_trait]
    impl RateSource for Source {
        fn name(&self) -> &str;
        async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError>;
    }
}

/// Says what it was last told to say; a failure where that is nothing.
#[derive(Debug)]
struct Told {
    name: &'static str,
    prices: Mutex<Option<Vec<(Ticker, Price)>>>,
}

impl Told {
    fn new(name: &'static str, prices: &[(Ticker, &str)]) -> Arc<Self> {
        let told = Arc::new(Self { name, prices: Mutex::new(None) });
        told.say(prices);
        told
    }

    fn say(&self, prices: &[(Ticker, &str)]) {
        *self.prices.lock().unwrap() = Some(prices.iter().map(|(t, p)| (*t, price(p))).collect());
    }

    fn fail(&self) {
        *self.prices.lock().unwrap() = None;
    }
}

#[async_trait]
impl RateSource for Told {
    fn name(&self) -> &str {
        self.name
    }
    async fn fetch(&self, _: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let prices = self.prices.lock().unwrap();
        let prices = prices.as_ref().ok_or_else(|| RateError::source(self.name, "told to fail"))?;
        Ok(prices.iter().map(|(ticker, price)| Quote::new(*ticker, *price)).collect())
    }
}

/// Never answers.
#[derive(Debug)]
struct Hanging;

#[async_trait]
impl RateSource for Hanging {
    fn name(&self) -> &str {
        "hanging"
    }
    async fn fetch(&self, _: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        std::future::pending().await
    }
}

const MAX_AGE: Duration = Duration::from_secs(300);

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn stored(ticker: Ticker, text: &str, secs: i64) -> Rate {
    Rate { ticker, price: price(text), source: "store".into(), at: at(secs) }
}

fn said(rates: &Rates, ticker: Ticker, secs: i64) -> String {
    rates.current(ticker, at(secs)).unwrap().price.to_string()
}

#[tokio::test]
async fn current_never_asks_a_source() {
    let mut source = MockSource::new();
    source.expect_name().return_const("mock".to_owned());
    source.expect_fetch().never();
    let rates = Rates::new(vec![Arc::new(source)], MAX_AGE);
    assert!(matches!(rates.current(Ticker::BTC, at(0)), Err(RateError::Unknown { ticker: Ticker::BTC })));
    rates.seed(vec![stored(Ticker::BTC, "50000", 0)]);
    assert_eq!(said(&rates, Ticker::BTC, 300), "50000");
    assert!(rates.current(Ticker::BTC, at(301)).is_err());
}

#[tokio::test]
async fn each_source_is_asked_once_with_the_fallbacks_and_never_for_usd() {
    let mut source = MockSource::new();
    source.expect_name().return_const("mock".to_owned());
    source
        .expect_fetch()
        .with(eq([Ticker::BTC, Ticker::BTC_LN].as_slice()))
        .once()
        .returning(|_| Ok(vec![Quote::new(Ticker::BTC, "50000".parse().unwrap())]));
    let rates = Rates::new(vec![Arc::new(source)], MAX_AGE);
    let report = rates.refresh(&[Ticker::USD, Ticker::BTC_LN, Ticker::BTC_LN], at(0)).await;
    assert_eq!(
        report
            .new
            .iter()
            .map(|r| (r.ticker.as_str(), r.price.to_string(), r.source.as_str()))
            .collect::<Vec<_>>(),
        [("BTC-LN", "50000".to_owned(), "mock"), ("USD", "1".to_owned(), "fixed")]
    );
}

#[tokio::test]
async fn only_usd_asks_nobody() {
    let mut source = MockSource::new();
    source.expect_fetch().never();
    let rates = Rates::new(vec![Arc::new(source)], MAX_AGE);
    assert!(rates.gather(&[Ticker::USD], at(0)).await.is_empty());
    assert_eq!(said(&rates, Ticker::USD, 0), "1");
}

#[tokio::test]
async fn a_failing_source_harms_no_other_and_is_reported() {
    let (good, bad) = (Told::new("good", &[(Ticker::BTC, "100")]), Told::new("bad", &[(Ticker::BTC, "104")]));
    let rates = Rates::new(vec![bad.clone(), good.clone()], MAX_AGE);
    let report = rates.refresh(&[Ticker::BTC], at(0)).await;
    assert_eq!((report.new[0].price, report.new[0].source.as_str()), (price("102"), "bad+good"));

    // Its last figure counts while it is fresh …
    bad.fail();
    good.say(&[(Ticker::BTC, "110")]);
    let report = rates.refresh(&[Ticker::BTC], at(300)).await;
    assert_eq!(report.new[0].price, price("107"));
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].source, "bad");
    assert_eq!(report.failures[0].error.to_string(), "the rate source bad failed");

    // … and no longer.
    let report = rates.refresh(&[Ticker::BTC], at(301)).await;
    assert_eq!((report.new[0].price, report.new[0].source.as_str()), (price("110"), "good"));
}

#[tokio::test]
async fn a_hanging_source_costs_only_its_own_figures() {
    let rates = Rates::new(vec![Arc::new(Hanging), Told::new("good", &[(Ticker::BTC, "100")])], MAX_AGE);
    assert!(rates.gather(&[Ticker::BTC], at(0)).now_or_never().is_none());
    let settled = rates.settle(&[Ticker::BTC, Ticker::XMR], at(0));
    assert_eq!(settled.missing, [Ticker::XMR]);
    rates.seed(settled.new);
    assert_eq!(said(&rates, Ticker::BTC, 0), "100");
}

/// A mistake in the source.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl RateSource for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    async fn fetch(&self, _: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        panic!("a mistake in the source")
    }
}

#[tokio::test]
async fn a_source_that_breaks_costs_only_its_own_figures() {
    let rates = Rates::new(vec![Arc::new(Broken), Told::new("good", &[(Ticker::BTC, "100")])], MAX_AGE);
    for secs in [0, 20] {
        let report = rates.refresh(&[Ticker::BTC], at(secs)).await;
        assert_eq!(report.failures.iter().map(|f| f.source.as_str()).collect::<Vec<_>>(), ["broken"]);
        assert_eq!(said(&rates, Ticker::BTC, secs), "100");
    }
}

#[tokio::test]
async fn nothing_is_used_before_it_is_seeded() {
    let source = Told::new("s", &[(Ticker::BTC, "100")]);
    let rates = Rates::new(vec![source.clone()], MAX_AGE);
    rates.seed(vec![stored(Ticker::BTC, "90", -10)]);
    rates.gather(&[Ticker::BTC], at(0)).await;
    let first = rates.settle(&[Ticker::BTC], at(0));
    assert_eq!(said(&rates, Ticker::BTC, 0), "90");
    // A store that failed is tried again with the same rate.
    assert_eq!(rates.settle(&[Ticker::BTC], at(0)), first);
    rates.seed(first.new);
    assert_eq!(said(&rates, Ticker::BTC, 0), "100");
    assert_eq!(rates.settle(&[Ticker::BTC], at(0)).new, []);
}

#[tokio::test]
async fn an_unchanged_price_is_confirmed_and_told_again_at_half_the_maximum_age() {
    let source = Told::new("s", &[(Ticker::BTC, "100")]);
    let rates = Rates::new(vec![source.clone()], MAX_AGE);
    assert_eq!(rates.refresh(&[Ticker::BTC], at(0)).await.new.len(), 1);
    assert_eq!(rates.refresh(&[Ticker::BTC], at(149)).await.new, []);
    // Valid from its beginning, confirmed until now: the age counts from the confirmation.
    assert_eq!(rates.current(Ticker::BTC, at(449)).unwrap().at, at(0));
    assert!(matches!(rates.current(Ticker::BTC, at(450)), Err(RateError::Stale { age_secs: 301, .. })));
    let again = rates.refresh(&[Ticker::BTC], at(150)).await.new;
    assert_eq!((again.len(), again[0].at), (1, at(150)));
    // A change is told at once.
    source.say(&[(Ticker::BTC, "101")]);
    assert_eq!(rates.refresh(&[Ticker::BTC], at(151)).await.new[0].price, price("101"));
}

#[tokio::test]
async fn a_static_source_never_goes_stale() {
    let fixed = StaticRates::new(BTreeMap::from([(Ticker::XMR, price("150"))])).unwrap();
    let rates = Rates::new(vec![Arc::new(fixed)], MAX_AGE);
    for minute in 0..600 {
        let now = minute * 60;
        let report = rates.refresh(&[Ticker::XMR], at(now)).await;
        assert!(report.missing.is_empty());
        assert_eq!(said(&rates, Ticker::XMR, now + 300), "150");
    }
}

#[tokio::test]
async fn without_any_answer_the_rate_ages_and_does_not_change() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100")]), Told::new("b", &[(Ticker::BTC, "104")]));
    let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
    rates.refresh(&[Ticker::BTC], at(0)).await;
    a.fail();
    rates.refresh(&[Ticker::BTC], at(200)).await;
    b.fail();
    // The figure of `a` has aged out by now; that alone makes no new price.
    let report = rates.refresh(&[Ticker::BTC], at(400)).await;
    assert_eq!((report.new.len(), report.failures.len()), (0, 2));
    assert_eq!(said(&rates, Ticker::BTC, 500), "102");
    assert!(rates.current(Ticker::BTC, at(501)).is_err());
}

#[tokio::test]
async fn a_rate_from_the_future_does_not_block_the_ones_of_now() {
    let source = Told::new("s", &[(Ticker::BTC, "100")]);
    let rates = Rates::new(vec![source.clone()], MAX_AGE);
    rates.seed(vec![stored(Ticker::BTC, "90", 86_400)]);
    let new = rates.refresh(&[Ticker::BTC], at(0)).await.new;
    assert_eq!(new[0].at, at(0));
    assert_eq!(said(&rates, Ticker::BTC, 0), "100");
}

#[tokio::test]
async fn a_clock_that_is_set_back_freezes_no_price() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100")]), Told::new("b", &[(Ticker::BTC, "100")]));
    let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
    rates.refresh(&[Ticker::BTC], at(3600)).await;
    assert_eq!(said(&rates, Ticker::BTC, 3600), "100");
    // An hour back: what was said by the wrong clock is no price of now.
    assert!(matches!(rates.current(Ticker::BTC, at(0)), Err(RateError::Stale { .. })));
    for source in [&a, &b] {
        source.say(&[(Ticker::BTC, "120")]);
    }
    let new = rates.refresh(&[Ticker::BTC], at(1)).await.new;
    assert_eq!((new.len(), new[0].at), (1, at(1)));
    assert_eq!(said(&rates, Ticker::BTC, 1), "120");
    // And it grows old from now on, not from when the clock comes there again.
    assert!(rates.current(Ticker::BTC, at(302)).is_err());
}

#[tokio::test]
async fn an_older_rate_never_replaces_a_newer_one() {
    let rates = Rates::new(vec![], MAX_AGE);
    rates.seed(vec![stored(Ticker::BTC, "100", 10), stored(Ticker::BTC, "90", 5)]);
    rates.seed(vec![stored(Ticker::BTC, "80", 10)]);
    assert_eq!(said(&rates, Ticker::BTC, 10), "100");
    // Two ways to pay one coin: what is stored of the coin prices both.
    let rate = rates.current(Ticker::BTC_LN, at(10)).unwrap();
    assert_eq!((rate.ticker, rate.price), (Ticker::BTC_LN, price("100")));
    assert!(rates.current(Ticker::LTC_MWEB, at(10)).is_err());
}

#[tokio::test]
async fn the_answer_to_the_later_question_wins() {
    let source = Told::new("s", &[(Ticker::BTC, "101")]);
    let rates = Rates::new(vec![source.clone()], MAX_AGE);
    rates.refresh(&[Ticker::BTC], at(20)).await;
    source.say(&[(Ticker::BTC, "100")]);
    let late = rates.refresh(&[Ticker::BTC], at(10)).await;
    assert_eq!(late.new, []);
    assert_eq!(said(&rates, Ticker::BTC, 20), "101");
}

#[tokio::test]
async fn an_unasked_ticker_is_not_kept() {
    let source = Told::new("s", &[(Ticker::BTC, "100"), (Ticker::XMR, "150")]);
    let rates = Rates::new(vec![source], MAX_AGE);
    rates.refresh(&[Ticker::BTC], at(0)).await;
    assert_eq!(rates.settle(&[Ticker::XMR], at(0)).missing, [Ticker::XMR]);
}

proptest! {
    /// Fresh up to and including the maximum age, to the millisecond.
    #[test]
    fn the_staleness_boundary(max_age_ms in 0_u32..10_000_000, age_ms in 0_u32..20_000_000) {
        let rates = Rates::new(vec![], Duration::from_millis(u64::from(max_age_ms)));
        rates.seed(vec![stored(Ticker::BTC, "100", 0)]);
        let seen = |age: u32| rates.current(Ticker::BTC, at(0).plus_millis(i64::from(age)));
        prop_assert!(seen(max_age_ms).is_ok());
        match seen(max_age_ms + 1) {
            Err(RateError::Stale { age_secs, .. }) => prop_assert_eq!(age_secs, u64::from((max_age_ms + 1) / 1000)),
            other => prop_assert!(false, "{other:?}"),
        }
        prop_assert_eq!(seen(age_ms).is_ok(), age_ms <= max_age_ms);
    }

    /// Whatever the sources do, new rates of a ticker have rising times, and what is in use is what was told last.
    #[test]
    fn new_rates_rise(steps in prop::collection::vec((0_i64..200, prop::option::of(1_u32..5), prop::option::of(1_u32..5)), 1..40)) {
        let (a, b) = (Told::new("a", &[]), Told::new("b", &[]));
        let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
        let (mut now, mut last): (i64, Option<Rate>) = (0, None);
        for (pause, from_a, from_b) in steps {
            now += pause;
            for (source, figure) in [(&a, from_a), (&b, from_b)] {
                match figure {
                    Some(n) => source.say(&[(Ticker::BTC, &(100 + n).to_string())]),
                    None => source.fail(),
                }
            }
            for rate in rates.refresh(&[Ticker::BTC], at(now)).now_or_never().unwrap().new {
                if let Some(last) = &last {
                    prop_assert!(rate.at > last.at);
                    prop_assert!(rate.price != last.price || rate.at.millis_since(last.at) >= 150_000);
                }
                prop_assert!(rate.at <= at(now));
                last = Some(rate);
            }
            // Whatever is usable now was told, and the told one is young enough for a store that looks at its own time.
            if from_a.or(from_b).is_some() {
                prop_assert!(rates.current(Ticker::BTC, at(now)).is_ok());
            }
            if let Ok(used) = rates.current(Ticker::BTC, at(now)) {
                prop_assert_eq!(Some(used), last.clone());
            }
        }
    }
}

// -- figures that lie apart -------------------------------------------------------------------------------------

const BTC: &[Ticker] = &[Ticker::BTC];

fn say(source: &Told, usd: &str) {
    source.say(&[(Ticker::BTC, usd)]);
}

#[tokio::test]
async fn one_of_three_that_is_far_off_is_left_out_and_does_not_date_the_rate() {
    let sources = [Told::new("a", &[]), Told::new("b", &[]), Told::new("c", &[])];
    let rates = Rates::new(sources.iter().map(|s| s.clone() as Arc<dyn RateSource>).collect(), MAX_AGE);
    for (source, usd) in sources.iter().zip(["100", "102", "120"]) {
        say(source, usd);
    }
    let report = rates.refresh(BTC, at(0)).await;
    assert_eq!((report.new[0].price, report.new[0].source.as_str()), (price("101"), "a+b"));
    // Only the one that is left out still answers: the rate ages.
    sources[0].fail();
    sources[1].fail();
    for secs in [100, 200, 300] {
        rates.refresh(BTC, at(secs)).await;
    }
    assert!(rates.current(Ticker::BTC, at(300)).is_ok());
    assert!(rates.current(Ticker::BTC, at(301)).is_err());
}

#[tokio::test]
async fn two_that_contradict_each_other_are_no_rate_and_the_last_good_one_has_its_time() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100")]), Told::new("b", &[(Ticker::BTC, "104")]));
    let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
    rates.refresh(BTC, at(0)).await;
    say(&b, "120");
    for secs in [20, 160, 300] {
        let report = rates.refresh(BTC, at(secs)).await;
        assert_eq!((report.new.len(), report.disputed.as_slice()), (0, BTC));
        assert_eq!(rates.troubles(), [(Ticker::BTC, Trouble::Disputed)]);
        assert_eq!(said(&rates, Ticker::BTC, secs), "102");
    }
    assert!(matches!(rates.current(Ticker::BTC, at(301)), Err(RateError::Stale { .. })));
    // As soon as they agree there is a rate again, far as it may be from the last one.
    say(&a, "119");
    assert_eq!(rates.refresh(BTC, at(320)).await.new[0].price, price("119.5"));
    assert_eq!(rates.troubles(), []);
}

#[tokio::test]
async fn the_limits_are_the_configured_ones() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100")]), Told::new("b", &[(Ticker::BTC, "104")]));
    let rules = Rules { outlier_percent: "3.9".parse().unwrap(), ..Rules::default() };
    let rates = Rates::new(vec![a, b], MAX_AGE).with_rules(rules);
    assert_eq!(rates.refresh(BTC, at(0)).await.disputed, BTC);
}

// -- jumps -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_single_configured_source_is_followed_at_once_wherever_it_goes() {
    let source = Told::new("s", &[(Ticker::BTC, "50000")]);
    let rates = Rates::new(vec![source.clone()], MAX_AGE);
    for (secs, usd) in [(0, "50000"), (1, "100000"), (2, "25000"), (3, "1")] {
        say(&source, usd);
        let report = rates.refresh(BTC, at(secs)).await;
        assert!(report.held.is_empty());
        assert_eq!(said(&rates, Ticker::BTC, secs), usd);
    }
}

#[tokio::test]
async fn a_jump_that_two_sources_tell_is_followed_at_once() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100")]), Told::new("b", &[(Ticker::BTC, "100")]));
    let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
    rates.refresh(BTC, at(0)).await;
    say(&a, "200");
    say(&b, "202");
    assert_eq!(rates.refresh(BTC, at(20)).await.new[0].price, price("201"));
}

#[tokio::test]
async fn a_jump_on_the_word_of_one_of_several_is_held_until_it_is_said_three_times() {
    let (a, b) = (Told::new("a", &[(Ticker::BTC, "100"), (Ticker::XMR, "150")]), Told::new("b", &[]));
    let rates = Rates::new(vec![a.clone(), b.clone()], MAX_AGE);
    let tickers = [Ticker::BTC, Ticker::XMR];
    rates.refresh(&tickers, at(0)).await;

    // A glitch: once, and back again.
    a.say(&[(Ticker::BTC, "131"), (Ticker::XMR, "151")]);
    let report = rates.refresh(&tickers, at(20)).await;
    assert_eq!(report.held, BTC);
    assert_eq!(
        report.new.iter().map(|rate| rate.ticker).collect::<Vec<_>>(),
        [Ticker::XMR],
        "no other is harmed"
    );
    say(&a, "101");
    assert!(rates.refresh(BTC, at(40)).await.held.is_empty());
    assert_eq!(said(&rates, Ticker::BTC, 40), "101");

    // It begins to count anew, and another price is another jump. Looking twice at one answer is not saying it twice.
    for (secs, usd, held) in
        [(60, "140", true), (80, "141", true), (100, "300", true), (120, "301", true), (140, "305", false)]
    {
        say(&a, usd);
        rates.gather(BTC, at(secs)).await;
        for _ in 0..3 {
            let settled = rates.settle(BTC, at(secs));
            assert_eq!((settled.held.len(), settled.new.len()), if held { (1, 0) } else { (0, 1) }, "{usd}");
        }
        assert_eq!(said(&rates, Ticker::BTC, secs), "101");
    }
    rates.seed(rates.settle(BTC, at(140)).new);
    assert_eq!(said(&rates, Ticker::BTC, 140), "305");
    // Down as well as up.
    say(&a, "200");
    assert_eq!(rates.refresh(BTC, at(160)).await.held, BTC);
}

#[tokio::test]
async fn a_jump_is_not_believed_only_because_the_last_good_rate_grew_old_meanwhile() {
    let a = Told::new("a", &[(Ticker::BTC, "100")]);
    let rates = Rates::new(vec![a.clone(), Told::new("b", &[])], MAX_AGE);
    rates.refresh(BTC, at(0)).await;
    say(&a, "200");
    assert_eq!(rates.refresh(BTC, at(250)).await.held, BTC);
    assert_eq!(rates.refresh(BTC, at(400)).await.held, BTC);
    assert!(rates.current(Ticker::BTC, at(400)).is_err(), "neither the old one nor the new one");
    assert_eq!(rates.refresh(BTC, at(420)).await.new[0].price, price("200"));
    // With nothing to compare it with, a first figure is taken.
    say(&a, "900");
    assert_eq!(rates.refresh(BTC, at(9_000)).await.new[0].price, price("900"));
}

proptest! {
    /// Three sources, one of which says anything at any time or nothing: no rate in use is ever far from what the honest two say.
    #[test]
    fn one_liar_of_three_never_prices_a_deposit(
        steps in prop::collection::vec((1_i64..200, 98_u32..=102, prop::option::of(1_u64..10_000_000), any::<bool>()), 1..40)
    ) {
        let (a, b, liar) = (Told::new("a", &[]), Told::new("b", &[]), Told::new("liar", &[]));
        let rates = Rates::new(vec![a.clone(), b.clone(), liar.clone()], MAX_AGE);
        let mut now = 0;
        for (pause, honest, lie, b_answers) in steps {
            now += pause;
            say(&a, &honest.to_string());
            if b_answers { say(&b, &(honest + 1).to_string()) } else { b.fail() }
            match lie {
                Some(lie) => say(&liar, &lie.to_string()),
                None => liar.fail(),
            }
            rates.refresh(BTC, at(now)).now_or_never().unwrap();
            if let Ok(rate) = rates.current(Ticker::BTC, at(now)) {
                let usd: i64 = rate.price.to_string().split('.').next().unwrap().parse().unwrap();
                // The liar alone with one honest source may pull it as far as they may lie apart.
                prop_assert!((88..=114).contains(&usd), "{rate:?}");
            }
        }
    }
}
