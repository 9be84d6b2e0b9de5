//! A matter in review as it is stored: what operators have resolved of it, and the item that waits.

use deposit_core::{Amount, Asset, ProviderId};
use deposit_lifecycle::review::{self, ByHand, Due, Waiting};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, corrupt, int, number, text, text_opt, time_opt};
use crate::{ResolutionKind, ReviewTopic, SightedDue, Sighting, StoreResult};

pub(super) const ITEM: &str = "SELECT id, amount, seen, unit, scale, reason, code, detail FROM reviews \
                               WHERE provider = ? AND reference = ? AND topic = ? AND resolved_at IS NULL";
pub(super) const RESOLVED: &str = "SELECT unit, scale, due, assigned, dismissed, unknown FROM review_matters \
                                   WHERE provider = ? AND reference = ? AND topic = ?";

/// What a matter is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) provider: ProviderId,
    pub(super) reference: &'a str,
    pub(super) topic: &'a str,
}

#[derive(Debug)]
pub(super) struct Matter {
    /// The item that waits.
    pub(super) item: Option<Item>,
    /// What was resolved; `None`: nothing ever was.
    resolved: Option<Resolved>,
}

/// The item that waits. Amounts are decimal text.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: i64,
    amount: Option<String>,
    seen: Option<String>,
    asset: Option<Asset>,
    words: (String, Option<String>, Option<String>),
}

/// What was resolved. Amounts are decimal text.
#[derive(Debug, PartialEq, Eq)]
struct Resolved {
    asset: Option<Asset>,
    due: String,
    assigned: String,
    dismissed: String,
    unknown: bool,
}

/// What a sighting makes of the item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// An item waits for this, as decimal text; `None`: for an amount that is not known.
    Wait {
        amount: Option<String>,
        seen: Option<String>,
        asset: Option<Asset>,
    },
    /// Nothing waits any more.
    Close,
}

/// What a sighting makes of a matter.
#[derive(Debug)]
pub(super) struct Sighted {
    pub(super) change: Change,
    /// What was resolved, where that reads otherwise now.
    resolved: Option<Resolved>,
}

impl Sighted {
    pub(super) fn is_news(&self) -> bool {
        self.change != Change::Nothing || self.resolved.is_some()
    }
}

fn asset(row: &SqliteRow) -> StoreResult<Option<Asset>> {
    let Some(code) = text_opt(row, "unit")? else { return Ok(None) };
    Asset::new(&code, number(row, "scale")?).map(Some).map_err(|e| corrupt("unit", e))
}

/// In smallest units; `None` where it cannot be counted so.
fn minor(text: &str, asset: Option<Asset>) -> Option<u128> {
    Amount::parse(text, asset?).ok().map(|amount| amount.minor())
}

impl Item {
    fn of(row: &SqliteRow) -> StoreResult<Self> {
        Ok(Self {
            id: int(row, "id")?,
            amount: text_opt(row, "amount")?,
            seen: text_opt(row, "seen")?,
            asset: asset(row)?,
            words: (text(row, "reason")?, text_opt(row, "code")?, text_opt(row, "detail")?),
        })
    }

    /// How much waits, counted in this asset where the item names none.
    fn waiting(&self, unit: Option<Asset>) -> Waiting {
        let amount = self.amount.as_deref().and_then(|text| minor(text, self.asset.or(unit)));
        amount.map_or(Waiting::Unknown, Waiting::Amount)
    }

    fn says(&self, sighting: &Sighting) -> bool {
        let (reason, code, detail) = &self.words;
        *reason == sighting.reason.to_string() && *code == sighting.code && *detail == sighting.detail
    }
}

