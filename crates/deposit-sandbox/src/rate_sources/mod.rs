//! The public sources of rates, each as its own documents describe it. They say what `POST /control/rates` set, have faults like a
//! provider, and know no orders and no payments: `GET /control/truth` does not speak of them.
//!
//! | source | emulated | how it behaves |
//! |---|---|---|
//! | `coingecko` | `GET /api/v3/simple/price` | numbers as JSON numbers; an id that it does not know is left out; `last_updated_at` by the business clock |
//! | `kraken` | `GET /0/public/Ticker` | without `pair` all pairs; one unknown pair spoils the answer; errors come with 200; bid, ask and last trade are the same |
//! | `kucoin` | `GET /api/v1/prices` | numbers as text; a symbol that it does not know is left out |
//! | `frankfurter` | `GET /v1/latest` | the date of the last working day, from 15:00 UTC on that of today; quotients at ten decimals |

mod coingecko;
mod frankfurter;
mod kraken;
mod kucoin;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use deposit_core::{DecimalText, Ticker};

use crate::control_error::{ControlError, json_response};
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::faults::Site;
use crate::json::Json;

/// What a source is made of.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    router: fn(Arc<Context>) -> Router,
    server_error: fn() -> Response,
    unauthorized: fn() -> Response,
}

const KINDS: &[Kind] = &[coingecko::KIND, kraken::KIND, kucoin::KIND, frankfurter::KIND];

/// One source behind the same layer of faults as the providers.
#[derive(Debug)]
struct Source {
    kind: &'static Kind,
    context: Arc<Context>,
}

/// Every source, by name.
pub(crate) fn all(context: impl Fn(&'static str) -> Arc<Context>) -> BTreeMap<&'static str, Site> {
    let site = |kind: &'static Kind| {
        let context = context(kind.name);
        let emulator = Arc::new(Source { kind, context: context.clone() });
        (kind.name, Site { emulator, context })
    };
    KINDS.iter().map(site).collect()
}

impl Source {
    fn refused(&self) -> ControlError {
        ControlError::Refused(format!("{}: is a source of rates, and takes no payments", self.kind.name))
    }
}

impl Emulator for Source {
    fn name(&self) -> &'static str {
        self.kind.name
    }

    fn router(self: Arc<Self>) -> Router {
        (self.kind.router)(self.context.clone())
    }

    fn server_error(&self) -> Response {
        (self.kind.server_error)()
    }

    fn unauthorized(&self) -> Response {
        (self.kind.unauthorized)()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("base_url", self.context.base_url.clone())]
    }

    fn pay(&self, _: &PayRequest) -> Result<String, ControlError> {
        Err(self.refused())
    }

    fn scenario(&self, _: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        Err(self.refused())
    }

    fn redeliver(&self, _: &str) -> Result<usize, ControlError> {
        Err(self.refused())
    }

    fn truth(&self) -> Vec<TruthOrder> {
        Vec::new()
    }

    fn tick(&self) -> Option<i64> {
        None
    }
}

type Parameters = Query<BTreeMap<String, String>>;

/// What the source says of a ticker; nothing while its own sources are down.
fn said(context: &Context, source: &'static str, ticker: Ticker) -> Option<DecimalText> {
    if context.faults.get().rates_down { None } else { context.rates.said_by(source, ticker) }
}

fn listed<'a>(parameters: &'a BTreeMap<String, String>, name: &str) -> Option<Vec<&'a str>> {
    parameters.get(name).map(|list| list.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
}

fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}
