//! Orders and payments.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{Fault, Hook, MERCHANT};

/// What has become of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Seen, not final.
    Pending,
    /// Final.
    Confirmed,
    /// Gone from the chain.
    Orphaned,
}

impl PaymentStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Orphaned => "orphaned",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Pending => "payment.seen",
            Self::Confirmed => "payment.confirmed",
            Self::Orphaned => "payment.orphaned",
        }
    }
}

/// One payment.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its id.
    pub id: String,
    /// What was sent.
    pub nuts: u128,
    /// What has become of it.
    pub status: PaymentStatus,
    /// Whether it was confirmed at any time.
    pub was_confirmed: bool,
    /// When it was seen.
    pub seen_at: i64,
}

/// One order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// What the merchant calls it.
    pub external_id: String,
    /// What was asked for.
    pub nuts: u128,
    /// Where it is paid.
    pub address: String,
    /// Until when.
    pub expires_at: i64,
    /// Given up.
    pub cancelled: bool,
    /// What was paid.
    pub payments: Vec<Payment>,
    expiry_told: bool,
}

impl Order {
    fn paid(&self) -> u128 {
        self.payments.iter().filter(|p| p.status != PaymentStatus::Orphaned).map(|p| p.nuts).sum()
    }

    fn status(&self, now: i64) -> &'static str {
        let counts = |p: &&Payment| p.status != PaymentStatus::Orphaned && p.seen_at < self.expires_at;
        let in_time: u128 = self.payments.iter().filter(counts).map(|p| p.nuts).sum();
        match (self.cancelled, in_time >= self.nuts, now >= self.expires_at) {
            (true, ..) => "cancelled",
            (false, true, _) => "paid",
            (false, false, true) => "expired",
            (false, false, false) => "open",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) orders: Vec<Order>,
    pub(crate) fault: Option<Fault>,
    pub(crate) published: usize,
    ahead: i64,
    counter: u32,
    waiting: Vec<Hook>,
    told: Vec<Hook>,
}

/// What a create was answered with.
pub(crate) enum Created {
    New(Value),
    Known(Value),
    OtherTerms,
}

impl Book {
    pub(crate) fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        i64::try_from(since).unwrap_or(0) + self.ahead
    }

    pub(crate) fn advance(&mut self, seconds: u32) {
        self.ahead += i64::from(seconds);
        let now = self.now();
        let over: Vec<_> = self
            .orders
            .iter()
            .filter(|o| o.status(now) == "expired" && !o.expiry_told)
            .map(|o| o.id.clone())
            .collect();
        for id in over {
            self.expire(&id);
        }
    }

    fn next(&mut self, sort: &str) -> String {
        self.counter += 1;
        format!("{sort}_{:08x}", self.counter.wrapping_mul(0x9e37_79b1))
    }

    fn find(&mut self, reference: &str) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == reference || order.address == reference)
    }

    pub(crate) fn create(&mut self, external_id: &str, nuts: u128, expires_at: i64) -> Created {
        if let Some(known) = self.orders.iter().find(|order| order.external_id == external_id) {
            return if (known.nuts, known.expires_at) == (nuts, expires_at) {
                Created::Known(self.json(known))
            } else {
                Created::OtherTerms
            };
        }
        let id = self.next("ord");
        let address = format!("acorn1{}", self.next("a").replace('_', ""));
        let order = Order {
            id,
            external_id: external_id.to_owned(),
            nuts,
            address,
            expires_at,
            cancelled: false,
            payments: Vec::new(),
            expiry_told: false,
        };
        let shown = self.json(&order);
        self.orders.push(order);
        Created::New(shown)
    }

    pub(crate) fn read(&self, id: &str) -> Option<Value> {
        self.orders.iter().find(|order| order.id == id).map(|order| self.json(order))
    }

    fn json(&self, order: &Order) -> Value {
        let (strange_payments, strange_orders) =
            (self.fault == Some(Fault::UnknownPaymentWord), self.fault == Some(Fault::UnknownOrderWord));
        let payment = |p: &Payment| {
            let status = if strange_payments { "germinating" } else { p.status.word() };
            json!({"id": p.id, "amount_nuts": p.nuts.to_string(), "status": status, "seen_at": p.seen_at})
        };
        json!({
            "id": order.id,
            "external_id": order.external_id,
            "status": if strange_orders { "buried" } else { order.status(self.now()) },
            "amount_nuts": order.nuts.to_string(),
            "address": order.address,
            "expires_at": order.expires_at,
            "payments": order.payments.iter().map(payment).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn pay(
        &mut self,
        reference: &str,
        nuts: Option<u128>,
        status: PaymentStatus,
    ) -> Option<String> {
        let now = self.now();
        let id = self.next("pay");
        let order = self.find(reference)?;
        let due = order.nuts.saturating_sub(order.paid());
        let nuts = nuts.unwrap_or(if due == 0 { order.nuts } else { due });
        order.payments.push(Payment {
            id: id.clone(),
            nuts,
            status: PaymentStatus::Pending,
            was_confirmed: false,
            seen_at: now,
        });
        let order = order.id.clone();
        self.publish(&order, PaymentStatus::Pending.event());
        if status != PaymentStatus::Pending {
            self.set_payment(&id, status);
        }
        Some(id)
    }

    pub(crate) fn set_payment(&mut self, id: &str, status: PaymentStatus) -> bool {
        let mut all = self.orders.iter_mut().flat_map(|o| o.payments.iter_mut().map(|p| (o.id.clone(), p)));
        let Some((order, payment)) = all.find(|(_, payment)| payment.id == id) else { return false };
        payment.status = status;
        payment.was_confirmed |= status == PaymentStatus::Confirmed;
        self.publish(&order, status.event());
        true
    }

    pub(crate) fn expire(&mut self, reference: &str) -> bool {
        let now = self.now();
        let Some(order) = self.find(reference) else { return false };
        order.expires_at = order.expires_at.min(now);
        order.expiry_told = true;
        let id = order.id.clone();
        self.publish(&id, "order.expired");
        true
    }

    pub(crate) fn cancel(&mut self, reference: &str) -> bool {
        let Some(order) = self.find(reference) else { return false };
        order.cancelled = true;
        let id = order.id.clone();
        self.publish(&id, "order.cancelled");
        true
    }

    fn publish(&mut self, order: &str, kind: &str) {
        let external_id = self.orders.iter().find(|o| o.id == order).map(|o| o.external_id.clone());
        let body = json!({
            "id": self.next("evt"),
            "type": kind,
            "merchant": MERCHANT,
            "order_id": order,
            "external_id": external_id,
        });
        let hook = Hook { order: order.to_owned(), body: body.to_string() };
        self.told.push(hook.clone());
        self.send(hook);
    }

    fn send(&mut self, hook: Hook) {
        self.published += 1;
        self.waiting.push(hook);
    }

    pub(crate) fn redeliver(&mut self, reference: &str) {
        let again: Vec<_> = self.told.iter().filter(|hook| hook.order == reference).cloned().collect();
        for hook in again {
            self.send(hook);
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<Hook> {
        std::mem::take(&mut self.waiting)
    }
}
