//! The store's list of what is ours, which a scan from the beginning begins with.

use deposit_core::{Observed, ScanCursor, Target};

use super::*;

fn listed(id: &str, status: &str, additional: &str) -> Value {
    let mut item = invoice(id, 1_785_000_001, &["BTC-CHAIN"]);
    (item["status"], item["additionalStatus"]) = (status.into(), additional.into());
    item
}

fn number(line: &str, name: &str) -> usize {
    let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
    rest.split('&').next().unwrap().parse().unwrap()
}

/// A store of these invoices and without wallets, which gives at most `most` of them at once.
async fn store(all: Vec<Value>, most: usize) -> (BtcPay, Log, Config) {
    adapter(move |seen| {
        if !seen.line.contains("/invoices?") {
            return answer(403, r#"{"code":"missing-permission"}"#);
        }
        let (skip, take) = (number(&seen.line, "skip"), number(&seen.line, "take"));
        let page: Vec<_> = all.iter().skip(skip).take(take.min(most)).cloned().collect();
        answer(200, json!(page).to_string())
    })
    .await
}

/// From the beginning to the end.
async fn scanned(provider: &BtcPay) -> Vec<String> {
    let mut cursor: Option<ScanCursor> = None;
    let mut told = Vec::new();
    loop {
        let page = provider.scan(cursor.as_ref()).await.unwrap();
        for one in page.observations {
            assert_eq!((one.ours, one.ticker), (Some(true), Some(Ticker::BTC)));
            let Target::Order(order) = one.target else { panic!("{:?}", one.target) };
            told.push(match one.observed {
                Observed::Payment(p) => format!("{order} {} {}+{}", p.id, p.in_flight, p.confirmed),
                Observed::PaymentHint => order.to_string(),
                other @ (Observed::Hint | Observed::Snapshot(_) | Observed::Facts(_)) => panic!("{other:?}"),
            });
        }
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    let again = provider.scan(cursor.as_ref()).await.unwrap();
    assert!(again.observations.is_empty() && !again.more, "the list is walked once");
    told
}

/// An invoice with its payments: reference, value, status.
fn with_payments(mut item: Value, method: &str, payments: &[(&str, &str, &str)]) -> Value {
    item["paymentMethods"] = serde_json::from_str(&prompts(method, json!(ADDRESS))).unwrap();
    let lines = payments.iter().map(|(id, value, status)| {
        json!({"id": id, "receivedDate": 1_785_000_420, "value": value, "fee": "0", "status": status})
    });
    item["paymentMethods"][0]["payments"] = lines.collect();
    item
}

/// Two invoices of one deposit: each by its own id, and each payment by its own, whatever their order in the list.
#[tokio::test]
async fn every_payment_to_a_marked_invoice_is_told() {
    let second = listed("second", "Settled", "PaidOver");
    let second_paid = [("aa-0", "0.0004", "Settled"), ("bb-1", "0.0001", "Processing")];
    let (provider, _, _) = store(
        vec![
            with_payments(second, "BTC-CHAIN", &second_paid),
            with_payments(
                listed("first", "New", "PaidPartial"),
                "BTC-CHAIN",
                &[("cc-0", "0.0002", "Settled")],
            ),
            with_payments(listed("undone", "New", "None"), "BTC-CHAIN", &[("dd-0", "0.0002", "Invalid")]),
            with_payments(listed("unpaid", "New", "None"), "BTC-CHAIN", &[]),
            with_payments(listed("foreign", "Settled", "None"), "SOL-CHAIN", &[("ee-0", "1", "Settled")]),
        ],
        usize::MAX,
    )
    .await;
    assert_eq!(
        scanned(&provider).await,
        ["second aa-0 0+40000", "second bb-1 10000+0", "first cc-0 0+20000", "foreign"]
    );
}

/// By a server that lists no payments.
#[tokio::test]
async fn every_marked_invoice_that_was_paid_is_told_by_its_own_id() {
    let mut other_program = listed("other", "Settled", "None");
    other_program["metadata"] = json!({"orderId": ORDER_ID});
    let mut other_store = listed("elsewhere", "Settled", "None");
    other_store["storeId"] = "another".into();
    let (provider, log, _) = store(
        vec![
            listed("second", "Settled", "None"),
            json!({"id": "unreadable", "status": 7}),
            listed("unpaid", "New", "None"),
            other_program,
            listed("first", "Processing", "None"),
            listed("part", "New", "PaidPartial"),
            other_store,
            listed("over", "Expired", "None"),
            listed("late", "Expired", "PaidLate"),
            listed("by-hand", "Settled", "Marked"),
        ],
        usize::MAX,
    )
    .await;
    assert_eq!(scanned(&provider).await, ["second", "first", "part", "late", "by-hand"]);
    let path =
        format!("GET /root/api/v1/stores/{STORE}/invoices?includeArchived=true&includePaymentMethods=true");
    assert_eq!(log.lines()[0], format!("{path}&skip=0&take=150"));
}

#[tokio::test]
async fn the_list_is_asked_on_until_nothing_more_comes() {
    let all =
        |count: usize| (0..count).map(|n| listed(&format!("i{n}"), "Settled", "None")).collect::<Vec<_>>();
    // More than fits into one page, into one scan; and a server that gives less than was asked for.
    for (count, most) in
        [(0, usize::MAX), (1, usize::MAX), (150, usize::MAX), (1_300, usize::MAX), (40, 7), (3, 1)]
    {
        let (provider, _, _) = store(all(count), most).await;
        let mut told = scanned(&provider).await;
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), count, "{count} in pages of {most}");
    }
}

/// One invoice makes a page too large: in smaller ones all are told.
#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let all: Vec<_> = (0..40).map(|n| listed(&format!("i{n}"), "Settled", "None")).collect();
    let (provider, _, _) = adapter(move |seen| {
        if !seen.line.contains("/invoices?") {
            return answer(403, r#"{"code":"missing-permission"}"#);
        }
        let (skip, take) = (number(&seen.line, "skip"), number(&seen.line, "take"));
        let page: Vec<_> = all.iter().skip(skip).take(take).cloned().collect();
        let whole = json!(page).to_string();
        answer(200, if page.len() > 15 { whole.trim_end_matches(']').to_owned() } else { whole })
    })
    .await;
    let mut told = scanned(&provider).await;
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 40);
}