impl Resolved {
    async fn read(connection: &mut SqliteConnection, key: Key<'_>) -> StoreResult<Option<Self>> {
        let row = sqlx::query(RESOLVED)
            .bind(key.provider.as_str())
            .bind(key.reference)
            .bind(key.topic)
            .fetch_optional(connection)
            .await
            .doing("read what was resolved")?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self {
            asset: asset(&row)?,
            due: text(&row, "due")?,
            assigned: text(&row, "assigned")?,
            dismissed: text(&row, "dismissed")?,
            unknown: int(&row, "unknown")? != 0,
        }))
    }

    async fn write(&self, connection: &mut SqliteConnection, key: Key<'_>) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO review_matters (provider, reference, topic, unit, scale, due, assigned, dismissed, unknown) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (provider, reference, topic) DO UPDATE SET unit = ?4, scale = ?5, due = ?6, assigned = ?7, \
                 dismissed = ?8, unknown = ?9",
        )
        .bind(key.provider.as_str())
        .bind(key.reference)
        .bind(key.topic)
        .bind(self.asset.map(|asset| asset.code().as_str().to_owned()))
        .bind(self.asset.map(|asset| i64::from(asset.scale())))
        .bind(&self.due)
        .bind(&self.assigned)
        .bind(&self.dismissed)
        .bind(self.unknown)
        .execute(connection)
        .await
        .doing("note what was resolved")
        .map(|_| ())
    }

    /// Counted in this asset where it names none.
    fn by_hand(&self, unit: Option<Asset>) -> ByHand {
        let unit = self.asset.or(unit);
        match (minor(&self.assigned, unit), minor(&self.dismissed, unit)) {
            (Some(assigned), Some(dismissed)) => ByHand { assigned, dismissed, unknown: self.unknown },
            _ => ByHand { unknown: true, ..ByHand::default() },
        }
    }
}

impl Matter {
    pub(super) async fn read(connection: &mut SqliteConnection, key: Key<'_>) -> StoreResult<Self> {
        let item = sqlx::query(ITEM)
            .bind(key.provider.as_str())
            .bind(key.reference)
            .bind(key.topic)
            .fetch_optional(&mut *connection)
            .await
            .doing("read what waits")?;
        let item = item.as_ref().map(Item::of).transpose()?;
        Ok(Self { item, resolved: Resolved::read(connection, key).await? })
    }

    /// Whether money of it was resolved without anybody knowing how much that was.
    pub(super) fn is_unknown(&self) -> bool {
        self.resolved.as_ref().is_some_and(|resolved| resolved.unknown)
    }

    /// What the sighting makes of it.
    pub(super) async fn sighted(
        &self,
        connection: &mut SqliteConnection,
        key: Key<'_>,
        sighting: &Sighting,
    ) -> StoreResult<Sighted> {
        let unit = match sighting.due {
            SightedDue::Amount(amount) => Some(amount.asset()),
            SightedDue::Unknown | SightedDue::News | SightedDue::NotShown => self.unit(),
        };
        let due = match sighting.due {
            // In another asset than what was noted before: nothing can be taken off it.
            SightedDue::Amount(amount) if self.unit().is_some_and(|known| known != amount.asset()) => {
                if amount.is_zero() {
                    Due::NotShown
                } else {
                    Due::Unknown
                }
            }
            SightedDue::Amount(amount) => Due::Amount(amount.minor()),
            SightedDue::News if self.was_resolved_after(connection, key, sighting).await? => Due::Unknown,
            SightedDue::News => Due::News,
            SightedDue::Unknown => Due::Unknown,
            SightedDue::NotShown => Due::NotShown,
        };
        let mut by_hand = self.resolved.as_ref().map_or(ByHand::default(), |resolved| resolved.by_hand(unit));
        let own = by_hand.assigned;
        by_hand.assigned = own.saturating_add(assigned_as(connection, key, sighting, unit).await?);
        let waiting = self.item.as_ref().map_or(Waiting::Nothing, |item| item.waiting(unit));
        let (after, waits) = review::sight(by_hand, waiting, due);
        let text = |minor: u128| unit.map(|asset| Amount::new(minor, asset).to_string());
        let change = match (&self.item, waits) {
            (None, Waiting::Nothing) => Change::Nothing,
            (Some(_), Waiting::Nothing) => Change::Close,
            (None, Waiting::Unknown) => Change::Wait { amount: None, seen: None, asset: None },
            (item, Waiting::Amount(open)) if matches!(due, Due::Amount(_)) => {
                let (amount, seen) =
                    (text(open), if let Due::Amount(seen) = due { text(seen) } else { None });
                match item {
                    Some(item) if item.amount == amount && item.seen == seen && item.says(sighting) => {
                        Change::Nothing
                    }
                    _ => Change::Wait { amount, seen, asset: unit },
                }
            }
            // Its amount stays as it is; what is said of it may be news.
            (Some(item), Waiting::Amount(_) | Waiting::Unknown) => {
                if due == Due::NotShown || item.says(sighting) {
                    Change::Nothing
                } else {
                    let Item { amount, seen, asset, .. } = item;
                    Change::Wait { amount: amount.clone(), seen: seen.clone(), asset: *asset }
                }
            }
            (None, Waiting::Amount(_)) => Change::Nothing,
        };
        let resolved = match (&self.resolved, due) {
            (Some(before), Due::Amount(_) | Due::NotShown) => {
                let due = if let Due::Amount(due) = due { due } else { 0 };
                let now = Resolved {
                    asset: before.asset,
                    due: text(due).unwrap_or_else(|| before.due.clone()),
                    assigned: before.assigned.clone(),
                    dismissed: if after.dismissed == by_hand.dismissed {
                        before.dismissed.clone()
                    } else {
                        text(after.dismissed).unwrap_or_else(|| before.dismissed.clone())
                    },
                    unknown: before.unknown,
                };
                (now != *before).then_some(now)
            }
            _ => None,
        };
        Ok(Sighted { change, resolved })
    }

