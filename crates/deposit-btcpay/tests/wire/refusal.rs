//! A refused create, told apart: by the store's methods, the server's state and the store's criteria.

use super::*;

/// What the server says of itself.
#[derive(Clone)]
struct Says {
    refusal: (u16, &'static str),
    /// One member of `syncStatus`.
    chain: Value,
    supported: Value,
    methods: Value,
    store: Value,
}

/// As the recordings have it (`fixtures/btcpay/live`): `server_info`, `payment_methods_of_store`, `create_400_dust`.
fn says() -> Says {
    Says {
        refusal: (
            400,
            r#"{"code":"generic-error","message":"Error retrieving a matching payment method or rate."}"#,
        ),
        chain: json!({"chainHeight": 316, "syncHeight": 316, "paymentMethodId": "BTC-CHAIN", "available": true,
                      "nodeInformation": {"headers": 316, "blocks": 316, "verificationProgress": 1.0}}),
        supported: json!(["BTC-CHAIN", "BTC-LN", "BTC-LNURL"]),
        methods: json!([{"enabled": true, "paymentMethodId": "BTC-CHAIN"}, {"enabled": true, "paymentMethodId": "BTC-LN"}]),
        store: json!({"id": STORE, "paymentMethodCriteria": []}),
    }
}

async fn refused(ticker: Ticker, amount: Amount, says: Says) -> ErrorKind {
    let (provider, _, _) = adapter(move |seen| {
        let body = if seen.line.starts_with("POST") {
            return answer(says.refusal.0, says.refusal.1);
        } else if seen.line.contains("/server/info") {
            json!({"version": "2.4.1", "syncStatus": [says.chain], "supportedPaymentMethods": says.supported})
        } else if seen.line.ends_with("/payment-methods") {
            says.methods.clone()
        } else {
            says.store.clone()
        };
        answer(200, body.to_string())
    })
    .await;
    provider.open(&request(ticker, amount)).await.unwrap_err().kind().clone()
}

fn passes(seconds: u64) -> ErrorKind {
    ErrorKind::Transient { retry_after: Some(Duration::from_secs(seconds)) }
}

#[tokio::test]
async fn a_node_that_is_away_or_behind_passes() {
    for (member, value) in [
        ("available", json!(false)),
        ("syncHeight", json!(300)),
        ("summary", json!({"synced": false, "daemonAvailable": true, "walletAvailable": true})),
        ("summary", json!({"synced": true, "daemonAvailable": false, "walletAvailable": true})),
        ("summary", json!({"synced": true, "daemonAvailable": true, "walletAvailable": false})),
    ] {
        let mut says = says();
        says.chain[member] = value.clone();
        assert_eq!(refused(Ticker::BTC, btc("0.0004"), says.clone()).await, passes(60), "{member} {value}");
        // The amount does not matter then, and Lightning has the same node below it.
        assert_eq!(refused(Ticker::BTC, btc("0.00000010"), says.clone()).await, passes(60));
        let satoshi = Amount::parse("0.0004", Asset::BTC_LN).unwrap();
        assert_eq!(refused(Ticker::BTC_LN, satoshi, says).await, passes(60));
    }
}

#[tokio::test]
async fn what_does_not_pass_is_named() {
    let word = ErrorKind::Rejected;
    let usual = btc("0.0004");
    assert_eq!(refused(Ticker::BTC, usual, says()).await, word("method_missing"), "a rate, say");
    assert_eq!(refused(Ticker::BTC, btc("0.00000010"), says()).await, word("below_minimum"));

    // Off, or not set up: whatever its node does.
    let mut off = says();
    off.methods[0]["enabled"] = json!(false);
    off.chain["available"] = json!(false);
    assert_eq!(refused(Ticker::BTC, usual, off.clone()).await, word("method_off"));
    off.methods = json!([]);
    assert_eq!(refused(Ticker::BTC, usual, off).await, word("method_off"));

    let mut bounded = says();
    let criterion =
        |id| json!([{"paymentMethodId": id, "currencyCode": "USD", "amount": "100", "above": true}]);
    bounded.store["paymentMethodCriteria"] = criterion("BTC-CHAIN");
    assert_eq!(refused(Ticker::BTC, usual, bounded.clone()).await, word("store_criteria"));
    bounded.store["paymentMethodCriteria"] = criterion("BTC-LN");
    assert_eq!(refused(Ticker::BTC, usual, bounded).await, word("method_missing"), "another method's");
}

/// 422: `create_422_unknown_method`.
#[tokio::test]
async fn a_chain_or_plugin_that_the_server_was_started_without_passes() {
    let mut without = says();
    without.refusal = (422, r#"[{"path":"Checkout.PaymentMethods[0]","message":"Invalid PaymentMethodId"}]"#);
    assert_eq!(
        refused(Ticker::BTC, btc("0.0004"), without.clone()).await,
        ErrorKind::Rejected("method_unknown")
    );
    without.supported = json!(["LTC-CHAIN"]);
    assert_eq!(refused(Ticker::BTC, btc("0.0004"), without.clone()).await, passes(300));
    // Another field is refused for good.
    without.refusal = (422, r#"[{"path":"checkout.expirationMinutes","message":"x"}]"#);
    assert_eq!(refused(Ticker::BTC, btc("0.0004"), without).await, ErrorKind::Rejected("invalid_request"));
}
