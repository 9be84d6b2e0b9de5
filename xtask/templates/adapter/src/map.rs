//! From the wire to the domain. Pure.

use deposit_core::{printable, 
    Amount, Asset, Concern, Failure, OrderState, PayInstructions, PaymentReading, PaymentRef, ProviderRef,
    Snapshot,
};

use crate::api::{self, OrderStatus, PaymentStatus};

pub(crate) fn instructions(address: &str, amount: Amount) -> Option<PayInstructions> {
    let fine = !address.is_empty() && address.bytes().all(|b| b.is_ascii_alphanumeric());
    fine.then(|| PayInstructions::Address {
        address: address.to_owned(),
        memo: None,
        uri: Some(format!("@name@:{address}?amount={amount}")),
    })
}

/// One read of one order.
pub(crate) fn snapshot(reference: &ProviderRef, order: &api::Order, asset: Asset) -> Snapshot {
    let mut snapshot = Snapshot::empty(reference.clone());
    snapshot.state = match &order.status {
        OrderStatus::Open => OrderState::Open,
        OrderStatus::Expired => OrderState::Expired,
        OrderStatus::Cancelled => OrderState::Failed(Failure::Cancelled),
        OrderStatus::Other(other) => {
            let detail = format!("unknown order status {}: the order counts as open", printable(other));
            snapshot.concerns.push(Concern::new("unknown_status", detail));
            OrderState::Open
        }
    };
    for payment in &order.payments {
        let Ok(id) = PaymentRef::new(payment.id.as_str()) else {
            snapshot.complete = false;
            let detail = "a payment without a usable id is listed";
            snapshot.concerns.push(Concern::new("unreadable_payment", detail));
            continue;
        };
        let Ok((amount, exact)) = Amount::floor_from_decimal(payment.amount.decimal(), asset) else {
            snapshot.undecided.push(id);
            let detail = "a payment's amount is negative or absurdly large";
            snapshot.concerns.push(Concern::new("unreadable_amount", detail));
            continue;
        };
        if !exact {
            let detail = format!("a payment's amount is finer than {} decimals and was rounded down", asset.scale());
            snapshot.concerns.push(Concern::new("rounded", detail));
        }
        match &payment.status {
            PaymentStatus::Pending => snapshot.payments.push(PaymentReading::in_flight(id, amount)),
            PaymentStatus::Confirmed => snapshot.payments.push(PaymentReading::confirmed(id, amount)),
            PaymentStatus::Gone => snapshot.payments.push(PaymentReading::gone(id, asset)),
            PaymentStatus::Other(other) => {
                snapshot.undecided.push(id);
                let detail = format!("unknown payment status {}: the payment stays as it was", printable(other));
                snapshot.concerns.push(Concern::new("unknown_status", detail));
            }
        }
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(order_status: &str, payment_status: &str) -> Snapshot {
        let body = format!(
            r#"{{"id":"order-1","address":"a1","status":"{order_status}",
                "payments":[{{"id":"p","status":"{payment_status}","amount":"0.00000007"}}]}}"#
        );
        let order = serde_json::from_str(&body).unwrap();
        snapshot(&ProviderRef::new("order-1").unwrap(), &order, Asset::new("@TICKER@", 8).unwrap())
    }

    #[test]
    fn every_word_of_an_order() {
        assert_eq!(read("open", "pending").state, OrderState::Open);
        assert_eq!(read("expired", "pending").state, OrderState::Expired);
        assert_eq!(read("cancelled", "pending").state, OrderState::Failed(Failure::Cancelled));
        let unknown = read("dissolved", "pending");
        assert_eq!((unknown.state, unknown.concerns.len()), (OrderState::Open, 1));
    }

    #[test]
    fn every_word_of_a_payment() {
        let figures = |word| read("open", word).payments.first().map(|p| (p.in_flight, p.confirmed));
        assert_eq!(figures("pending"), Some((7, 0)));
        assert_eq!(figures("confirmed"), Some((0, 7)));
        assert_eq!(figures("gone"), Some((0, 0)));
        assert_eq!(figures("melted"), None);
        assert_eq!(read("open", "melted").undecided.len(), 1);
    }
}
