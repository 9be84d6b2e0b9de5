//! From the wire to the domain. Pure.

use deposit_core::{
    Amount, Concern, Failure, OpenRequest, OrderState, PayInstructions, PaymentReading, PaymentRef,
    ProviderRef, Snapshot, Timestamp, printable,
};

use crate::api::{self, OrderStatus, PaymentStatus};

pub(crate) fn instructions(address: &str, amount: Amount) -> Option<PayInstructions> {
    let fine = |b: u8| b.is_ascii_alphanumeric();
    (!address.is_empty() && address.bytes().all(fine)).then(|| PayInstructions::Address {
        address: address.to_owned(),
        memo: None,
        uri: Some(format!("acorn:{address}?amount={amount}")),
    })
}

/// Whether the answer is the order that was asked for.
pub(crate) fn is_what_we_asked(order: &api::Order, request: &OpenRequest, external_id: &str) -> bool {
    order.external_id == external_id && order.amount_nuts == request.amount.minor().to_string()
}

pub(crate) fn snapshot(reference: &ProviderRef, order: &api::Order, asset: deposit_core::Asset) -> Snapshot {
    let mut snapshot = Snapshot::empty(reference.clone());
    snapshot.state = match &order.status {
        OrderStatus::Open | OrderStatus::Paid => OrderState::Open,
        OrderStatus::Expired => OrderState::Expired,
        OrderStatus::Cancelled => OrderState::Failed(Failure::Cancelled),
        OrderStatus::Other(other) => {
            let detail = format!("unknown order status {}: the order counts as open", printable(other));
            snapshot.concerns.push(Concern::new("unknown_status", detail));
            OrderState::Open
        }
    };
    if snapshot.state == OrderState::Expired {
        snapshot.expired_at = Some(Timestamp::from_secs(order.expires_at));
    }
    for payment in &order.payments {
        let Ok(id) = PaymentRef::new(payment.id.as_str()) else {
            snapshot.complete = false;
            snapshot
                .concerns
                .push(Concern::new("unreadable_payment", "a payment without a usable id is listed"));
            continue;
        };
        let amount = payment.amount_nuts.parse().map(|nuts| Amount::new(nuts, asset));
        let reading = match (&payment.status, amount) {
            (PaymentStatus::Pending, Ok(amount)) => PaymentReading::in_flight(id, amount),
            (PaymentStatus::Confirmed, Ok(amount)) => PaymentReading::confirmed(id, amount),
            (PaymentStatus::Orphaned, _) => PaymentReading::gone(id, asset),
            (PaymentStatus::Pending | PaymentStatus::Confirmed, Err(_)) => {
                snapshot.undecided.push(id);
                snapshot
                    .concerns
                    .push(Concern::new("unreadable_amount", "a payment's amount is no whole number"));
                continue;
            }
            (PaymentStatus::Other(other), _) => {
                let detail =
                    format!("unknown payment status {}: the payment stays as it was", printable(other));
                snapshot.undecided.push(id);
                snapshot.concerns.push(Concern::new("unknown_status", detail));
                continue;
            }
        };
        snapshot
            .payments
            .push(PaymentReading { paid_at: Some(Timestamp::from_secs(payment.seen_at)), ..reading });
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use deposit_core::Asset;

    use super::*;

    fn read(order_status: &str, payment_status: &str, nuts: &str) -> Snapshot {
        let body = format!(
            r#"{{"id":"ord_1","external_id":"deposit:x","amount_nuts":"9","address":"a","expires_at":60,
                "status":"{order_status}",
                "payments":[{{"id":"p","status":"{payment_status}","amount_nuts":"{nuts}","seen_at":50}}]}}"#
        );
        let order = serde_json::from_str(&body).unwrap();
        snapshot(&ProviderRef::new("ord_1").unwrap(), &order, Asset::new("ACORN", 8).unwrap())
    }

    #[test]
    fn every_word_of_an_order() {
        let state = |word| read(word, "pending", "1").state;
        assert_eq!(state("open"), OrderState::Open);
        assert_eq!(state("paid"), OrderState::Open);
        assert_eq!(state("expired"), OrderState::Expired);
        assert_eq!(state("cancelled"), OrderState::Failed(Failure::Cancelled));
        let unknown = read("dissolved", "pending", "1");
        assert_eq!((unknown.state, unknown.concerns.len()), (OrderState::Open, 1));
    }

    #[test]
    fn every_word_of_a_payment() {
        let figures = |word| {
            let read = read("open", word, "7");
            read.payments.first().map(|p| (p.in_flight, p.confirmed))
        };
        assert_eq!(figures("pending"), Some((7, 0)));
        assert_eq!(figures("confirmed"), Some((0, 7)));
        assert_eq!(figures("orphaned"), Some((0, 0)));
        assert_eq!(figures("melted"), None);
        assert_eq!(read("open", "melted", "7").undecided.len(), 1);
        assert_eq!(read("open", "confirmed", "7.5").undecided.len(), 1);
    }
}
