//! What payers, banks and the merchant do: pay, refund, dispute; the scenarios; the truth.

use deposit_core::Amount;

use super::event::Cause;
use super::hooks::News;
use super::model::{
    Charge, ChargeStatus, Dispute, Intent, IntentStatus, PaymentStatus, Refund, Session, SessionStatus,
};
use super::state::{State, Stripe};
use super::view::Expand;
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment, TruthStage,
};
use crate::json::Json;

type Played<T> = Result<T, ControlError>;

/// How a card or a delayed method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    /// Paid at once.
    Succeeds,
    /// A delayed method: under way.
    Processing,
    /// The card is declined for this reason; the session stays open.
    Declined(&'static str),
}

fn refuse<T>(rule: impl std::fmt::Display) -> Played<T> {
    Err(ControlError::field("name", rule))
}

/// The session that a reference means; of several with one `client_reference_id` the newest.
pub(super) fn session_id(server: &Stripe, reference: &str) -> Played<String> {
    let state = server.state();
    let named = |session: &&Session| {
        session.id == reference
            || session.intent_id() == Some(reference)
            || session.wanted.client_reference_id.as_deref() == Some(reference)
    };
    let session = state.sessions.iter().rev().find(named);
    session
        .map(|session| session.id.clone())
        .ok_or_else(|| ControlError::field("ref", "no session, reference or PaymentIntent of this provider"))
}

impl Stripe {
    /// Changes a session and tells what came of it.
    pub(super) fn change<T>(
        &self,
        state: &mut State,
        id: &str,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        state.sessions.iter_mut().find(|session| session.id == id).map(change)
    }

    fn news(&self, state: &State, id: &str, kind: &'static str) -> Option<News> {
        let faults = self.faults();
        let view = self.view(&faults);
        let session = state.session(id)?;
        let object = match kind.split_once('.') {
            Some(("checkout", _)) => view.session(session, Expand::default()),
            Some(("payment_intent", _)) => view.intent(session, session.intent.as_ref()?, false),
            _ => view.charge(session, session.charge()?),
        };
        Some(News::new(kind, object))
    }

    /// Tells of something as the session is now.
    pub(super) fn tell(&self, state: &mut State, id: &str, kind: &'static str, cause: Option<Cause>) {
        if let Some(news) = self.news(state, id, kind) {
            self.emit(state, id, news, cause);
        }
    }

    pub(super) fn expire(&self, state: &mut State, id: &str, cause: Option<Cause>) {
        self.change(state, id, |session| session.status = SessionStatus::Expired);
        self.tell(state, id, "checkout.session.expired", cause);
    }

    /// The payer confirms on the page. Only for an open session.
    pub(super) fn confirm(&self, state: &mut State, id: &str, how: Try) {
        let (now, intent_id) = (self.now(), self.id(state, "intent", "pi_3", 23));
        let charge = Charge {
            id: self.id(state, "charge", "ch_3", 23),
            created: now,
            status: match how {
                Try::Succeeds => ChargeStatus::Succeeded,
                Try::Processing => ChargeStatus::Pending,
                Try::Declined(_) => ChargeStatus::Failed,
            },
            failure_code: if let Try::Declined(code) = how { Some(code) } else { None },
            refunds: vec![],
            dispute: None,
        };
        let free = self.change(state, id, |session| {
            if how != Try::Succeeds || session.wanted.total > 0 {
                let status = match how {
                    Try::Succeeds if session.wanted.manual_capture => IntentStatus::RequiresCapture,
                    Try::Succeeds => IntentStatus::Succeeded,
                    Try::Processing => IntentStatus::Processing,
                    Try::Declined(_) => IntentStatus::RequiresPaymentMethod,
                };
                // A second try is on the same PaymentIntent.
                let intent = session.intent.get_or_insert_with(|| Intent {
                    id: intent_id,
                    created: now,
                    status,
                    charges: vec![],
                });
                intent.status = status;
                intent.charges.push(charge);
            }
            if matches!(how, Try::Declined(_)) {
                return false;
            }
            session.status = SessionStatus::Complete;
            session.payment_status = match how {
                Try::Succeeds if session.wanted.total == 0 => PaymentStatus::NoPaymentRequired,
                Try::Succeeds if !session.wanted.manual_capture => PaymentStatus::Paid,
                Try::Succeeds | Try::Processing | Try::Declined(_) => PaymentStatus::Unpaid,
            };
            session.wanted.total == 0
        });
        let mut kinds = match how {
            Try::Succeeds if free == Some(true) => vec!["checkout.session.completed"],
            Try::Succeeds => {
                vec!["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"]
            }
            Try::Processing => vec!["payment_intent.processing", "checkout.session.completed"],
            Try::Declined(_) => vec!["payment_intent.payment_failed", "charge.failed"],
        };
        // In no order, but in the same for the same seed.
        let [turn] = self.context.random.bytes::<1>(&format!("stripe/order/{id}"));
        let by = usize::from(turn) % kinds.len().max(1);
        kinds.rotate_left(by);
        for kind in kinds {
            self.tell(state, id, kind, None);
        }
    }

