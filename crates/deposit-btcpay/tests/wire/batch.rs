//! Many orders in one list.

use super::*;

fn order(n: usize) -> IntentRecord {
    IntentRecord {
        deposit_id: format!("dep_0000000000000000{n:02}").parse().unwrap(),
        provider: BtcPay::ID,
        provider_ref: format!("invoice{n:02}").parse().unwrap(),
        terms: terms(Ticker::BTC, btc("0.0004")),
        instructions: PayInstructions::Address { address: ADDRESS.to_owned(), memo: None, uri: None },
    }
}

/// An item of the list.
fn item(n: usize, payments: &Value) -> Value {
    let mut item = invoice(&format!("invoice{n:02}"), 1_785_000_001, &["BTC-CHAIN"]);
    item["metadata"]["orderId"] = json!(order(n).deposit_id.as_str());
    item["paymentMethods"] = serde_json::from_str(&prompts("BTC-CHAIN", json!(ADDRESS))).unwrap();
    item["paymentMethods"][0]["payments"] = payments.clone();
    item
}

fn paid(status: &str) -> Value {
    json!([{"id": "aa-0", "receivedDate": 1_785_000_420, "value": "0.0004", "fee": "0", "status": status}])
}

#[tokio::test]
async fn a_batch_is_one_list() {
    let (provider, log, _) = adapter(|_| {
        // Newest first, and an invoice that carries the order id of another.
        let mut twin = item(1, &json!([]));
        twin["id"] = json!("twin");
        answer(
            200,
            json!([item(2, &paid("Settled")), twin, item(1, &json!([])), item(0, &paid("Processing"))])
                .to_string(),
        )
    })
    .await;
    let orders: Vec<_> = (0..3).map(order).collect();
    let read = provider.read_many(&orders).await.unwrap();
    let figures: Vec<_> = read
        .into_iter()
        .map(|one| one.unwrap())
        .map(|s| {
            (
                s.order.to_string(),
                s.complete,
                s.payments.iter().map(|p| (p.in_flight, p.confirmed)).collect::<Vec<_>>(),
            )
        })
        .collect();
    let wanted = [
        ("invoice00".to_owned(), true, vec![(40_000, 0)]),
        ("invoice01".to_owned(), true, vec![]),
        ("invoice02".to_owned(), true, vec![(0, 40_000)]),
    ];
    assert_eq!(figures, wanted);
    let ids = "orderId=dep_000000000000000000&orderId=dep_000000000000000001&orderId=dep_000000000000000002";
    let line = format!(
        "GET /root/api/v1/stores/{STORE}/invoices?includeArchived=true&includePaymentMethods=true&skip=0&take=150&{ids}"
    );
    assert_eq!(log.lines(), [line]);
    // A full one stays well within what proxies take.
    let full: usize = (0..100).map(|n| "&orderId=".len() + order(n).deposit_id.as_str().len()).sum();
    assert!(full < 4_096, "{full}");
    assert_eq!(provider.capabilities().read_batch, 100);
}

#[tokio::test]
async fn what_the_list_does_not_answer_for_is_read_alone() {
    let (provider, log, _) = adapter(|seen| {
        if seen.line.contains("/invoices?") {
            // One without methods (an old server), one that is not there, one whose figures cannot be read, one that is well.
            let mut bare = item(0, &json!([]));
            bare["paymentMethods"] = json!([]);
            let mut broken = item(2, &json!([]));
            broken["paymentMethods"][0]["payments"] = json!([{"id": 7}]);
            answer(200, json!([item(3, &paid("Settled")), broken, bare]).to_string())
        } else if seen.line.contains("invoice00") {
            let method = prompts("BTC-CHAIN", json!(ADDRESS));
            let whole = invoice("invoice00", 1_785_000_001, &["BTC-CHAIN"]).to_string();
            answer(200, if seen.line.contains("payment-methods") { method } else { whole })
        } else if seen.line.contains("invoice01") {
            answer(404, r#"{"code":"invoice-not-found","message":"x"}"#)
        } else {
            answer(200, "[]")
        }
    })
    .await;
    let orders: Vec<_> = (0..4).map(order).collect();
    let read = provider.read_many(&orders).await.unwrap();
    let kinds: Vec<_> = read.iter().map(|one| one.as_ref().err().map(|error| error.kind().clone())).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::NotFound), Some(ErrorKind::Protocol), None]);
    assert_eq!(read[3].as_ref().unwrap().payments[0].confirmed, 40_000);
    let alone = log.lines().iter().filter(|line| !line.contains("/invoices?")).count();
    assert_eq!((alone, log.lines().len()), (4, 5), "two for the one that is there, one each for the others");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_on() {
    let (provider, log, _) = adapter(|seen| {
        let skip = seen.line.split("skip=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
        let page: Vec<_> = if skip == "0" {
            // Somebody else's, with the same order ids.
            (0..150).map(|_| item(50, &json!([]))).collect()
        } else {
            vec![item(0, &paid("Settled"))]
        };
        answer(200, Value::from(page).to_string())
    })
    .await;
    let read = provider.read_many(&[order(0)]).await.unwrap();
    assert_eq!(read[0].as_ref().unwrap().payments[0].confirmed, 40_000);
    assert!(log.lines()[1].contains("skip=150&take=150"));
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test]
async fn one_unreadable_order_costs_its_batch_a_few_requests_and_no_other_order() {
    let (provider, log, _) = adapter(|seen| {
        let has = |n: usize| seen.line.contains(order(n).deposit_id.as_str());
        if has(77) {
            return answer(200, "[{]");
        }
        answer(
            200,
            Value::from((0..100).filter(|n| has(*n)).map(|n| item(n, &paid("Settled"))).collect::<Vec<_>>())
                .to_string(),
        )
    })
    .await;
    let orders: Vec<_> = (0..100).map(order).collect();
    let read = provider.read_many(&orders).await.unwrap();
    let bad: Vec<_> = read.iter().enumerate().filter(|(_, one)| one.is_err()).map(|(n, _)| n).collect();
    assert_eq!(bad, [77]);
    assert!(log.lines().len() <= 16, "{}", log.lines().len());
}

#[tokio::test]
async fn a_hundred_open_orders_are_one_request() {
    let (provider, log, _) = adapter(|_| {
        answer(200, Value::from((0..100).map(|n| item(n, &json!([]))).collect::<Vec<_>>()).to_string())
    })
    .await;
    let orders: Vec<_> = (0..100).map(order).collect();
    assert!(provider.read_many(&orders).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test]
async fn an_invoice_that_a_key_with_the_right_to_view_may_not_see_is_gone() {
    let (provider, _, _) = adapter(|seen| {
        if seen.line.contains("/invoices?") {
            answer(200, json!([item(0, &paid("Settled"))]).to_string())
        } else {
            answer(403, r#"{"code":"missing-permission","message":"x","missingPermission":"btcpay.store.canviewinvoices"}"#)
        }
    })
    .await;
    let read = provider.read_many(&[order(0), order(1)]).await.unwrap();
    assert!(read[0].is_ok());
    assert_eq!(*read[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    // Alone the list of its order tells: the key is a good one, and the order is not there.
    assert_eq!(*provider.read(&order(1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    // One that the list shows is there: then it is the key.
    assert_eq!(*provider.read(&order(0)).await.unwrap_err().kind(), ErrorKind::Authentication);
}
