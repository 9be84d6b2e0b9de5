use deposit_core::{AccountIndex, PaymentProvider, Secret, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::config::Config;

const HASH: &str = "FF0144381CFF0B2C079A115E7ADA7E96F43FD219446E7524C48D1CC9900C4F17";
const SEED: &str = "A98A541406E5DF55EB3F57396255AB133A417C3252679CC9C1AEF51382089AF9";
const ADDRESS: &str = "nano_3eizh9rjaaphzj4wd7mbmuawfmdz17e7pao9nbstwg4ohfhfcoxq98o6xdw7";

fn nano(token: &str) -> Nano {
    let representative = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
    let mut config = Config::new("http://127.0.0.1:1", SEED, representative);
    config.callback_token = Secret::new(token);
    let nano = Nano::new(config).unwrap();
    nano.watch(&[AccountIndex(1)]);
    nano
}

fn take(nano: &Nano, token: &str, body: &str) -> Result<Delivery, WebhookError> {
    let query = [("token".to_owned(), token.to_owned())];
    nano.webhook(&RawDelivery {
        headers: &[],
        query: &query,
        body: body.as_bytes(),
        received_at: Timestamp::EPOCH,
    })
}

fn link() -> String {
    hex::encode(ADDRESS.parse::<crate::address::Address>().unwrap().0)
}

#[test]
fn both_dialects_say_who_was_paid() {
    let nano = nano("token-1");
    let block = format!(r#"{{\"type\":\"state\",\"link\":\"{}\"}}"#, link());
    let cpp = format!(r#"{{"account":"x","hash":"{HASH}","amount":"1","block":"{block}","is_send":"true"}}"#);
    let also = cpp.replace(r#""is_send":"true""#, r#""subtype":"send""#);
    let object = format!(r#"{{"type":"state","link":"{}"}}"#, link());
    let rs = format!(r#"{{"hash":"{}","block":{object},"sub_type":"send"}}"#, HASH.to_lowercase());
    for body in [&cpp, &also, &rs] {
        let delivery = take(&nano, "token-1", body).unwrap();
        assert_eq!(delivery.id.as_str(), HASH, "{body}");
        let [observation] = delivery.observations.as_slice() else { panic!("{body}: {delivery:?}") };
        assert_eq!(observation.target, Target::Address(ADDRESS.to_owned()));
        assert_eq!(observation.observed, Observed::PaymentHint);
    }
}

#[test]
fn what_is_not_sent_to_us_is_nothing() {
    let nano = nano("token-1");
    let send = |link: &str, subtype: &str| {
        format!(r#"{{"hash":"{HASH}","block":{{"link":"{link}"}},"subtype":"{subtype}"}}"#)
    };
    for body in [
        send(&"11".repeat(32), "send"),
        // A hash that looks like our address is still a hash.
        send(&link(), "receive"),
        send(&link(), "open"),
        send(&link(), "change"),
        send(&link(), "epoch"),
        format!(r#"{{"hash":"{HASH}"}}"#),
    ] {
        let delivery = take(&nano, "token-1", &body).unwrap();
        assert!(delivery.observations.is_empty() && delivery.concerns.is_empty(), "{body}: {delivery:?}");
    }
    let odd = take(&nano, "token-1", &send(&link(), "fold")).unwrap();
    assert_eq!((odd.observations.len(), odd.concerns[0].code.as_str()), (0, "unknown_event"));
}

#[test]
fn the_token_comes_first() {
    let body = format!(r#"{{"hash":"{HASH}"}}"#);
    for token in ["", "token-2", "token-1 ", "token-"] {
        assert_eq!(take(&nano("token-1"), token, &body), Err(WebhookError::Unauthenticated), "{token:?}");
        assert_eq!(take(&nano("token-1"), token, "nonsense"), Err(WebhookError::Unauthenticated));
        assert_eq!(take(&nano(""), token, &body), Err(WebhookError::Unauthenticated));
    }
    assert!(!nano("").capabilities().webhooks && nano("t").capabilities().webhooks);
    for bad in ["", "null", "[]", "7", "{}", r#"{"hash":"x"}"#, r#"{"hash":7}"#, &"[".repeat(100_000)] {
        assert_eq!(take(&nano("token-1"), "token-1", bad), Err(WebhookError::Malformed("not a callback")));
    }
}

#[tokio::test]
async fn a_callback_wakes_the_scan() {
    let nano = nano("token-1");
    let body = format!(r#"{{"hash":"{HASH}","block":{{"link":"{}"}},"subtype":"send"}}"#, link());
    take(&nano, "token-1", &body).unwrap();
    nano.changed().await;
}

proptest! {
    #[test]
    fn no_body_panics(body in ".{0,200}") {
        _ = take(&nano("token-1"), "token-1", &body);
    }
}
