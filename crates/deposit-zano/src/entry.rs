//! Transactions of the wallet's history. A line that cannot be read is a matter for an operator, and no reason not to read the others.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A transaction as this wallet sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) tx_hash: String,
    /// 0: not in a block yet.
    pub(crate) height: u64,
    pub(crate) timestamp: u64,
    /// Its place from the end that was asked for: with the oldest first it stays until a reorganisation.
    pub(crate) transfer_internal_index: Option<u64>,
    #[serde(default)]
    pub(crate) unlock_time: u64,
    #[serde(default)]
    pub(crate) is_mining: bool,
    #[serde(default)]
    pub(crate) subtransfers_by_pid: Vec<Group>,
}

/// What a transaction moves under one payment id; an empty one is the base address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Group {
    #[serde(default)]
    pub(crate) payment_id: String,
    #[serde(default, deserialize_with = "lines")]
    pub(crate) subtransfers: Vec<Line>,
}

/// The net change of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    /// Smallest units. Passes 2^53.
    pub(crate) amount: u64,
    pub(crate) asset_id: String,
    pub(crate) is_income: bool,
    /// It could not be read: the figures are none.
    #[serde(skip)]
    pub(crate) odd: bool,
}

fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
    odd: impl Fn(&Value) -> T,
) -> Result<Vec<T>, D::Error> {
    let all = Vec::<Box<RawValue>>::deserialize(from)?;
    let one = |raw: Box<RawValue>| {
        serde_json::from_str(raw.get())
            .unwrap_or_else(|_| odd(&serde_json::from_str(raw.get()).unwrap_or_default()))
    };
    Ok(all.into_iter().map(one).collect())
}

/// Transactions; of an odd one what can be told of it.
pub(crate) fn entries<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Entry>, D::Error> {
    each(from, entry)
}

/// Lines of a transaction.
pub(crate) fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Line>, D::Error> {
    each(from, line)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn entry(value: &Value) -> Entry {
    let number = |name| value.get(name).and_then(Value::as_u64);
    let listed = value.get("subtransfers_by_pid").and_then(Value::as_array).into_iter().flatten();
    let mut groups: Vec<Group> = listed
        .map(|group| Group { payment_id: text(group, "payment_id"), subtransfers: vec![line(&Value::Null)] })
        .collect();
    if groups.is_empty() {
        groups.push(Group { payment_id: String::new(), subtransfers: vec![line(&Value::Null)] });
    }
    Entry {
        tx_hash: text(value, "tx_hash"),
        // Without one it is taken to be deep, so that it is shown.
        height: number("height").unwrap_or(1),
        timestamp: number("timestamp").unwrap_or(u64::MAX),
        transfer_internal_index: number("transfer_internal_index"),
        unlock_time: 0,
        is_mining: value.get("is_mining").and_then(Value::as_bool).unwrap_or(false),
        subtransfers_by_pid: groups,
    }
}

fn line(value: &Value) -> Line {
    // Without the word it may have come in.
    let is_income = value.get("is_income").and_then(Value::as_bool).unwrap_or(true);
    Line { amount: 0, asset_id: text(value, "asset_id"), is_income, odd: true }
}

#[cfg(test)]
mod tests {
    use crate::api::FeedPage;

    #[test]
    fn one_odd_line_spoils_no_page() {
        let page: FeedPage = serde_json::from_str(
            r#"{"transfers":[
                {"tx_hash":"aa","height":5,"timestamp":1,"subtransfers_by_pid":[{"payment_id":"01","subtransfers":[
                    {"amount":1.5,"asset_id":"a","is_income":true},{"amount":18446744073709551615,"asset_id":"b","is_income":true}]}]},
                {"tx_hash":"bb","height":"6","timestamp":1,"subtransfers_by_pid":[{"payment_id":"02"}]},
                7, null]}"#,
        )
        .unwrap();
        let told: Vec<_> = page.transfers.iter().map(|e| (e.tx_hash.as_str(), e.height)).collect();
        assert_eq!(told, [("aa", 5), ("bb", 1), ("", 1), ("", 1)]);
        let lines = |n: usize| {
            let groups = page.transfers[n].subtransfers_by_pid.iter();
            let lines =
                groups.flat_map(|g| g.subtransfers.iter().map(|l| (g.payment_id.as_str(), l.amount, l.odd)));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(lines(0), [("01", 0, true), ("01", u64::MAX, false)]);
        assert_eq!(lines(1), [("02", 0, true)]);
        assert_eq!(lines(3), [("", 0, true)]);
        assert!(serde_json::from_str::<FeedPage>(r#"{"transfers":{}}"#).is_err());
    }
}
