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
            assert_eq!(
                (one.observed, one.ours, one.ticker),
                (Observed::PaymentHint, Some(true), Some(Ticker::BTC))
            );
            let Target::Order(order) = one.target else { panic!("{:?}", one.target) };
            told.push(order.to_string());
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

/// Two invoices of one deposit: each by its own id, whatever their order in the list.
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
    let path = format!("GET /root/api/v1/stores/{STORE}/invoices?includeArchived=true");
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
