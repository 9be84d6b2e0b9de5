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

/// How a text is made that is different by nature: empty, its alphabet, and of what has a fixed length that too.
fn form(name: &str, text: &str) -> String {
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let part = |text: &str| match text {
        "" => "nothing",
        "http:" | "https:" => "scheme",
        text if hex(text) => "hash",
        text if text.bytes().all(|b| b.is_ascii_digit()) => "digits",
        text if plain(text) => "letters and digits",
        _ => "other",
    };
    // A key in a recording reads `REDACTED`, an order's id is the test's own, and a link's host is the server's.
    match name {
        "apiKey" | "orderId" => String::new(),
        "link" | "checkoutLink" => part(text.rsplit('/').next().unwrap_or_default()).to_owned(),
        "id" | "outpoint" | "keyPath" => {
            let pieces: Vec<_> = text.split(['-', '/', '#']).map(part).collect();
            let between: String = text.chars().filter(|c| "-/#".contains(*c)).collect();
            format!("{pieces:?} by {between}")
        }
        _ => part(text).to_owned(),
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
        (Value::String(a), Value::String(b))
            if BY_NATURE.contains(&name) && form(name, a) != form(name, b) =>
        {
            differ(format!("recorded {a}, answered {b}: another form"));
        }
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
