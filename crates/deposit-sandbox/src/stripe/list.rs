//! Lists: which part of them, whose items, and the list of events.

use std::sync::Arc;

use super::error::{Outcome, Refusal};
use super::event::Event;
use super::form::{Pair, Params};
use super::model::{Charge, Session};
use super::state::{State, Stripe};
use super::view;
use crate::json::Json;

/// How long events are listed.
const EVENT_LIFE: i64 = 30 * 86_400;

/// From oldest first, with their ids.
pub(super) fn newest_first<T>(mut all: Vec<T>, id: impl Fn(&T) -> String) -> Vec<(String, T)> {
    all.reverse();
    all.into_iter().map(|item| (id(&item), item)).collect()
}

/// The account's events of the last 30 days.
pub(super) fn events(server: &Stripe, state: &State, pairs: &[Pair]) -> Outcome<Json> {
    let mut params = Params::read(pairs)?;
    let kind = params.word("type")?;
    let kinds = params.texts("types")?;
    let (since, until) = match params.map("created")? {
        None => (None, None),
        Some(mut created) => {
            let bounds = (created.whole("gte")?, created.whole("lte")?);
            created.finish()?;
            bounds
        }
    };
    let window = Window::read(&mut params)?;
    params.finish()?;
    if kinds.as_ref().is_some_and(|kinds| kinds.len() > 20 || kind.is_some()) {
        return Err(Refusal::value("types", "At most 20 types, and not together with `type`."));
    }
    let kept = server.now().saturating_sub(EVENT_LIFE);
    let wanted = |event: &&Arc<Event>| {
        event.created >= since.unwrap_or(kept).max(kept)
            && !state.withheld.iter().any(|kind| kind == event.kind)
            && until.is_none_or(|until| event.created <= until)
            && kind.as_deref().is_none_or(|kind| event.kind == kind)
            && kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == event.kind))
    };
    let all = state.events.iter().rev().filter(wanted).map(|event| (event.id.clone(), event)).collect();
    window.page("/v1/events", all, |event| event.json(event.kind))
}

/// Whose refunds or disputes.
pub(super) struct Of {
    intent: Option<String>,
    charge: Option<String>,
    pub(super) window: Window,
}

impl Of {
    pub(super) fn read(pairs: &[Pair]) -> Outcome<Self> {
        let mut params = Params::read(pairs)?;
        let (intent, charge) = (params.word("payment_intent")?, params.word("charge")?);
        let window = Window::read(&mut params)?;
        params.finish()?;
        Ok(Self { intent, charge, window })
    }

    pub(super) fn is(&self, session: &Session, charge: &Charge) -> bool {
        self.intent.as_deref().is_none_or(|id| session.intent_id() == Some(id))
            && self.charge.as_deref().is_none_or(|id| charge.id == id)
    }
}

/// Which part of a list.
pub(super) struct Window {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
}

impl Window {
    pub(super) fn read(params: &mut Params) -> Outcome<Self> {
        let limit = params.whole("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
        let limit = limit.ok_or_else(|| Refusal::value("limit", "Limits are from 1 to 100."))?;
        let (after, before) = (params.word("starting_after")?, params.word("ending_before")?);
        if after.is_some() && before.is_some() {
            return Err(Refusal::value("ending_before", "Not together with starting_after."));
        }
        Ok(Self { limit, after, before })
    }

    /// `all` newest first. Before an item come the newer ones, next to it.
    pub(super) fn page<T>(
        &self,
        url: &str,
        all: Vec<(String, T)>,
        show: impl Fn(&T) -> Json,
    ) -> Outcome<Json> {
        let find = |id: &str, param: &str| {
            all.iter().position(|(known, _)| known == id).ok_or_else(|| Refusal::no_such("object", id, param))
        };
        let (from, to, more) = match (&self.after, &self.before) {
            (_, Some(id)) => {
                let end = find(id, "ending_before")?;
                (end.saturating_sub(self.limit), end, end > self.limit)
            }
            (after, None) => {
                let from = match after {
                    Some(id) => find(id, "starting_after")? + 1,
                    None => 0,
                };
                (from, from.saturating_add(self.limit).min(all.len()), all.len() > from + self.limit)
            }
        };
        let data = all.get(from..to).unwrap_or_default().iter().map(|(_, item)| show(item)).collect();
        Ok(view::list(url, data, more))
    }
}
