//! What happened in the account, by its list of events: it finds what no webhook told, and joins refunds and disputes, which
//! name a PaymentIntent only, to their session.

use std::collections::BTreeMap;

use deposit_core::{ErrorKind, Observation, ProviderError, ProviderRef, ScanCursor, ScanPage, Target};

use crate::api::{Event, is_ours};
use crate::client::Client;
use crate::webhook::{self, WANTED};

/// Where a scan stands. The list is newest first, so the first scan goes back to its end, and every later one forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing was seen yet.
    Start,
    /// Going back: the newest event that was there, and the oldest seen so far.
    Back { newest: String, oldest: String },
    /// All up to this event was seen.
    From(String),
}

impl Place {
    /// A text that is none of ours is a start: seeing an event twice does no harm.
    pub(crate) fn parse(cursor: Option<&ScanCursor>) -> Self {
        let text = cursor.map_or("", |cursor| cursor.0.as_str());
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["back", newest, oldest] => {
                Self::Back { newest: (*newest).to_owned(), oldest: (*oldest).to_owned() }
            }
            ["from", id] => Self::From((*id).to_owned()),
            _ => Self::Start,
        }
    }

    pub(crate) fn cursor(&self) -> ScanCursor {
        ScanCursor(match self {
            Self::Start => "start".to_owned(),
            Self::Back { newest, oldest } => format!("back:{newest}:{oldest}"),
            Self::From(id) => format!("from:{id}"),
        })
    }

    /// The parameter that asks for what comes next.
    fn parameter(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Start => None,
            Self::Back { oldest, .. } => Some(("starting_after", oldest)),
            Self::From(id) => Some(("ending_before", id)),
        }
    }

    /// After a page: its first event is its newest.
    fn next(self, first: Option<&str>, last: Option<&str>, more: bool) -> Self {
        let (first, last) = (first.map(str::to_owned), last.map(str::to_owned));
        match (self, first, last) {
            (Self::Start, Some(newest), Some(oldest)) if more => Self::Back { newest, oldest },
            (Self::Start, Some(newest), _) => Self::From(newest),
            (Self::Back { newest, .. }, _, Some(oldest)) if more => Self::Back { newest, oldest },
            (Self::Back { newest, .. }, _, _) => Self::From(newest),
            (Self::From(_), Some(newest), _) => Self::From(newest),
            (place @ (Self::Start | Self::From(_)), _, _) => place,
        }
    }
}

pub(crate) async fn scan(
    client: &Client,
    livemode: bool,
    cursor: Option<&ScanCursor>,
) -> Result<ScanPage, ProviderError> {
    let place = Place::parse(cursor);
    let list = match client.events(WANTED, place.parameter()).await {
        Ok(list) => list,
        // Events are kept for 30 days: one that is gone is no place any more, and all that are left are looked at again.
        Err(error) if *error.kind() == ErrorKind::NotFound && place != Place::Start => {
            return Ok(ScanPage {
                observations: vec![],
                taken: Vec::new(),
                next: Place::Start.cursor(),
                more: true,
            });
        }
        Err(error) => return Err(error),
    };
    let next = place.next(
        list.data.first().map(|event| event.id.as_str()),
        list.data.last().map(|event| event.id.as_str()),
        list.has_more,
    );
    // Oldest first, as things happened.
    let observations = observations(client, livemode, list.data.iter().rev()).await?;
    Ok(ScanPage { observations, taken: Vec::new(), next: next.cursor(), more: list.has_more })
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

    #[test]
    fn places_come_back_from_their_text() {
        for place in [
            Place::Start,
            Place::Back { newest: "evt_2".into(), oldest: "evt_1".into() },
            Place::From("evt_2".into()),
        ] {
            assert_eq!(Place::parse(Some(&place.cursor())), place);
        }
        for text in ["", "evt_1", "back:evt_1", "from:a:b:c"] {
            assert_eq!(Place::parse(Some(&ScanCursor(text.into()))), Place::Start, "{text}");
        }
        assert_eq!(Place::parse(None), Place::Start);
    }

    #[test]
    fn the_first_scan_goes_back_and_then_forward() {
        let place = Place::Start.next(Some("9"), Some("7"), true);
        assert_eq!(place, Place::Back { newest: "9".into(), oldest: "7".into() });
        assert_eq!(place.parameter(), Some(("starting_after", "7")));
        let place = place.next(Some("6"), Some("4"), true);
        assert_eq!(place, Place::Back { newest: "9".into(), oldest: "4".into() });
        let place = place.next(Some("3"), Some("3"), false);
        assert_eq!(place, Place::From("9".into()));
        assert_eq!(place.parameter(), Some(("ending_before", "9")));
        assert_eq!(place.clone().next(None, None, false), place);
        assert_eq!(place.next(Some("12"), Some("10"), false), Place::From("12".into()));
        assert_eq!(Place::Start.next(None, None, false), Place::Start);
    }
}
