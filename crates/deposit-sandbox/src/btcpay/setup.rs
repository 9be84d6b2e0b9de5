//! What a check of the set-up looks at, and how a test makes it wrong: the key itself and the store's settings.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;

use super::api::{Answer, Params, Server, ok, scope};
use super::fee_mode::FeeMode;
use super::state::{BtcPay, key_of, unknown};
use super::subscription;
use crate::control_error::ControlError;
use crate::json::Json;
use crate::webhook::Target;

const SETTINGS: &str = "btcpay.store.canviewstoresettings";

pub(super) fn router(server: Arc<BtcPay>) -> Router {
    Router::new()
        .route("/api/v1/api-keys/current", get(current_key))
        .route("/api/v1/stores/{store}", get(store))
        .with_state(server)
}

async fn current_key(State(server): Server, headers: HeaderMap) -> Answer {
    let state = server.state();
    let key = key_of(&state, &headers).ok_or_else(|| unknown(&headers))?;
    Ok(ok(&Json::object([
        ("apiKey", Json::text(&key.token)),
        ("label", Json::text("gateway")),
        ("permissions", Json::List(key.permissions.iter().map(Json::text).collect())),
    ])))
}

async fn store(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    server.allow(&headers, SETTINGS, scope(&server, &p, false))?;
    let state = server.state();
    Ok(ok(&Json::object([
        ("id", Json::text(&server.store_id)),
        ("name", Json::text("Deposits")),
        ("defaultCurrency", Json::text("USD")),
        ("speedPolicy", Json::text("MediumSpeed")),
        ("networkFeeMode", Json::text(state.fee_mode.word())),
        ("paymentTolerance", Json::int(0)),
    ])))
}

impl BtcPay {
    /// The configured key is unknown from now on.
    pub fn revoke_key(&self) {
        let token = self.api_key().to_owned();
        self.state().keys.retain(|key| key.token != token);
    }

    /// The configured key loses a right, in every scope.
    pub fn take_right(&self, right: &str) {
        let token = self.api_key().to_owned();
        for key in self.state().keys.iter_mut().filter(|key| key.token == token) {
            key.permissions.retain(|granted| granted.split(':').next() != Some(right));
        }
    }

    /// What the store's settings say of network fees, for invoices that are made from now on: `Never`, `MultiplePaymentsOnly` or `Always`; another
    /// word changes nothing.
    pub fn set_fee_mode(&self, mode: &str) {
        let mode = FeeMode::ALL.iter().find(|(word, _)| *word == mode);
        if let Some((_, mode)) = mode {
            self.state().fee_mode = *mode;
        }
    }

    /// Switches a payment method of the store on or off, as an operator does: one that is off is left out of new invoices.
    pub fn switch_method(&self, id: &str, off: bool) {
        let mut state = self.state();
        state.methods_off.retain(|known| known != id);
        if off {
            state.methods_off.push(id.to_owned());
        }
    }

    /// What the Monero plugin's settings say: how many confirmations settle a payment to an invoice that is made from now on.
    pub fn set_xmr_threshold(&self, blocks: Option<i64>) {
        self.state().xmr_threshold = blocks;
    }

    /// The invoice of this reference is paid in full while nobody watches its address, and confirmed: the wallet alone shows it. Answers
    /// the payment's id.
    ///
    /// # Errors
    /// No such invoice, or nothing is due on it.
    pub fn pay_unseen(&self, reference: &str) -> Result<String, ControlError> {
        super::play::pay_unseen(self, reference)
    }

    /// The operator spends this output of the wallet.
    pub fn spend(&self, outpoint: &str) {
        self.state().spent.push(outpoint.to_owned());
    }

    /// What spent it is undone: the wallet lists the output again.
    pub fn unspend(&self, outpoint: &str) {
        self.state().spent.retain(|spent| spent != outpoint);
    }

    /// Switches the gateways' webhook on or off.
    pub fn switch_webhook(&self, enabled: bool) {
        for subscription in &mut self.state().subscriptions {
            subscription.enabled = enabled;
        }
    }

    /// Points the gateways' webhook elsewhere, with these events alone.
    pub fn point_webhook(&self, url: &str, events: &[&str]) {
        let mut state = self.state();
        if let Some(subscription) = state.subscriptions.first_mut() {
            subscription.target = Target::Url(url.to_owned());
            subscription.everything = events.is_empty();
            subscription.events = events.iter().map(|event| (*event).to_owned()).collect();
            subscription::open(&self.context.webhooks, subscription);
        }
    }
}
