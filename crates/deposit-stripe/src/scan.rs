//! What happened in the account, by its list of events: it finds what no webhook told, and joins refunds and disputes, which
//! name a PaymentIntent only, to their session.
//!
//! The list is newest first and by whole seconds, and an event can enter it behind others that were seen before. So each round asks for all
//! since [`OVERLAP_SECS`] before the newest event that the last round saw, and remembers which of those it has shown.

use std::collections::BTreeMap;

use deposit_core::{ErrorKind, Observation, ProviderError, ProviderRef, ScanCursor, ScanPage, Target};
use serde::{Deserialize, Serialize};

use crate::api::{Event, List, is_ours};
use crate::client::Client;
use crate::webhook::{self, WANTED};

/// How late an event may enter the list and still be found: 15 minutes after a younger one was seen.
pub(crate) const OVERLAP_SECS: i64 = 900;
/// So many events are remembered as shown. Where more come in the overlap's time, the overlap is as long as these reach.
const MOST_SEEN: usize = 2_000;

/// Where a scan stands: in a round, which goes from the newest event back to `since`, or between two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Unix seconds; none: as far back as events are kept.
    since: Option<i64>,
    /// The last event of the page before; none: the round begins.
    after: Option<String>,
    /// Creation of the newest event that was seen, in this round or before.
    newest: Option<i64>,
    /// Events within the overlap that were shown, and when they were made.
    seen: BTreeMap<String, i64>,
}

impl Place {
    /// A text that is none of ours is a start: seeing an event twice does no harm.
    pub(crate) fn parse(cursor: Option<&ScanCursor>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default()
    }

    pub(crate) fn cursor(&self) -> ScanCursor {
        ScanCursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// After a page.
    fn next(mut self, page: &List<Event>) -> Self {
        self.newest = page.data.iter().filter_map(|event| event.created).chain(self.newest).max();
        let shown = page.data.iter().filter_map(|event| Some((event.id.clone(), event.created?)));
        self.seen.extend(shown);
        self.after = page.data.last().filter(|_| page.has_more).map(|last| last.id.clone());
        let Some(newest) = self.newest else { return self };
        let mut oldest = newest.saturating_sub(OVERLAP_SECS);
        if self.seen.len() > MOST_SEEN {
            let mut times: Vec<i64> = self.seen.values().copied().collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            // Those of the same second are all kept.
            oldest = times.get(MOST_SEEN).map_or(oldest, |at| oldest.max(*at));
        }
        self.seen.retain(|_, created| *created >= oldest);
        if self.after.is_none() {
            self.since = Some(oldest);
        }
        self
    }
}

pub(crate) async fn scan(
    client: &Client,
    livemode: bool,
    cursor: Option<&ScanCursor>,
) -> Result<ScanPage, ProviderError> {
    let place = Place::parse(cursor);
    let list = match client.events(WANTED, place.since, place.after.as_deref()).await {
        Ok(list) => list,
        // Events are kept for 30 days: one that is gone is no place any more, and the round begins again.
        Err(error) if *error.kind() == ErrorKind::NotFound && place.after.is_some() => {
            let next = Place { after: None, ..place }.cursor();
            return Ok(ScanPage {
                observations: vec![],
                taken: Vec::new(),
                next,
                more: true,
                ..ScanPage::default()
            });
        }
        Err(error) => return Err(error),
    };
    // Oldest first, as things happened.
    let news = list.data.iter().rev().filter(|event| !place.seen.contains_key(&event.id));
    let observations = observations(client, livemode, news).await?;
    let more = list.has_more && !list.data.is_empty();
    Ok(ScanPage {
        observations,
        taken: Vec::new(),
        next: place.next(&list).cursor(),
        more,
        ..ScanPage::default()
    })
}

async fn observations<'e>(
    client: &Client,
    livemode: bool,
    events: impl Iterator<Item = &'e Event>,
) -> Result<Vec<Observation>, ProviderError> {
    let mut sessions: BTreeMap<String, Option<(ProviderRef, bool)>> = BTreeMap::new();
    let mut all: Vec<Observation> = Vec::new();
    for event in events {
        let mut concerns = Vec::new();
        let seen = webhook::observe(event, livemode, &mut concerns);
        for concern in concerns {
            tracing::warn!(event = %event.id, code = %concern.code, detail = %concern.detail, "event");
        }
        // An event that does not say whom it is about tells nothing.
        let Ok(Some(mut observation)) = seen else { continue };
        if let (Target::Order(target), Some(intent)) = (&observation.target, event.data.object.intent())
            && target.as_str() == intent
        {
            if !sessions.contains_key(intent) {
                let session = client.session_of(intent).await?;
                let found = session.and_then(|session| {
                    let ours = is_ours(session.metadata.as_ref()).unwrap_or(false);
                    Some((ProviderRef::new(session.id).ok()?, ours))
                });
                sessions.insert(intent.to_owned(), found);
            }
            match sessions.get(intent) {
                Some(Some((session, ours))) => {
                    observation.target = Target::Order(session.clone());
                    observation.ours = Some(*ours);
                }
                // Not made by Checkout: another program's.
                Some(None) | None => observation.ours = Some(false),
            }
        }
        if !all.contains(&observation) {
            all.push(observation);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(events: &[(&str, i64)], has_more: bool) -> List<Event> {
        let event = |(id, created): &(&str, i64)| serde_json::json!({"id": id, "type": "refund.created", "created": created, "data": {"object": {}}});
        let data: Vec<_> = events.iter().map(event).collect();
        serde_json::from_value(serde_json::json!({"data": data, "has_more": has_more})).unwrap()
    }

    #[test]
    fn places_come_back_from_their_text() {
        let place = Place {
            since: Some(1),
            after: Some("evt_1".into()),
            newest: Some(2),
            seen: BTreeMap::from([("evt_2".into(), 2)]),
        };
        assert_eq!(Place::parse(Some(&place.cursor())), place);
        for text in ["", "start", "evt_1", "from:evt_1", "back:evt_2:evt_1"] {
            assert_eq!(Place::parse(Some(&ScanCursor(text.into()))), Place::default(), "{text}");
        }
        assert_eq!(Place::parse(None), Place::default());
    }

    #[test]
    fn a_round_goes_back_and_the_next_begins_before_its_newest() {
        let place = Place::default().next(&page(&[("9", 9_000), ("8", 8_500), ("7", 8_000)], true));
        assert_eq!((place.since, place.after.as_deref()), (None, Some("7")));
        let place = place.next(&page(&[("6", 7_000)], false));
        assert_eq!((place.since, place.after.clone(), place.newest), (Some(8_100), None, Some(9_000)));
        // What lies before the overlap will not be asked for again, and need not be remembered.
        assert_eq!(place.seen.keys().collect::<Vec<_>>(), ["8", "9"]);
        assert_eq!(place.clone().next(&page(&[("9", 9_000), ("8", 8_500)], false)), place);
        // One that came late.
        let place = place.next(&page(&[("9", 9_000), ("late", 8_600), ("8", 8_500)], false));
        assert_eq!((place.since, place.seen.len()), (Some(8_100), 3));
        assert_eq!(Place::default().next(&page(&[], false)), Place::default());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let names: Vec<String> = (0..3_000).map(|n| format!("{n}")).collect();
        let events: Vec<_> =
            names.iter().zip(0..3_000).map(|(name, n)| (name.as_str(), 9_000 - n / 10)).collect();
        let place = Place::default().next(&page(&events, false));
        assert_eq!((place.seen.len(), place.since), (2_010, Some(8_800)));
    }
}
