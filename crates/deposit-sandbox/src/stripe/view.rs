//! Objects as the API and its events show them: dossier section 3.

use super::form::Pair;
use super::model::{Charge, ChargeStatus, Dispute, Intent, IntentStatus, Refund, Session, SessionStatus};
use crate::faults::Faults;
use crate::json::Json;

/// What is inlined where an id would be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expand {
    pub(super) intent: bool,
    pub(super) charge: bool,
    pub(super) line_items: bool,
}

/// How objects are shown.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) base_url: &'a str,
    pub(super) faults: &'a Faults,
}

fn map(pairs: &[Pair]) -> Json {
    Json::object(pairs.iter().map(|(name, value)| (name.clone(), Json::text(value))))
}

fn optional(text: Option<&str>) -> Json {
    Json::text_or_null(text)
}

/// The list around objects; newest first.
pub(super) fn list(url: &str, data: Vec<Json>, has_more: bool) -> Json {
    Json::object([
        ("object", Json::text("list")),
        ("data", Json::List(data)),
        ("has_more", Json::Bool(has_more)),
        ("url", Json::text(url)),
    ])
}

impl View<'_> {
    fn order_word(&self, word: &'static str) -> Json {
        Json::text(if self.faults.unknown_order_words { "archived" } else { word })
    }

    fn payment_word(&self, word: &'static str) -> Json {
        Json::text(if self.faults.unknown_words { "settled_maybe" } else { word })
    }

    pub(super) fn session(&self, session: &Session, expand: Expand) -> Json {
        let wanted = &session.wanted;
        let url = (session.status == SessionStatus::Open)
            .then(|| format!("{}/c/pay/{}#fid0001", self.base_url, session.id));
        let intent = match &session.intent {
            None => Json::Null,
            Some(intent) if expand.intent || expand.charge => self.intent(session, intent, expand.charge),
            Some(intent) => Json::text(&intent.id),
        };
        let details = Json::object([
            ("address", Json::Null),
            ("email", optional(wanted.customer_email.as_deref())),
            ("name", Json::Null),
            ("phone", Json::Null),
            ("tax_exempt", Json::text("none")),
            ("tax_ids", Json::Null),
        ]);
        let tax = ["liability", "provider", "status"].map(|name| (name, Json::Null));
        let card = Json::object([("request_three_d_secure", Json::text("automatic"))]);
        let custom = ["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"];
        let zero = || Json::int(0);
        let mut members = vec![
            ("id", Json::text(&session.id)),
            ("object", Json::text("checkout.session")),
            ("adaptive_pricing", Json::object([("enabled", Json::Bool(wanted.adaptive_pricing))])),
            ("after_expiration", Json::Null),
            ("allow_promotion_codes", Json::Null),
            ("amount_subtotal", Json::int(wanted.total)),
            ("amount_total", Json::int(wanted.total)),
            ("automatic_tax", Json::object([("enabled", Json::Bool(false))].into_iter().chain(tax))),
            ("billing_address_collection", Json::Null),
            ("cancel_url", optional(wanted.cancel_url.as_deref())),
            ("client_reference_id", optional(wanted.client_reference_id.as_deref())),
            ("client_secret", Json::Null),
            ("created", Json::int(session.created)),
            ("currency", Json::text(wanted.currency.code)),
            ("custom_fields", Json::List(vec![])),
            ("custom_text", Json::object(custom.map(|name| (name, Json::Null)))),
            ("customer", Json::Null),
            ("customer_creation", Json::text("if_required")),
            ("customer_details", details),
            ("customer_email", optional(wanted.customer_email.as_deref())),
            ("expires_at", Json::int(session.expires_at)),
            ("invoice", Json::Null),
            ("livemode", Json::Bool(false)),
            ("locale", optional(wanted.locale.as_deref())),
            ("metadata", map(&wanted.metadata)),
            ("mode", Json::text("payment")),
            ("payment_intent", intent),
            ("payment_link", Json::Null),
            ("payment_method_collection", Json::text("if_required")),
            ("payment_method_options", Json::object([("card", card)])),
            ("payment_method_types", Json::List(wanted.methods.iter().map(Json::text).collect())),
            ("payment_status", self.payment_word(session.payment_status.word())),
            ("presentment_details", Json::Null),
            ("recovered_from", Json::Null),
            ("setup_intent", Json::Null),
            ("shipping_options", Json::List(vec![])),
            ("status", self.order_word(session.status.word())),
            ("submit_type", optional(wanted.submit_type.as_deref())),
            ("subscription", Json::Null),
            ("success_url", Json::text(&wanted.success_url)),
            (
                "total_details",
                Json::object([
                    ("amount_discount", zero()),
                    ("amount_shipping", zero()),
                    ("amount_tax", zero()),
                ]),
            ),
            ("ui_mode", Json::text(&wanted.ui_mode)),
            ("url", Json::text_or_null(url)),
        ];
        if expand.line_items {
            let item = Json::object([
                ("object", Json::text("item")),
                ("amount_total", Json::int(wanted.total)),
                ("currency", Json::text(wanted.currency.code)),
            ]);
            let url = format!("/v1/checkout/sessions/{}/line_items", session.id);
            members.push(("line_items", list(&url, vec![item], false)));
        }
        Json::object(members)
    }

    pub(super) fn intent(&self, session: &Session, intent: &Intent, expand_charge: bool) -> Json {
        let wanted = &session.wanted;
        let charge = match intent.charges.last() {
            None => Json::Null,
            Some(charge) if expand_charge => self.charge(session, charge),
            Some(charge) => Json::text(&charge.id),
        };
        let received = if intent.status == IntentStatus::Succeeded { wanted.total } else { 0 };
        let capturable = if intent.status == IntentStatus::RequiresCapture { wanted.total } else { 0 };
        let failure = intent.charges.last().and_then(|charge| charge.failure_code);
        let error = failure.map_or(Json::Null, |code| {
            Json::object([
                ("code", Json::text("card_declined")),
                ("decline_code", Json::text(code)),
                ("message", Json::text("Your card was declined.")),
                ("type", Json::text("card_error")),
            ])
        });
        Json::object([
            ("id", Json::text(&intent.id)),
            ("object", Json::text("payment_intent")),
            ("amount", Json::int(wanted.total)),
            ("amount_capturable", Json::int(capturable)),
            ("amount_received", Json::int(received)),
            ("canceled_at", Json::Null),
            ("cancellation_reason", Json::Null),
            ("capture_method", Json::text(if wanted.manual_capture { "manual" } else { "automatic_async" })),
            ("created", Json::int(intent.created)),
            ("currency", Json::text(wanted.currency.code)),
            ("customer", Json::Null),
            ("description", Json::Null),
            ("last_payment_error", error),
            ("latest_charge", charge),
            ("livemode", Json::Bool(false)),
            ("metadata", map(&wanted.intent_metadata)),
            ("payment_method_types", Json::List(vec![Json::text("card")])),
            ("status", self.payment_word(intent.status.word())),
        ])
    }

    pub(super) fn charge(&self, session: &Session, charge: &Charge) -> Json {
        let wanted = &session.wanted;
        let paid = charge.status == ChargeStatus::Succeeded;
        let captured = paid && !wanted.manual_capture;
        let refunded = charge.refunded();
        Json::object([
            ("id", Json::text(&charge.id)),
            ("object", Json::text("charge")),
            ("amount", Json::int(wanted.total)),
            ("amount_captured", Json::int(if captured { wanted.total } else { 0 })),
            ("amount_refunded", Json::int(refunded)),
            ("captured", Json::Bool(captured)),
            ("created", Json::int(charge.created)),
            ("currency", Json::text(wanted.currency.code)),
            ("disputed", Json::Bool(charge.dispute.is_some())),
            ("failure_code", optional(charge.failure_code.map(|_| "card_declined"))),
            ("livemode", Json::Bool(false)),
            ("metadata", map(&wanted.intent_metadata)),
            ("paid", Json::Bool(paid)),
            ("payment_intent", optional(session.intent_id())),
            ("refunded", Json::Bool(paid && refunded >= wanted.total)),
            ("status", Json::text(charge.status.word())),
        ])
    }

    /// Its metadata are its own: ours do not get here.
    pub(super) fn refund(&self, session: &Session, charge: &Charge, refund: &Refund) -> Json {
        let failure = (refund.status == "failed").then_some("lost_or_stolen_card");
        let mut members = vec![
            ("id", Json::text(&refund.id)),
            ("object", Json::text("refund")),
            ("amount", Json::int(refund.amount)),
            ("balance_transaction", Json::Null),
            ("charge", Json::text(&charge.id)),
            ("created", Json::int(refund.created)),
            ("currency", Json::text(session.wanted.currency.code)),
        ];
        members.extend(failure.map(|reason| ("failure_reason", Json::text(reason))));
        members.extend([
            ("metadata", map(&refund.metadata)),
            ("payment_intent", optional(session.intent_id())),
            ("reason", optional(refund.reason.as_deref())),
            ("receipt_number", Json::Null),
            ("status", Json::text(refund.status)),
        ]);
        Json::object(members)
    }

    /// Without our metadata too.
    pub(super) fn dispute(&self, session: &Session, charge: &Charge, dispute: &Dispute) -> Json {
        let open = matches!(dispute.status, "needs_response" | "warning_needs_response");
        let evidence = Json::object([
            ("due_by", Json::int(dispute.created + 7 * 86_400)),
            ("has_evidence", Json::Bool(false)),
            ("past_due", Json::Bool(false)),
            ("submission_count", Json::int(0)),
        ]);
        Json::object([
            ("id", Json::text(&dispute.id)),
            ("object", Json::text("dispute")),
            ("amount", Json::int(dispute.amount)),
            ("balance_transactions", Json::List(vec![])),
            ("charge", Json::text(&charge.id)),
            ("created", Json::int(dispute.created)),
            ("currency", Json::text(session.wanted.currency.code)),
            ("evidence", Json::object::<&str>([])),
            ("evidence_details", evidence),
            ("is_charge_refundable", Json::Bool(open && !dispute.withdrawn)),
            ("livemode", Json::Bool(false)),
            ("metadata", Json::object::<&str>([])),
            ("payment_intent", optional(session.intent_id())),
            ("reason", Json::text("fraudulent")),
            ("status", Json::text(dispute.status)),
        ])
    }
}
