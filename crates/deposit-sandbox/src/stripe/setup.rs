//! What a check of the set-up looks at, and how a test makes it wrong: the account and its webhook endpoints.

use super::error::Outcome;
use super::event;
use super::form::{Pair, Params};
use super::list::Window;
use super::state::{State, Stripe};
use crate::json::Json;
use crate::webhook::Target;

/// `GET /v1/account`, with the members that matter here.
pub(super) fn account(state: &State, pairs: &[Pair]) -> Outcome<Json> {
    Params::read(pairs)?.finish()?;
    Ok(Json::object([
        ("id", Json::text("acct_1Emulated")),
        ("object", Json::text("account")),
        ("charges_enabled", Json::Bool(!state.charges_off)),
        ("payouts_enabled", Json::Bool(true)),
        ("details_submitted", Json::Bool(true)),
        ("default_currency", Json::text("usd")),
        ("country", Json::text("US")),
    ]))
}

/// `GET /v1/webhook_endpoints`, newest first.
pub(super) fn endpoints(server: &Stripe, state: &State, pairs: &[Pair]) -> Outcome<Json> {
    let mut params = Params::read(pairs)?;
    let window = Window::read(&mut params)?;
    params.finish()?;
    let all = state.endpoints.iter().rev().map(|endpoint| (endpoint.id.clone(), endpoint)).collect();
    window.page("/v1/webhook_endpoints", all, |endpoint| endpoint.view(&server.context.webhooks, false))
}

impl Stripe {
    /// Whether the account may take cards.
    pub fn allow_charges(&self, allowed: bool) {
        self.state().charges_off = !allowed;
    }

    /// Enables or disables every webhook endpoint.
    pub fn switch_webhook(&self, enabled: bool) {
        for endpoint in &mut self.state().endpoints {
            endpoint.disabled = !enabled;
        }
    }

    /// Points the gateways' endpoint elsewhere, with these events alone.
    pub fn point_webhook(&self, url: &str, events: &[&str]) {
        let mut state = self.state();
        if let Some(endpoint) = state.endpoints.first_mut() {
            endpoint.target = Target::Url(url.to_owned());
            endpoint.events = events.iter().map(|event| (*event).to_owned()).collect();
            event::open(&self.context.webhooks, endpoint);
        }
    }
}
