//! What a provider lists of its own accord, against what is known here.

use deposit_core::{Amount, Observation as Message, Observed, PaymentProvider, Target, Timestamp};
use deposit_store::Phase;

use super::{Difference, DifferenceKind, Doubts};
use crate::Engine;
use crate::budget::Budget;
use crate::error::EngineError;
use crate::unmatched::named;

/// At most so many pages: a feed that goes on for ever ends as one that could not be read.
const PAGES: usize = 10_000;

/// A line of the feed that nothing here explains yet.
#[derive(Debug)]
pub(super) struct Doubt {
    message: Message,
    pub(super) difference: Difference,
}

impl Engine {
    /// Reads the whole feed, from its beginning: what was lost on the way here is behind the stored cursor, not before it.
    pub(super) async fn read_feed(
        &self,
        provider: &dyn PaymentProvider,
        since: Timestamp,
        budget: &Budget,
        doubts: &mut Doubts,
    ) -> Result<(), EngineError> {
        if provider.capabilities().standing_address {
            self.tell(provider).await?;
        }
        let unread = |why: String| Difference {
            provider: provider.id(),
            reference: "*".to_owned(),
            deposit: None,
            kind: DifferenceKind::Unreadable,
            ours: None,
            theirs: Some(why),
        };
        let mut cursor = None;
        for _ in 0..PAGES {
            budget.turn().await;
            let page = match provider.scan(cursor.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    doubts.rest.push(unread(error.to_string()));
                    return Ok(());
                }
            };
            for message in page.observations {
                let Some(difference) = doubt(&message, since) else { continue };
                let mut doubt = Doubt { message, difference };
                if !self.is_explained(&doubt).await? {
                    if let Observed::Payment(reading) = &doubt.message.observed
                        && let Some(id) = self.deposit_of(&doubt.message).await?
                    {
                        // On a deposit that is too old to have been compared.
                        doubt.difference.deposit = Some(id);
                        doubt.difference.kind = if reading.confirmed > 0 {
                            DifferenceKind::MissingCredit
                        } else {
                            DifferenceKind::MissingPayment
                        };
                    }
                    doubts.feed.push(doubt);
                }
            }
            if !page.more {
                return Ok(());
            }
            cursor = Some(page.next);
        }
        doubts.rest.push(unread("its feed does not end".to_owned()));
        Ok(())
    }

    /// Whether what the line tells of is on a deposit, or was shown to an operator.
    pub(super) async fn is_explained(&self, doubt: &Doubt) -> Result<bool, EngineError> {
        let (provider, reference) = (doubt.message.provider, &doubt.difference.reference);
        if self.store().was_reviewed(provider, reference).await? {
            return Ok(true);
        }
        if let Observed::Payment(reading) = &doubt.message.observed {
            return Ok(self.store().deposit_by_payment(doubt.message.provider, &reading.id).await?.is_some());
        }
        let Some(id) = self.deposit_of(&doubt.message).await? else { return Ok(false) };
        Ok(self.store().deposit(&id).await?.is_some_and(|row| row.phase == Phase::Open))
    }
}

/// What the line would come to if nothing explained it; `None` for one that is not about our money, or is too old.
fn doubt(message: &Message, since: Timestamp) -> Option<Difference> {
    if message.ours == Some(false) {
        return None;
    }
    let (reference, theirs) = match &message.observed {
        Observed::Payment(reading) => {
            let paid = reading.confirmed.max(reading.in_flight);
            if paid == 0 || reading.paid_at.is_some_and(|at| at < since) {
                return None;
            }
            (reading.id.to_string(), Some(Amount::new(paid, reading.asset).to_string()))
        }
        // About an order, not about money; a deposit's own are read with it.
        Observed::Hint | Observed::Snapshot(_) => return None,
        Observed::PaymentHint | Observed::Facts(_) => match &message.target {
            // Nothing that it could be known by.
            Target::Unknown => return None,
            target @ (Target::Deposit(_) | Target::Order(_) | Target::Address(_)) => (named(target)?, None),
        },
    };
    let kind = DifferenceKind::UnknownPayment;
    Some(Difference { provider: message.provider, reference, deposit: None, kind, ours: None, theirs })
}
