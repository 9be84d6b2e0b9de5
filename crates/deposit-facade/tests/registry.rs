//! The registry, with adapters that are mocks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    AccountIndex, Asset, Capabilities, CreditRule, Delivery, DepositIntent, IntentRecord, LookUpRequest,
    OpenRequest, PayInstructions, PaymentProvider, ProviderError, ProviderId, RawDelivery, ReadOutcome,
    Replay, RequestBudget, Snapshot, Ticker, TickerKind, TickerSpec, WebhookError, async_trait,
};
use deposit_facade::{COMPILED_IN, RegisterError, Registry, RouteError};

mockall::mock! {
    #[derive(Debug)]
    Provider {}
    #[async_trait]
    impl PaymentProvider for Provider {
        fn id(&self) -> ProviderId;
        fn capabilities(&self) -> &Capabilities;
        async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError>;
        async fn look_up(&self, request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError>;
        async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError>;
        async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError>;
        fn standing_address(&self, index: AccountIndex) -> Result<PayInstructions, ProviderError>;
        fn webhook<'a>(&self, delivery: &RawDelivery<'a>) -> Result<Delivery, WebhookError>;
    }
}

fn spec(ticker: Ticker, asset: Asset) -> TickerSpec {
    TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker))
        .with_quote_decimals(asset.scale().min(8))
}

/// An adapter that is only looked at: a call of any other mocked method fails the test.
fn adapter(id: &str, tickers: Vec<TickerSpec>) -> Arc<dyn PaymentProvider> {
    let mut mock = MockProvider::new();
    mock.expect_id().return_const(id.parse::<ProviderId>().unwrap());
    mock.expect_capabilities().return_const(Capabilities {
        tickers,
        replay: Replay::Key,
        open_timeout: Duration::from_secs(10),
        scan: false,
        standing_address: false,
        webhooks: false,
        bounds: false,
        read_batch: 1,
        budget: RequestBudget { requests: 10, per: Duration::from_secs(1), concurrency: 2 },
        requests_per_read: 1,
    });
    Arc::new(mock)
}

fn refused(adapters: Vec<Arc<dyn PaymentProvider>>) -> RegisterError {
    let mut builder = Registry::builder();
    for adapter in adapters {
        builder = match builder.register(adapter) {
            Ok(builder) => builder,
            Err(error) => return error,
        };
    }
    panic!("all were taken")
}

fn own(text: &str) -> Ticker {
    text.parse().unwrap()
}