    /// A delayed payment ends.
    fn settle(&self, state: &mut State, id: &str, paid: bool) {
        self.change(state, id, |session| {
            if paid {
                session.payment_status = PaymentStatus::Paid;
            }
            if let Some(intent) = &mut session.intent {
                intent.status =
                    if paid { IntentStatus::Succeeded } else { IntentStatus::RequiresPaymentMethod };
                if let Some(charge) = intent.charges.last_mut() {
                    charge.status = if paid { ChargeStatus::Succeeded } else { ChargeStatus::Failed };
                    charge.failure_code = if paid { None } else { Some("debit_not_authorized") };
                }
            }
        });
        let kinds = if paid {
            ["payment_intent.succeeded", "charge.succeeded", "checkout.session.async_payment_succeeded"]
        } else {
            ["payment_intent.payment_failed", "charge.failed", "checkout.session.async_payment_failed"]
        };
        for kind in kinds {
            self.tell(state, id, kind, None);
        }
    }

    /// Money goes back. What may be refunded was checked.
    pub(super) fn refund(
        &self,
        state: &mut State,
        id: &str,
        asked: (i64, Option<String>, Vec<super::form::Pair>),
        cause: Option<Cause>,
    ) -> Option<Refund> {
        let (amount, reason, metadata) = asked;
        let refund = Refund {
            id: self.id(state, "refund", "re_3", 23),
            created: self.now(),
            amount,
            status: "succeeded",
            reason,
            metadata,
        };
        let before = self.change(state, id, |session| {
            let charge = session.charge_mut()?;
            let before = charge.refunded();
            charge.refunds.push(refund.clone());
            Some(before)
        })??;
        self.tell_refund(state, id, &refund.id, "refund.created", cause.clone());
        if let Some(mut news) = self.news(state, id, "charge.refunded") {
            news.previous = Some(Json::object([("amount_refunded", Json::int(before))]));
            self.emit(state, id, news, cause);
        }
        Some(refund)
    }

    fn tell_refund(
        &self,
        state: &mut State,
        id: &str,
        refund: &str,
        kind: &'static str,
        cause: Option<Cause>,
    ) {
        let faults = self.faults();
        let object = state.session(id).and_then(|session| {
            let charge = session.charge()?;
            let refund = charge.refunds.iter().find(|known| known.id == refund)?;
            Some(self.view(&faults).refund(session, charge, refund))
        });
        if let Some(object) = object {
            self.emit(state, id, News::new(kind, object), cause);
        }
    }

    /// Beside the contract: the payer's bank could not take the newest refund; the money is the merchant's again.
    ///
    /// # Errors
    /// Where nothing was refunded.
    pub fn fail_refund(&self, reference: &str) -> Result<(), ControlError> {
        let id = session_id(self, reference)?;
        let mut state = self.state();
        let failed = self.change(&mut state, &id, |session| {
            let refunds = &mut session.charge_mut()?.refunds;
            let refund = refunds.iter_mut().rev().find(|refund| refund.counts())?;
            refund.status = "failed";
            Some(refund.id.clone())
        });
        let Some(Some(refund)) = failed else { return refuse("fail_refund: nothing was refunded") };
        self.tell_refund(&mut state, &id, &refund, "refund.failed", None);
        Ok(())
    }

    /// Beside the contract: the bank asks about a payment; no money moves.
    ///
    /// # Errors
    /// Where nothing was paid, or a dispute is there already.
    pub fn inquire(&self, reference: &str) -> Result<(), ControlError> {
        let id = session_id(self, reference)?;
        let mut state = self.state();
        self.open_dispute(&mut state, &id, "warning_needs_response")
    }

