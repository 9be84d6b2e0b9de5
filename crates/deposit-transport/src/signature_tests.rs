use super::*;
use proptest::prelude::*;

const S1: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9B";
const S2: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9C";
const A: &[u8] = br#"{"id":"evt_test_0001","object":"event"}"#;
const B: &[u8] = br#"{"id":"evt_1QDepositAAA0001","object":"event","api_version":"2026-06-24.dahlia","created":1790000100,"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"checkout.session.completed","data":{"object":{"id":"cs_test_a1DepositAAA0001","object":"checkout.session","amount_total":2500,"currency":"usd","client_reference_id":"dep_0001","payment_intent":"pi_3QDepositAAA0001","payment_status":"paid","status":"complete","livemode":false}}}"#;
const C: &[u8] =
    "{\n  \"id\": \"evt_test_0002\",\n  \"object\": \"event\",\n  \"note\": \"Zahlung über 25 €\"\n}"
        .as_bytes();
const A_S1: &str = "9d0ad21825aac46c0ca4bc99bb6c742cbcb4015b0db593bd12756d5e1fc4614b";
const A_S2: &str = "50afc063b9111caec56d106122723dad7692ffd87f5511d5c28b588e802940f6";
const TOLERANCE: Duration = Duration::from_secs(300);

fn stamped(body: &[u8], header: &str, secret: &str, clock: i64) -> Result<(), SignatureError> {
    timestamped(&[Secret::new(secret)], body, header, Timestamp::from_secs(clock), TOLERANCE).map(|_| ())
}

/// The vector of the BTCPay dossier.
#[test]
fn btcpay_s_vector() {
    let body = br#"{"type":"InvoiceSettled","invoiceId":"Vx7KdQm2Rj8nTzW4cYhB6p"}"#;
    assert_eq!(body.len(), 62);
    let hex = "b3aadf8c49d23cf963c808920c756fc4a0ad721a64a0e4148fc7dd8b2a543e6b";
    let secret = Secret::new("whsec-sample-1");
    assert_eq!(hmac_sha256_hex(&secret, body, hex).unwrap().as_bytes(), body);
    for i in 0..body.len() {
        let mut altered = body.to_vec();
        altered[i] ^= 1;
        assert_eq!(hmac_sha256_hex(&secret, &altered, hex).unwrap_err(), SignatureError::Mismatch);
    }
    for bad in ["", "00", hex.strip_prefix('b').unwrap(), &format!("{hex}00"), &format!("sha256={hex}"), "é"]
    {
        assert_eq!(hmac_sha256_hex(&secret, body, bad).unwrap_err(), SignatureError::Malformed, "{bad}");
    }
}

/// The vectors of the Stripe dossier, section 4.
#[test]
fn stripe_s_vectors() {
    for (body, t, secret, hex) in [
        (A, 1_790_000_000, S1, A_S1),
        (A, 1_790_000_000, S2, A_S2),
        (A, 1_790_000_001, S1, "5c39a49e5109f5389e7d04f95de05c10b445cacdd79d8aa976b943acd8c9b59a"),
        (B, 1_790_000_123, S1, "89e35f815e1d1bbe0975391943bcb69d9364d493263507364b1a85d7247f4231"),
        (B, 1_790_000_123, S2, "ffaf8c8578c3796ae83dafcc902956bf02c2466190420a16d5d861c81abc9211"),
        (C, 1_790_000_200, S1, "8b60bf2771ad06970a1a248b2e63fa5e949b2861c415e4e51cbb2b1ddf1418df"),
        (C, 1_790_000_200, S2, "408620a588cac1dd5f08661f6cad0c37f0d5fa506b83472a88e6616aeaf3e5c7"),
        (b"", 1_790_000_300, S1, "e0df91aae0b58588f3791fe1024fbb16b2bc1287d0706e4cf985fdf735b577b9"),
    ] {
        assert_eq!(stamped(body, &format!("t={t},v1={hex}"), secret, t), Ok(()), "{t} {hex}");
    }
}

#[test]
fn stripe_s_wrong_answers_are_refused() {
    for wrong in [
        "3cb062bf3e61a8dd67a9b6390af72268d5bd4f26ada948cfa71e5dedecbd993d",
        "8329cfd88cf7f4fa9c7e4176c8d403137e8c105ea5d4263a574676bc27ea86ae",
        "ae1f4f1c73a7f5ff5b95c6016a7b6f30ef2a34a40660eb9909230253b7a7dbf4",
        "536928f4abe1b682d9b896b9aeb7937ffa5afd558c9927a2cb075ac1b36864be",
    ] {
        let header = format!("t=1790000000,v1={wrong}");
        assert_eq!(stamped(A, &header, S1, 1_790_000_010), Err(SignatureError::Mismatch));
    }
}

