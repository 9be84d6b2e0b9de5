use super::Fixture;
use super::fixtures::{account, assert_balanced, commit, credit, id, open, paid, posting, posting_in, row};
use crate::{Commit, Committed, EntryKind};
use deposit_core::{Amount, Asset, Signed, Status};

fn usd(text: &str) -> Signed {
    Signed::parse(text, Asset::USD).unwrap()
}

pub async fn the_whole_range_of_amounts_is_exact(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let amounts = [
        1,
        9,
        10,
        9_007_199_254_740_993,
        u128::from(u64::MAX),
        u128::from(u64::MAX) + 1,
        u128::MAX - 1,
        u128::MAX,
    ];
    for (n, minor) in (1..).zip(amounts) {
        let owner = account(&*store, &format!("a{n}")).await.id;
        let deposit = open(&*store, n, owner, 100).await;
        let amount = Signed::credit(Amount::new(minor, Asset::XNO));
        let reference = format!("send-{n}");
        let command = Commit {
            evidence: paid(&reference, minor),
            postings: vec![posting_in(&reference, 1, amount)],
            ..commit(&deposit, 110)
        };
        assert!(matches!(store.commit(command.clone()).await.unwrap(), Committed::Yes { .. }));
        assert_eq!(store.balances(owner).await.unwrap(), [amount]);
        assert_eq!(store.deposit_entries(&id(n)).await.unwrap()[0].amount, amount);
        assert_eq!(row(&*store, n).await.evidence, command.evidence);
    }
    let check = store.check_ledger().await.unwrap();
    assert!(check.balanced, "{:?}", check.faults);
    // Together more than 128 bits hold.
    assert_eq!(check.totals, [(Asset::XNO, "680564733.841876926963651710210210267153".to_owned())]);
    assert_eq!(check.credits, 8);
}

pub async fn reversals_may_leave_a_debt(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let deposit = open(&*store, 1, ana, 100).await;
    store.commit(credit(&deposit, "tx", "20", 110)).await.unwrap();
    // Two currencies in one account, each with its own balance.
    let second = open(&*store, 2, ana, 100).await;
    let nano = Signed::parse("1.5", Asset::XNO).unwrap();
    let command = Commit {
        evidence: paid("send", 1),
        postings: vec![posting_in("send", 1, nano)],
        ..commit(&second, 111)
    };
    store.commit(command).await.unwrap();
    assert_eq!(store.balances(ana).await.unwrap(), [usd("20"), nano]);

    let reversal = Commit { postings: vec![posting("tx", 2, "-20")], ..commit(&row(&*store, 1).await, 120) };
    store.commit(reversal).await.unwrap();
    assert_eq!(store.balances(ana).await.unwrap(), [usd("0"), nano]);
    assert_eq!(store.deposit_entries(&id(1)).await.unwrap()[1].kind, EntryKind::Reversal);
    assert_balanced(&*store).await;
    let check = store.check_ledger().await.unwrap();
    assert_eq!(check.totals, [(Asset::USD, "0".to_owned()), (Asset::XNO, "1.5".to_owned())]);
    assert_eq!(check.credits, 2);

    // More taken back than was ever credited is stored as it was asked, and the check tells.
    let too_much =
        Commit { postings: vec![posting("tx", 3, "-0.00000001")], ..commit(&row(&*store, 1).await, 130) };
    store.commit(too_much).await.unwrap();
    assert_eq!(store.balances(ana).await.unwrap()[0], usd("-0.00000001"));
    let check = store.check_ledger().await.unwrap();
    assert!(!check.balanced);
    assert_eq!(check.faults, ["payment tx of btcpay is posted as -0.00000001 USD"]);
}

pub async fn a_balance_never_wraps(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let most = Signed::credit(Amount::new(u128::MAX, Asset::XNO));
    for n in [1, 2] {
        let deposit = open(&*store, n, ana, 100).await;
        let reference = format!("send-{n}");
        let command = Commit {
            evidence: paid(&reference, 1),
            postings: vec![posting_in(&reference, 1, most)],
            ..commit(&deposit, 110)
        };
        assert_eq!(store.commit(command).await.is_ok(), n == 1);
    }
    assert_eq!(store.balances(ana).await.unwrap(), [most]);
    assert_eq!(row(&*store, 2).await.version, 1);
    assert_balanced(&*store).await;
}

pub async fn entries_rise_by_account_and_deposit(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let ben = account(&*store, "ben").await.id;
    for n in 1..=6 {
        let owner = if n % 2 == 0 { ben } else { ana };
        let deposit = open(&*store, n, owner, 100).await;
        store.commit(credit(&deposit, &format!("tx-{n}"), &n.to_string(), 110)).await.unwrap();
    }
    let amounts = |rows: &[crate::LedgerEntry]| rows.iter().map(|e| e.amount.to_string()).collect::<Vec<_>>();
    let all = store.ledger_entries(ana, 0, 99).await.unwrap();
    assert_eq!(amounts(&all), ["1", "3", "5"]);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(amounts(&store.ledger_entries(ana, all[0].id, 1).await.unwrap()), ["3"]);
    assert!(store.ledger_entries(ana, all[2].id, 99).await.unwrap().is_empty());
    assert_eq!(amounts(&store.ledger_entries(ben, 0, 99).await.unwrap()), ["2", "4", "6"]);
    assert_eq!(amounts(&store.deposit_entries(&id(4)).await.unwrap()), ["4"]);
    assert!(store.deposit_entries(&id(99)).await.unwrap().is_empty());
    assert_eq!(store.balances(ana).await.unwrap(), [usd("9")]);
}

pub async fn a_wrong_history_is_reported(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    for status in [Status::Processing, Status::Processing, Status::Completed] {
        let step = Commit { status, view: Some("{}".to_owned()), ..commit(&row(&*store, 1).await, 110) };
        store.commit(step).await.unwrap();
    }
    assert_balanced(&*store).await;
    let back = Commit {
        status: Status::Pending,
        view: Some("{}".to_owned()),
        ..commit(&row(&*store, 1).await, 120)
    };
    store.commit(back).await.unwrap();
    let check = store.check_ledger().await.unwrap();
    assert!(!check.balanced);
    assert!(check.faults.len() == 1 && check.faults[0].contains(id(1).as_str()), "{:?}", check.faults);
}
