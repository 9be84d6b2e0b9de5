use std::time::Duration;

use deposit_core::Operation;

use super::*;

const SHOP: ProviderId = ProviderId::constant("shop");

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn error(kind: ErrorKind) -> ProviderError {
    ProviderError::new(SHOP, Operation::Read, kind)
}

fn fails(health: &Health, call: Call, kind: ErrorKind, subject: Option<&str>, secs: i64) {
    health.note_failure(SHOP, call, &error(kind), subject, at(secs));
}

fn shown(health: &Health) -> Vec<(Call, Trouble, i64, u64)> {
    let known = health.known();
    let line = |(&(_, call), f): (&(ProviderId, Call), &Failing)| {
        (call, f.trouble, f.since.millis_since(at(0)) / 1000, f.count)
    };
    known.failing.iter().map(line).collect()
}

#[test]
fn every_kind_of_error_of_every_kind_of_call_is_health_and_a_success_of_that_kind_ends_it() {
    use strum::IntoEnumIterator as _;
    let kinds = [
        (ErrorKind::Transient { retry_after: None }, Trouble::Transient),
        (ErrorKind::OutcomeUnknown, Trouble::OutcomeUnknown),
        (ErrorKind::Authentication, Trouble::Authentication),
        (ErrorKind::Configuration, Trouble::Configuration),
        (ErrorKind::Protocol, Trouble::Protocol),
    ];
    for call in Call::iter() {
        for (kind, trouble) in &kinds {
            let health = Health::default();
            fails(&health, call, kind.clone(), None, 10);
            fails(&health, call, kind.clone(), None, 20);
            assert_eq!(shown(&health), [(call, *trouble, 10, 2)]);
            let other = Call::iter().find(|other| *other != call).unwrap();
            health.note_success(SHOP, other);
            assert_eq!(shown(&health).len(), 1, "another kind of call says nothing about this one");
            health.note_success(SHOP, call);
            assert_eq!(shown(&health), []);
        }
        let health = Health::default();
        fails(&health, call, ErrorKind::Unsupported, None, 10);
        assert_eq!(shown(&health), [], "the adapter has no such call");
    }
}

#[test]
fn a_no_to_some_orders_is_about_them_and_a_no_to_every_order_is_about_the_provider() {
    for (kind, trouble) in
        [(ErrorKind::Rejected("full"), Trouble::Rejected), (ErrorKind::NotFound, Trouble::NotFound)]
    {
        let health = Health::default();
        for n in 0..1_000 {
            fails(&health, Call::Read, kind.clone(), Some("one order that is gone"), n);
        }
        assert_eq!(shown(&health), [], "one order, however often");
        health.note_success(SHOP, Call::Read);
        for n in 0..19 {
            fails(&health, Call::Read, kind.clone(), Some(&n.to_string()), 100 + n);
        }
        assert_eq!(shown(&health), []);
        fails(&health, Call::Read, kind.clone(), Some("19"), 119);
        assert_eq!(shown(&health), [(Call::Read, trouble, 100, 1)], "since the first of them");
        health.note_success(SHOP, Call::Read);
        fails(&health, Call::Read, kind, Some("20"), 120);
        assert_eq!(shown(&health), []);
    }
}

#[test]
fn who_answers_for_one_order_takes_our_credentials() {
    let health = Health::default();
    fails(&health, Call::Read, ErrorKind::Authentication, None, 10);
    fails(&health, Call::Read, ErrorKind::NotFound, Some("order"), 20);
    assert_eq!(shown(&health), []);
    assert!(!health.is_blind(SHOP, 1800, at(21)));
}

#[test]
fn refused_credentials_of_reads_hold_creates_back_and_never_for_ever() {
    for kind in [ErrorKind::Authentication, ErrorKind::Configuration] {
        for call in [Call::Read, Call::ReadBatch] {
            let health = Health::default();
            fails(&health, call, kind.clone(), None, 1_000);
            assert!(health.is_blind(SHOP, 1_800, at(1_001)));
            assert!(!health.is_blind(ProviderId::constant("other"), 1_800, at(1_001)));
            assert!(!health.is_blind(SHOP, 1_800, at(2_800)), "nothing is left that could be read");
            fails(&health, call, kind.clone(), None, 2_900);
            assert!(health.is_blind(SHOP, 1_800, at(2_901)));
            health.note_checked(SHOP, false, at(4_000));
            assert!(health.is_blind(SHOP, 1_800, at(4_701)), "a check found it refused still");
            health.note_checked(SHOP, true, at(4_702));
            assert!(!health.is_blind(SHOP, 1_800, at(4_703)), "a check found all well");
            assert_eq!(shown(&health).len(), 1, "and no read has worked yet");
            fails(&health, call, kind.clone(), None, 4_704);
            assert!(health.is_blind(SHOP, 1_800, at(4_705)), "the check was wrong");
            health.note_success(SHOP, call);
            assert!(!health.is_blind(SHOP, 1_800, at(4_706)));
        }
    }
    let health = Health::default();
    // A create tries by itself; a provider that is down may be up for the next one.
    fails(&health, Call::Open, ErrorKind::Configuration, None, 1_000);
    // Nor does a feed that we may not see.
    fails(&health, Call::Scan, ErrorKind::Authentication, None, 1_000);
    fails(&health, Call::Read, ErrorKind::Transient { retry_after: None }, None, 1_000);
    assert!(!health.is_blind(SHOP, 1_800, at(1_001)));
}

#[test]
fn a_provider_that_asks_for_quiet_gets_it() {
    let health = Health::default();
    let busy = || ErrorKind::Transient { retry_after: Some(Duration::from_secs(30)) };
    fails(&health, Call::ReadBatch, busy(), None, 1_000);
    assert!(health.is_quiet(SHOP, at(1_030)));
    assert!(!health.is_quiet(SHOP, at(1_031)));
    fails(&health, Call::Bounds, busy(), None, 2_000);
    assert!(!health.is_quiet(SHOP, at(2_001)), "what its limits ask for is no matter of reads");
}

#[test]
fn the_words_are_the_last_ones() {
    let health = Health::default();
    fails(&health, Call::Scan, ErrorKind::Transient { retry_after: None }, None, 10);
    fails(&health, Call::Scan, ErrorKind::Protocol, None, 20);
    let words = health.known().failing[&(SHOP, Call::Scan)].words.clone();
    assert_eq!(words, "shop: read: unexpected answer");
    assert_eq!(shown(&health), [(Call::Scan, Trouble::Protocol, 10, 2)]);
}

#[test]
fn what_nobody_asks_for_any_more_is_forgotten_and_what_is_asked_all_the_time_is_not() {
    use strum::IntoEnumIterator as _;
    for call in Call::iter() {
        let health = Health::default();
        let fade = |secs| {
            health.known().fade(at(secs));
            shown(&health).len()
        };
        fails(&health, call, ErrorKind::Protocol, None, 1_000);
        fails(&health, call, ErrorKind::Protocol, None, 2_000);
        match call.fades_after_secs() {
            Some(secs) => assert_eq!((fade(2_000 + secs - 1), fade(2_000 + secs)), (1, 0), "{call}"),
            None => assert_eq!(fade(2_000 + 365 * 86_400), 1, "{call}"),
        }
        fails(&health, call, ErrorKind::Protocol, None, 40_000_000);
        let since = if call.fades_after_secs().is_some() { 40_000_000 } else { 1_000 };
        assert_eq!(shown(&health)[0].2, since, "{call}: a new trouble begins anew");
    }
}