    /// Notes what a sighting has changed of what was resolved.
    pub(super) async fn note(
        connection: &mut SqliteConnection,
        key: Key<'_>,
        sighted: &Sighted,
    ) -> StoreResult<()> {
        match &sighted.resolved {
            Some(resolved) => resolved.write(connection, key).await,
            None => Ok(()),
        }
    }

    /// Notes that an operator has resolved what waits.
    pub(super) async fn resolve(
        &self,
        connection: &mut SqliteConnection,
        key: Key<'_>,
        kind: ResolutionKind,
    ) -> StoreResult<()> {
        let Some(item) = &self.item else { return Ok(()) };
        let unit = self.unit();
        let (before, waiting) = (
            self.resolved.as_ref().map_or(ByHand::default(), |known| known.by_hand(unit)),
            item.waiting(unit),
        );
        let after = match kind {
            ResolutionKind::Assigned => review::assign(before, waiting),
            ResolutionKind::Dismissed => review::dismiss(before, waiting),
            ResolutionKind::Settled => return Ok(()),
        };
        let zero = || "0".to_owned();
        let text = |minor: u128| unit.map_or_else(zero, |asset| Amount::new(minor, asset).to_string());
        let resolved = Resolved {
            asset: unit,
            due: item.seen.clone().unwrap_or_else(zero),
            assigned: text(after.assigned),
            dismissed: text(after.dismissed),
            unknown: after.unknown,
        };
        resolved.write(connection, key).await
    }

    /// The asset in which it was counted so far.
    fn unit(&self) -> Option<Asset> {
        let resolved = self.resolved.as_ref().and_then(|resolved| resolved.asset);
        resolved.or_else(|| self.item.as_ref().and_then(|item| item.asset))
    }

    async fn was_resolved_after(
        &self,
        connection: &mut SqliteConnection,
        key: Key<'_>,
        sighting: &Sighting,
    ) -> StoreResult<bool> {
        if self.resolved.is_none() {
            return Ok(false);
        }
        let last = sqlx::query(
            "SELECT max(resolved_at) AS last FROM reviews WHERE provider = ? AND reference = ? AND topic = ?",
        )
        .bind(key.provider.as_str())
        .bind(key.reference)
        .bind(key.topic)
        .fetch_one(connection)
        .await
        .doing("read when an item was resolved")?;
        Ok(time_opt(&last, "last")?.is_some_and(|last| sighting.at < last))
    }
}

/// Money that was credited by hand when only its provider told of it, and that is evidence by now (or the other way round), is the same money:
/// how much of it is not due there any more.
async fn assigned_as(
    connection: &mut SqliteConnection,
    key: Key<'_>,
    sighting: &Sighting,
    unit: Option<Asset>,
) -> StoreResult<u128> {
    let other = match sighting.reason.topic() {
        ReviewTopic::Uncredited => ReviewTopic::Reported,
        ReviewTopic::Reported => ReviewTopic::Uncredited,
        ReviewTopic::TakenBack
        | ReviewTopic::NotTakenBack
        | ReviewTopic::SecondDeposit
        | ReviewTopic::AssetChanged => return Ok(0),
    };
    let topic = other.to_string();
    let Some(there) = Resolved::read(connection, Key { topic: &topic, ..key }).await? else { return Ok(0) };
    if unit.is_none() || there.asset.is_some_and(|asset| Some(asset) != unit) {
        return Ok(0);
    }
    let still_due = minor(&there.due, unit).unwrap_or(u128::MAX);
    Ok(there.by_hand(unit).assigned.saturating_sub(still_due))
}