    fn open_dispute(&self, state: &mut State, id: &str, status: &'static str) -> Played<()> {
        let mut dispute = Dispute {
            id: self.id(state, "dispute", "dp_1", 23),
            created: self.now(),
            amount: 0,
            status,
            withdrawn: status == "needs_response",
            reinstated: false,
        };
        let opened = self.change(state, id, |session| {
            let total = session.wanted.total;
            let charge = session.charge_mut().filter(|charge| charge.status == ChargeStatus::Succeeded);
            let Some(charge) = charge.filter(|charge| charge.dispute.is_none()) else { return false };
            dispute.amount = total - charge.refunded();
            if dispute.amount <= 0 {
                return false;
            }
            charge.dispute = Some(dispute);
            true
        });
        if opened != Some(true) {
            return refuse("dispute: nothing is left to dispute, or there is a dispute already");
        }
        self.tell_dispute(state, id, "charge.dispute.created");
        if status == "needs_response" {
            self.tell_dispute(state, id, "charge.dispute.funds_withdrawn");
        }
        Ok(())
    }

    /// Beside the contract: the dispute moves on to a state: `needs_response`, `under_review`, `won`, `lost`,
    /// `warning_closed`, `prevented`, or a word of the caller's.
    ///
    /// # Errors
    /// Where there is none.
    pub fn move_dispute(&self, reference: &str, status: &'static str) -> Result<(), ControlError> {
        let id = session_id(self, reference)?;
        let mut state = self.state();
        let moved = self.change(&mut state, &id, |session| {
            let dispute = session.charge_mut()?.dispute.as_mut()?;
            let before = dispute.clone();
            dispute.status = status;
            dispute.withdrawn |= matches!(status, "needs_response" | "under_review" | "lost");
            dispute.reinstated |= dispute.withdrawn && matches!(status, "won" | "prevented");
            Some((before.withdrawn, dispute.withdrawn, dispute.reinstated))
        });
        let Some(Some((was, withdrawn, reinstated))) = moved else { return refuse("there is no dispute") };
        let closed = matches!(status, "won" | "lost" | "warning_closed" | "prevented");
        let kind = if closed { "charge.dispute.closed" } else { "charge.dispute.updated" };
        self.tell_dispute(&mut state, &id, kind);
        if withdrawn && !was {
            self.tell_dispute(&mut state, &id, "charge.dispute.funds_withdrawn");
        }
        if reinstated {
            self.tell_dispute(&mut state, &id, "charge.dispute.funds_reinstated");
        }
        Ok(())
    }

    fn tell_dispute(&self, state: &mut State, id: &str, kind: &'static str) {
        let faults = self.faults();
        let object = state.session(id).and_then(|session| {
            let charge = session.charge()?;
            Some(self.view(&faults).dispute(session, charge, charge.dispute.as_ref()?))
        });
        if let Some(object) = object {
            self.emit(state, id, News::new(kind, object), None);
        }
    }
}

pub(super) fn pay(server: &Stripe, request: &PayRequest) -> Played<String> {
    let id = session_id(server, &request.reference)?;
    let mut state = server.state();
    let session = state.session(&id).ok_or_else(|| ControlError::field("ref", "the session is gone"))?;
    let due = session.wanted.currency.amount(session.wanted.total);
    if let Some(asked) = &request.amount {
        let asset = due.asset();
        let asked = Amount::from_decimal(asked, asset, asset.scale())
            .map_err(|error| ControlError::field("amount", error))?;
        if asked != due {
            let rule = format!("must be {due}: the page takes what is due and nothing else");
            return Err(ControlError::field("amount", rule));
        }
    }
    if request.ticker.is_some_and(|ticker| ticker != session.wanted.currency.ticker) {
        return Err(ControlError::field("ticker", "is not this session's"));
    }
    if let Some(payment) = &request.payment {
        if session.intent_id() != Some(payment) {
            return Err(ControlError::field("payment", "is not of this session"));
        }
        match (session.stage(), request.stage) {
            (Some(TruthStage::Seen), PayStage::Confirmed) => server.settle(&mut state, &id, true),
            (Some(TruthStage::Withdrawn) | None, _) => {
                return Err(ControlError::field("payment", "failed and cannot move on"));
            }
            _ => {}
        }
        return Ok(payment.clone());
    }
    if session.status != SessionStatus::Open {
        let rule = format!("the session is {}: it takes one payment, in time", session.status.word());
        return Err(ControlError::field("ref", rule));
    }
    let how = match request.stage {
        PayStage::Seen => Try::Processing,
        PayStage::Confirmed => Try::Succeeds,
    };
    server.confirm(&mut state, &id, how);
    let intent = state.session(&id).and_then(Session::intent_id).unwrap_or_default();
    Ok(intent.to_owned())
}

