//! Invoices, payment methods and payments as JSON: dossier sections 6, 7 and 11.

use super::decimal::Dec;
use super::fee_mode::FeeMode;
use super::invoice::{Event, Invoice, Payment, PaymentStatus, Prompt};
use super::method::Kind;
use crate::faults::Faults;
use crate::json::Json;

/// What shows beside the invoice itself.
pub(super) struct Setting<'a> {
    pub(super) base_url: &'a str,
    pub(super) store_id: &'a str,
    pub(super) faults: &'a Faults,
}

impl Setting<'_> {
    pub(super) fn invoice(&self, invoice: &Invoice, with_methods: bool) -> Json {
        let text = |t: &str| Json::text(t);
        let price = invoice.price.unwrap_or(Dec::ZERO);
        let methods = invoice.prompts.iter();
        let ids = methods.clone().map(|p| text(p.method.id)).collect();
        let full =
            if with_methods { methods.map(|p| self.method(invoice, p, true)).collect() } else { vec![] };
        let c = &invoice.checkout;
        let status = if self.faults.unknown_order_words { "Frobnicated" } else { invoice.status.word() };
        let checkout = Json::object([
            ("speedPolicy", text(c.speed_policy)),
            ("paymentMethods", Json::List(ids)),
            ("defaultPaymentMethod", Json::text_or_null(c.default_payment_method)),
            ("expirationMinutes", Json::int(c.expiration_seconds / 60)),
            ("monitoringMinutes", Json::int(c.monitoring_seconds / 60)),
            ("paymentTolerance", Json::Number(double(c.tolerance))),
            ("redirectURL", Json::text_or_null(c.redirect_url.as_deref())),
            ("redirectAutomatically", Json::Bool(c.redirect_automatically)),
            ("defaultLanguage", Json::text_or_null(c.default_language.as_deref())),
            ("lazyPaymentMethods", Json::Null),
        ]);
        Json::object([
            ("id", text(&invoice.id)),
            ("storeId", text(self.store_id)),
            // Nothing is written with a decimal.
            (
                "amount",
                text(&if price.is_zero() && !invoice.top_up { "0.0".to_owned() } else { price.to_string() }),
            ),
            ("paidAmount", text(&invoice.paid_text())),
            ("checkoutLink", text(&format!("{}/i/{}", self.base_url, invoice.id))),
            ("status", text(status)),
            ("additionalStatus", text(invoice.additional.word())),
            ("monitoringExpiration", Json::int(invoice.monitoring)),
            ("expirationTime", Json::int(invoice.expiration)),
            ("createdTime", Json::int(invoice.created)),
            (
                "availableStatusesForManualMarking",
                Json::List(invoice.markable().iter().map(|s| text(s.word())).collect()),
            ),
            ("archived", Json::Bool(invoice.archived)),
            ("paymentMethods", Json::List(full)),
            ("type", text(if invoice.top_up { "TopUp" } else { "Standard" })),
            ("currency", text(&invoice.currency)),
            ("metadata", invoice.metadata.clone()),
            ("checkout", checkout),
            ("receipt", invoice.receipt.clone()),
        ])
    }

    pub(super) fn method(&self, invoice: &Invoice, prompt: &Prompt, only_accounted: bool) -> Json {
        let method = prompt.method;
        let destination = prompt.shown.last().map(String::as_str);
        let accounting = invoice.accounting(prompt);
        let due = invoice.due(prompt).trimmed();
        let mine = invoice.payments.iter().filter(|p| p.method == method);
        let paid = mine.clone().filter(|p| p.accounted()).fold(Dec::ZERO, |sum, p| sum.plus(p.exact()));
        let listed = mine
            .filter(|p| !p.unseen && (p.accounted() || !only_accounted))
            .map(|p| self.payment(p))
            .collect();
        let link = destination.map(|d| method.link(d, due)).unwrap_or_default();
        let decimal = |d: Dec| Json::text(d.to_string());
        Json::object([
            ("activated", Json::Bool(destination.is_some())),
            ("destination", Json::text_or_null(destination)),
            ("paymentLink", Json::text(link)),
            ("rate", decimal(prompt.rate)),
            ("paymentMethodPaid", decimal(paid.trimmed())),
            ("totalPaid", decimal(invoice.total_paid(prompt).trimmed())),
            ("due", decimal(due)),
            ("amount", decimal(accounting.amount.trimmed())),
            ("paymentMethodFee", decimal(accounting.fees.trimmed())),
            ("payments", Json::List(listed)),
            ("paymentMethodId", Json::text(method.id)),
            ("additionalData", additional(prompt)),
            ("currency", Json::text(method.currency)),
        ])
    }

    pub(super) fn payment(&self, payment: &Payment) -> Json {
        let status = match payment.status {
            _ if self.faults.unknown_words => "Frobnicated",
            PaymentStatus::Processing => "Processing",
            PaymentStatus::Settled => "Settled",
            PaymentStatus::Invalid => "Invalid",
        };
        Json::object([
            ("id", Json::text(&payment.id)),
            ("receivedDate", Json::int(payment.received)),
            ("value", Json::text(payment.exact().to_string())),
            ("fee", Json::text(payment.fee_text())),
            ("status", Json::text(status)),
            ("destination", Json::text(&payment.destination)),
        ])
    }

    /// The `type` of an event and the members that only it has.
    pub(super) fn event(&self, event: &Event) -> (&'static str, Vec<(String, Json)>) {
        let flag = |name: &str, value: &bool| (name.to_owned(), Json::Bool(*value));
        let paid = |after: &bool, payment: &Payment| {
            vec![
                flag("afterExpiration", after),
                ("paymentMethodId".to_owned(), Json::text(payment.method.id)),
                ("payment".to_owned(), self.payment(payment)),
            ]
        };
        match event {
            Event::Created => ("InvoiceCreated", vec![]),
            Event::Received { after_expiration, payment } => {
                ("InvoiceReceivedPayment", paid(after_expiration, payment))
            }
            Event::PaymentSettled { after_expiration, payment } => {
                ("InvoicePaymentSettled", paid(after_expiration, payment))
            }
            Event::Processing { over_paid } => ("InvoiceProcessing", vec![flag("overPaid", over_paid)]),
            Event::Settled { manually, over_paid } => {
                ("InvoiceSettled", vec![flag("manuallyMarked", manually), flag("overPaid", over_paid)])
            }
            Event::Expired { partially } => ("InvoiceExpired", vec![flag("partiallyPaid", partially)]),
            Event::Invalid { manually } => ("InvoiceInvalid", vec![flag("manuallyMarked", manually)]),
            Event::ExpiredPaidPartial => ("InvoiceExpiredPaidPartial", vec![]),
            Event::PaidAfterExpiration => ("InvoicePaidAfterExpiration", vec![]),
        }
    }
}