#[test]
fn a_ticker_leads_to_the_adapter_that_offers_it() {
    let registry = Registry::builder()
        .register(adapter("one", vec![spec(Ticker::XMR, Asset::XMR), spec(Ticker::BTC, Asset::BTC)]))
        .unwrap()
        .register(adapter("two", vec![spec(Ticker::LTC, Asset::LTC)]))
        .unwrap()
        .build();
    let route = registry.route(&Ticker::BTC).unwrap();
    assert_eq!((route.provider.id().as_str(), route.spec), ("one", spec(Ticker::BTC, Asset::BTC)));
    assert_eq!(registry.route(&Ticker::LTC).unwrap().provider.id().as_str(), "two");
    assert_eq!(registry.provider(&ProviderId::constant("two")).unwrap().id().as_str(), "two");
    assert!(registry.provider(&ProviderId::constant("three")).is_none());
    assert_eq!(registry.providers().map(|p| p.id().to_string()).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn tickers_come_in_the_order_of_the_contract_and_foreign_ones_after() {
    let zed = Asset::new("ZED", 3).unwrap();
    let registry = Registry::builder()
        .register(adapter(
            "own",
            vec![spec(own("ZED"), zed), spec(own("AAA"), Asset::new("AAA", 0).unwrap())],
        ))
        .unwrap()
        .register(adapter("more", vec![spec(Ticker::XNO, Asset::XNO), spec(Ticker::ZEC, Asset::ZEC)]))
        .unwrap()
        .register(adapter("btc", vec![spec(Ticker::LTC_MWEB, Asset::LTC), spec(Ticker::BTC, Asset::BTC)]))
        .unwrap()
        .build();
    let names: Vec<String> = registry.tickers().map(|t| t.to_string()).collect();
    assert_eq!(names, ["BTC", "LTC-MWEB", "ZEC", "XNO", "AAA", "ZED"]);
    assert_eq!(registry.routes().map(|r| r.spec.ticker.to_string()).collect::<Vec<_>>(), names);
}

#[test]
fn a_standing_ticker_has_a_route_too() {
    let xno = TickerSpec::new(Ticker::XNO, Asset::XNO, TickerKind::Standing, CreditRule::in_kind(Asset::XNO));
    let registry = Registry::builder().register(adapter("nano", vec![xno])).unwrap().build();
    assert_eq!(registry.route(&Ticker::XNO).unwrap().spec.kind, TickerKind::Standing);
}

#[test]
fn an_unknown_ticker_and_a_known_one_without_provider_are_told_apart() {
    let registry = Registry::builder()
        .register(adapter("one", vec![spec(Ticker::XMR, Asset::XMR), spec(Ticker::BTC, Asset::BTC)]))
        .unwrap()
        .build();
    let compiled_in = if COMPILED_IN.is_empty() { "none".to_owned() } else { COMPILED_IN.join(", ") };

    let unknown = registry.route(&own("FOO")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        format!("unsupported ticker FOO (available: BTC, XMR; compiled in: {compiled_in}; configured: one)")
    );
    assert!(
        matches!(unknown, RouteError::Unknown { available, .. } if available == [Ticker::BTC, Ticker::XMR])
    );

    let off = registry.route(&Ticker::KAS).unwrap_err();
    assert_eq!(
        off,
        RouteError::Unavailable {
            ticker: Ticker::KAS,
            compiled_in: COMPILED_IN.to_vec(),
            configured: vec![ProviderId::constant("one")],
        }
    );
    assert_eq!(
        off.to_string(),
        format!("no configured provider serves KAS (compiled in: {compiled_in}; configured: one)")
    );
}

#[test]
fn an_empty_registry_knows_its_tickers_but_serves_none() {
    let registry = Registry::builder().build();
    assert_eq!(registry.tickers().len(), 0);
    for ticker in Ticker::KNOWN {
        let error = registry.route(ticker).unwrap_err();
        assert!(matches!(&error, RouteError::Unavailable { configured, .. } if configured.is_empty()));
        assert!(error.to_string().contains("configured: none"), "{error}");
    }
}

#[test]
fn two_providers_of_one_name_are_refused() {
    let error = refused(vec![adapter("one", vec![]), adapter("one", vec![])]);
    assert_eq!(error.to_string(), "provider one is already registered");
}

#[test]
fn two_adapters_for_one_ticker_are_refused_by_name() {
    let btc = || vec![spec(Ticker::BTC, Asset::BTC)];
    assert_eq!(
        refused(vec![adapter("one", btc()), adapter("two", btc())]).to_string(),
        "ticker BTC is offered by one and by two"
    );
    let twice = [btc(), btc()].concat();
    assert_eq!(refused(vec![adapter("one", twice)]).to_string(), "ticker BTC is offered by one and by one");
}

#[test]
fn two_scales_of_one_asset_are_refused() {
    let foo = |scale| Asset::new("FOO", scale).unwrap();
    let error = refused(vec![
        adapter("one", vec![spec(own("FOO"), foo(6))]),
        adapter("two", vec![spec(own("FOO-L2"), foo(18))]),
    ]);
    assert_eq!(error.to_string(), "asset FOO has 6 decimals (one) and 18 (two)");
    // The same definition twice is fine.
    let registry = Registry::builder()
        .register(adapter("one", vec![spec(own("FOO"), foo(6)), spec(own("FOO-L2"), foo(6))]))
        .unwrap()
        .build();
    assert_eq!(registry.tickers().len(), 2);
}

#[test]
fn what_is_built_in_cannot_be_redefined() {
    let error = refused(vec![adapter("own", vec![spec(own("BTC2"), Asset::new("BTC", 11).unwrap())])]);
    assert_eq!(error.to_string(), "asset BTC has 8 decimals (built in) and 11 (own)");
    let cents = Asset::new("USD", 2).unwrap();
    let ledger = TickerSpec::new(Ticker::BTC, Asset::BTC, TickerKind::Address, CreditRule::in_kind(cents));
    let error = refused(vec![adapter("own", vec![ledger])]);
    assert_eq!(error.to_string(), "asset USD has 8 decimals (built in) and 2 (own)");
}

#[test]
fn a_quote_finer_than_the_asset_is_refused() {
    let fine = spec(Ticker::BTC, Asset::BTC).with_quote_decimals(9);
    let error = refused(vec![adapter("own", vec![fine])]);
    assert_eq!(error.to_string(), "ticker BTC of own is quoted in 9 decimals, its asset has 8");
}