/// Pays in full where nothing was paid, and confirms what is under way.
fn ensure_paid(server: &Stripe, state: &mut State, id: &str) -> Played<()> {
    let Some(session) = state.session(id) else { return refuse("the session is gone") };
    match (session.status, session.stage()) {
        (_, Some(TruthStage::Confirmed | TruthStage::Reversed)) => Ok(()),
        (SessionStatus::Complete, Some(TruthStage::Seen)) => {
            server.settle(state, id, true);
            Ok(())
        }
        (SessionStatus::Open, _) if session.wanted.total > 0 => {
            server.confirm(state, id, Try::Succeeds);
            Ok(())
        }
        (status, _) => refuse(format_args!("the session is {} and cannot be paid", status.word())),
    }
}

pub(super) fn scenario(server: &Stripe, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    let id = session_id(server, &request.reference)?;
    let mut state = server.state();
    let status = state.session(&id).map(|session| session.status);
    match request.name {
        ScenarioName::Refund | ScenarioName::RefundPart => {
            ensure_paid(server, &mut state, &id)?;
            let part = request.name == ScenarioName::RefundPart;
            let amount = state.session(&id).and_then(|session| {
                let charge = session.paid()?;
                let disputed = charge.dispute.as_ref().is_some_and(|d| d.withdrawn && !d.reinstated);
                let left = session.wanted.total - charge.refunded();
                let amount = if part { left.min((session.wanted.total / 2).max(1)) } else { left };
                (amount > 0 && !disputed).then_some(amount)
            });
            let Some(amount) = amount else {
                let word = request.name.word();
                return refuse(format_args!("{word}: nothing is left to refund, or it is disputed"));
            };
            server.refund(&mut state, &id, (amount, None, vec![]), None);
        }
        ScenarioName::Dispute => {
            ensure_paid(server, &mut state, &id)?;
            server.open_dispute(&mut state, &id, "needs_response")?;
        }
        ScenarioName::Return => {
            let dispute =
                state.session(&id).and_then(Session::paid).and_then(|charge| charge.dispute.as_ref());
            if !dispute.is_some_and(|d| matches!(d.status, "needs_response" | "under_review")) {
                return refuse("return: no dispute is open");
            }
            drop(state);
            server.move_dispute(&id, "won")?;
            state = server.state();
        }
        ScenarioName::Expire => {
            if status != Some(SessionStatus::Open) {
                return refuse("expire: the session is not open");
            }
            let now = server.now();
            server.change(&mut state, &id, |session| session.expires_at = now);
            server.expire(&mut state, &id, None);
        }
        ScenarioName::Fail => {
            let stage = state.session(&id).and_then(Session::stage);
            match (status, stage) {
                (Some(SessionStatus::Open), _) => {
                    server.confirm(&mut state, &id, Try::Processing);
                    server.settle(&mut state, &id, false);
                }
                (Some(SessionStatus::Complete), Some(TruthStage::Seen)) => {
                    server.settle(&mut state, &id, false);
                }
                _ => return refuse("fail: the session is paid, failed or expired"),
            }
        }
        ScenarioName::Partial
        | ScenarioName::Over
        | ScenarioName::Late
        | ScenarioName::Double
        | ScenarioName::Reorg
        | ScenarioName::Replace => {
            let rule = format!("{}: this provider has no such thing", request.name.word());
            return refuse(rule);
        }
    }
    let payments = state.session(&id).and_then(payment_of).into_iter();
    Ok(payments.map(|p| PlayedPayment { id: p.id, amount: p.amount, stage: p.stage }).collect())
}

fn payment_of(session: &Session) -> Option<TruthPayment> {
    let currency = session.wanted.currency;
    let amount = currency.amount(session.wanted.total);
    let confirmed = if session.paid().is_some() { amount } else { Amount::zero(amount.asset()) };
    let (taken, given_back) = session.takings();
    Some(TruthPayment {
        id: session.intent_id()?.to_owned(),
        amount,
        stage: session.stage()?,
        confirmed,
        reversed: currency.amount(taken),
        reinstated: currency.amount(given_back),
        settled: None,
        seen_at: session.charge()?.created,
    })
}

pub(super) fn truth(server: &Stripe) -> Vec<TruthOrder> {
    let order = |session: &Session| TruthOrder {
        reference: session.id.clone(),
        order: session.wanted.client_reference_id.clone(),
        address: None,
        ticker: Some(session.wanted.currency.ticker),
        due: Some(session.wanted.currency.amount(session.wanted.total)),
        payments: payment_of(session).into_iter().collect(),
    };
    server.state().sessions.iter().map(order).collect()
}

impl Stripe {
    /// The test card whose payment is disputed: here at once.
    pub(super) fn dispute_later(&self, id: &str) {
        let mut state = self.state();
        // Cannot be refused: it was paid just now.
        _ = self.open_dispute(&mut state, id, "needs_response");
    }
}