/// As .NET writes a double: at least one decimal.
fn double(number: Dec) -> String {
    let text = number.trimmed().to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn additional(prompt: &Prompt) -> Json {
    let index = i128::try_from(prompt.shown.len()).unwrap_or(0);
    match prompt.method.kind {
        Kind::Chain => Json::object([
            ("feeMode", Json::text(prompt.fee_mode.word())),
            // For a transaction of usual size this is the fee.
            (
                "paymentMethodFeeRate",
                Json::Number(if prompt.fee_mode == FeeMode::Never { "0.0" } else { "141.86" }.to_owned()),
            ),
            ("payjoinEnabled", Json::Bool(false)),
            ("recommendedFeeRate", Json::Number("141.86".to_owned())),
            ("keyPath", Json::text(format!("0/{index}"))),
            ("keyIndex", Json::int(index)),
            ("accountDerivation", Json::Null),
        ]),
        Kind::Shielded => Json::object([
            ("accountIndex", Json::int(0)),
            ("addressIndex", Json::int(index)),
            (
                "invoiceSettledConfirmationThreshold",
                prompt.threshold.map_or(Json::Null, |n| Json::int(i128::from(n))),
            ),
        ]),
        Kind::Mweb => Json::object([("addressIndex", Json::int(index))]),
        Kind::Lightning => Json::object([("preimage", Json::Null), ("providedComment", Json::Null)]),
    }
}
