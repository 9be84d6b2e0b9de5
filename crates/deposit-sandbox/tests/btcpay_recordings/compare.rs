//! Two answers, member by member.

use serde_json::Value;

/// Members that are different by nature: of these the type is compared, of texts the form as well.
const BY_NATURE: &[&str] = &[
    "id",
    "storeId",
    "checkoutLink",
    "monitoringExpiration",
    "expirationTime",
    "createdTime",
    "destination",
    "receivedDate",
    "keyPath",
    "keyIndex",
    "accountIndex",
    "addressIndex",
    "paymentMethodFeeRate",
    "recommendedFeeRate",
    "timestamp",
    "deliveryId",
    "originalDeliveryId",
    "webhookId",
    "invoiceId",
    "transactionHash",
    "blockHash",
    "blockHeight",
    "outpoint",
    "address",
    "link",
    "ref",
    "apiKey",
    "orderId",
    "chainHeight",
    "syncHeight",
];

/// What differs: where, and how.
pub fn differences(recorded: &Value, answered: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    compare("", "", recorded, answered, &mut found);
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn compare(place: &str, name: &str, recorded: &Value, answered: &Value, found: &mut Vec<(String, String)>) {
    let mut differ = |what: String| found.push((place.to_owned(), what));
    match (recorded, answered) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                let place = format!("{place}.{name}");
                match b.get(name) {
                    Some(other) => compare(&place, name, value, other, found),
                    None => found.push((place, format!("missing; recorded {value}"))),
                }
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                found.push((format!("{place}.{name}"), format!("not recorded; answered {value}")));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                differ(format!("recorded {} items, answered {}", a.len(), b.len()));
            }
            for (x, y) in a.iter().zip(b) {
                compare(&format!("{place}[]"), name, x, y, found);
            }
        }
        (a, b) if kind(a) != kind(b) => differ(format!("recorded {a}, answered {b}")),
        _ if BY_NATURE.contains(&name) => {}
        (Value::String(a), Value::String(b)) if name == "paymentLink" => {
            // Scheme and query; the address is another.
            let plain = |link: &str| {
                let (scheme, rest) = link.split_once(':').unwrap_or_default();
                (scheme.to_owned(), rest.split_once('?').map(|(_, query)| query.to_owned()))
            };
            if plain(a) != plain(b) {
                differ(format!("recorded {a}, answered {b}"));
            }
        }
        (a, b) if a != b => differ(format!("recorded {a}, answered {b}")),
        _ => {}
    }
}
