use deposit_core::{AccountIndex, Asset};
use proptest::prelude::*;

use super::*;
use crate::testing::{CREATED, DEPOSIT, config, terms};

fn request(ticker: Ticker, cents: u64) -> OpenRequest {
    let terms = terms(ticker, cents);
    let quote = terms.quote.unwrap();
    OpenRequest {
        deposit_id: DEPOSIT.parse().unwrap(),
        terms,
        amount: quote.amount,
        expires_at: quote.expires_at,
        attempt: 1,
    }
}

fn body(provider: &Stripe, request: &OpenRequest) -> Vec<(&'static str, String)> {
    let currency = Currency::of(request.terms.ticker).unwrap();
    provider.body(request, currency, currency.cents(request.amount).unwrap())
}

#[test]
fn the_body_is_what_the_dossier_shows() {
    let mut config = config();
    config.cancel_url = "https://shop.example/back".into();
    let provider = Stripe::new(config).unwrap();
    let lines: Vec<_> =
        body(&provider, &request(Ticker::EUR, 2_500)).iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        lines,
        [
            "mode=payment",
            "client_reference_id=dep_01J9Z3K7QmWx",
            "success_url=https://shop.example/paid?s={CHECKOUT_SESSION_ID}",
            "cancel_url=https://shop.example/back",
            "expires_at=1790003900",
            "payment_method_types[0]=card",
            "adaptive_pricing[enabled]=false",
            "line_items[0][quantity]=1",
            "line_items[0][price_data][currency]=eur",
            "line_items[0][price_data][unit_amount]=2500",
            "line_items[0][price_data][product_data][name]=Account deposit",
            "metadata[deposit_id]=dep_01J9Z3K7QmWx",
            "metadata[deposit_gateway]=deposit/1",
            "payment_intent_data[metadata][deposit_id]=dep_01J9Z3K7QmWx",
            "payment_intent_data[metadata][deposit_gateway]=deposit/1",
        ]
    );
    let marker = format!("metadata[{}]={}", MARKER.0, MARKER.1);
    assert!(
        lines.contains(&marker) && lines.contains(&format!("metadata[{}]={DEPOSIT}", crate::api::DEPOSIT_ID))
    );
}

#[test]
fn a_repeat_is_the_same_byte_for_byte() {
    let request = request(Ticker::USD, 1_234);
    let first = body(&Stripe::new(config()).unwrap(), &request);
    assert_eq!(body(&Stripe::new(config()).unwrap(), &request.clone()), first);
}

#[test]
fn the_page_outlives_the_quote_within_stripes_bounds() {
    let of = |lifetime: i64| {
        expires_at(Timestamp::from_secs(CREATED), Timestamp::from_secs(CREATED + lifetime)) - CREATED
    };
    assert_eq!(of(3_600), 3_900);
    assert_eq!(of(60), SHORTEST_SECS);
    assert_eq!(of(-60), SHORTEST_SECS);
    assert_eq!(of(86_400), LONGEST_SECS);
    assert_eq!(of(30 * 86_400), LONGEST_SECS);
}

proptest! {
    #[test]
    fn never_outside_the_bounds(lifetime in -1_000_000_i64..10_000_000, created in 0_i64..4_000_000_000) {
        let at = expires_at(Timestamp::from_secs(created), Timestamp::from_secs(created + lifetime)) - created;
        // 30 minutes to 24 hours, both refused at the very end.
        prop_assert!((31 * 60..24 * 3_600).contains(&at));
        prop_assert!(at >= lifetime || at == LONGEST_SECS);
    }
}

#[tokio::test]
async fn what_stripe_would_refuse_is_not_sent() {
    // Nothing listens there: a request would be `Transient`.
    let mut config = config();
    config.base_url = "http://127.0.0.1:9".into();
    let provider = Stripe::new(config).unwrap();
    let rejected = async |request: OpenRequest| provider.open(&request).await.unwrap_err().kind().clone();
    assert_eq!(rejected(request(Ticker::USD, 49)).await, ErrorKind::Rejected("amount_too_small"));
    assert_eq!(rejected(request(Ticker::USD, 100_000_000)).await, ErrorKind::Rejected("amount_too_large"));
    let mut other = request(Ticker::USD, 2_500);
    other.terms.ticker = Ticker::BTC;
    assert_eq!(rejected(other).await, ErrorKind::Rejected("unknown_ticker"));
    let mut other = request(Ticker::USD, 2_500);
    other.amount = deposit_core::Amount::new(2_500, Asset::EUR);
    assert_eq!(rejected(other).await, ErrorKind::Rejected("wrong_asset"));
    assert!(matches!(rejected(request(Ticker::USD, 2_500)).await, ErrorKind::Transient { .. }));
}

#[tokio::test]
async fn what_is_not_declared_is_unsupported() {
    let provider = Stripe::new(config()).unwrap();
    let caps = provider.capabilities();
    assert_eq!(
        (caps.replay, caps.scan, caps.standing_address, caps.read_batch),
        (Replay::Key, true, false, 1)
    );
    let wanted = deposit_core::LookUpRequest {
        deposit_id: DEPOSIT.parse().unwrap(),
        terms: terms(Ticker::USD, 2_500),
    };
    for error in [
        provider.look_up(&wanted).await.unwrap_err(),
        provider.read_many(&[]).await.unwrap_err(),
        provider.standing_address(AccountIndex(0)).unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn no_secret_is_printed() {
    let config = Config::new("sk_test_S3CR3T", "whsec_S3CR3T", "https://shop.example");
    let shown = format!("{:?}", Stripe::new(config).unwrap());
    assert!(!shown.contains("S3CR3T"), "{shown}");
}