#[test]
fn stripe_s_header_cases() {
    use SignatureError::{Malformed, Mismatch, Stale};
    for (header, clock, expected) in [
        (format!("t=1790000000,v1={A_S1}"), 1_790_000_010, Ok(())),
        (format!("t=1790000000,v1={A_S2},v1={A_S1},v0=00"), 1_790_000_010, Ok(())),
        (format!("v1={A_S1},t=1790000000"), 1_790_000_010, Ok(())),
        (format!("t=1790000000,v1={A_S2}"), 1_790_000_010, Err(Mismatch)),
        (format!("t=1790000000,v0={A_S1}"), 1_790_000_010, Err(Malformed)),
        (format!("t=1790000001,v1={A_S1}"), 1_790_000_010, Err(Mismatch)),
        (format!("t=1790000000,v1={A_S1}"), 1_790_000_300, Ok(())),
        (format!("t=1790000000,v1={A_S1}"), 1_790_000_301, Err(Stale)),
        (format!("t=1790000000,v1={A_S1}"), 1_789_999_700, Ok(())),
        (format!("t=1790000000,v1={A_S1}"), 1_789_999_699, Err(Stale)),
        (format!("v1={A_S1}"), 1_790_000_010, Err(Malformed)),
        (String::new(), 1_790_000_010, Err(Malformed)),
        (format!("t=+1790000000,v1={A_S1}"), 1_790_000_010, Err(Malformed)),
        (format!("t=01790000000,v1={A_S1}"), 1_790_000_010, Err(Malformed)),
        (format!("t=1790000000,t=1790000000,v1={A_S1}"), 1_790_000_010, Err(Malformed)),
        (format!("t=99999999999999999999,v1={A_S1}"), 1_790_000_010, Err(Malformed)),
    ] {
        assert_eq!(stamped(A, &header, S1, clock), expected, "{header} at {clock}");
    }
}

#[test]
fn either_secret_may_match_while_one_is_changed() {
    let secrets = [Secret::new(S2), Secret::new(S1)];
    let header = format!("t=1790000000,v1={A_S1}");
    let now = Timestamp::from_secs(1_790_000_000);
    assert!(timestamped(&secrets, A, &header, now, TOLERANCE).is_ok());
}

#[test]
fn an_empty_secret_fails_closed() {
    // The HMAC of A under the empty key is a perfectly good number; it must still not open anything.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"").unwrap();
    mac.update(A);
    let hex = hex::encode(mac.finalize().into_bytes());
    assert_eq!(hmac_sha256_hex(&Secret::default(), A, &hex).unwrap_err(), SignatureError::NoSecret);
    assert_eq!(token(&Secret::default(), Some(""), A).unwrap_err(), SignatureError::NoSecret);
    assert_eq!(
        stamped(A, &format!("t=1790000000,v1={A_S1}"), "", 1_790_000_000),
        Err(SignatureError::NoSecret)
    );
    let none = timestamped(&[], A, &format!("t=1790000000,v1={A_S1}"), Timestamp::EPOCH, TOLERANCE);
    assert_eq!(none.unwrap_err(), SignatureError::NoSecret);
}

#[test]
fn tokens() {
    let secret = Secret::new("t0k3n");
    assert!(token(&secret, Some("t0k3n"), A).is_ok());
    assert_eq!(token(&secret, Some("t0k3"), A).unwrap_err(), SignatureError::Mismatch);
    assert_eq!(token(&secret, None, A).unwrap_err(), SignatureError::Malformed);
}

#[test]
fn no_body_is_printed() {
    let body = token(&Secret::new("x"), Some("x"), b"payer@example.com").unwrap();
    assert_eq!(format!("{body:?}"), "VerifiedBody { len: 17 }");
}

proptest! {
    #[test]
    fn no_header_panics_or_passes(header in ".{0,200}", clock: i64) {
        prop_assert!(stamped(A, &header, S1, clock).is_err());
        prop_assert!(hmac_sha256_hex(&Secret::new(S1), A, &header).is_err());
    }
}
