use proptest::prelude::*;

use super::codec::Signer;
use super::*;

fn genesis() -> Signer {
    Signer::new(&codec::id_of(GENESIS_KEY).unwrap())
}

fn sent(ledger: &mut Ledger, from: &Signer, to: &Id, amount: u128) -> Id {
    let balance = ledger.balance(&from.key()) - amount;
    let given = build(ledger, from, balance, *to);
    ledger.process(given, 1).unwrap()
}

fn received(ledger: &mut Ledger, by: &Signer, send: Id) -> Result<Id, &'static str> {
    let amount = ledger.block(&send).map_or(0, |block| block.amount);
    let given = build(ledger, by, ledger.balance(&by.key()) + amount, send);
    ledger.process(given, 1)
}

#[test]
fn genesis_is_the_published_account() {
    let text = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
    assert_eq!(codec::address(&genesis().key()), text);
    assert_eq!(Ledger::new(0).supply(), u128::MAX);
}

#[test]
fn what_a_node_refuses() {
    let mut ledger = Ledger::new(0);
    let (payer, user) = (genesis(), Signer::new(&[1; 32]));
    let send = sent(&mut ledger, &payer, &user.key(), 5);
    let good = build(&ledger, &user, 5, send);
    let re = |change: &dyn Fn(&mut Given), signer: &Signer| {
        let mut given = good;
        change(&mut given);
        given.signature = signer.sign(&given.hash());
        given
    };
    let mut refused = |given: Given| ledger.process(given, 1).unwrap_err();
    assert_eq!(refused(Given { signature: [7; 64], ..good }), "Bad signature");
    assert_eq!(refused(re(&|_| (), &payer)), "Bad signature");
    let bad_work = (0..).find(|n| codec::work_value(*n, &good.account) < ENTRY_THRESHOLD).unwrap();
    assert_eq!(refused(Given { work: bad_work, ..good }), "Block work is less than threshold");
    let low = |n: &u64| (ENTRY_THRESHOLD..LEDGER_THRESHOLD).contains(&codec::work_value(*n, &good.account));
    assert_eq!(refused(Given { work: (0..).find(low).unwrap(), ..good }), "Block work is insufficient");
    assert_eq!(refused(re(&|g| g.balance = 6, &user)), "Balance and amount delta do not match");
    assert_eq!(refused(re(&|g| g.balance = 4, &user)), "Balance and amount delta do not match");
    assert_eq!(refused(re(&|g| g.link = [9; 32], &user)), "Gap source block");
    let elsewhere = |g: &mut Given| {
        g.previous = [9; 32];
        g.work = codec::find_work(&[9; 32], LEDGER_THRESHOLD);
    };
    assert_eq!(refused(re(&elsewhere, &user)), "Gap previous block");

    ledger.process(good, 1).unwrap();
    assert_eq!(ledger.process(good, 1), Err("Old block"));
    assert_eq!(received(&mut ledger, &user, send), Err("Unreceivable"));
    let other = Given { representative: [3; 32], ..good };
    let other = Given { signature: user.sign(&other.hash()), ..other };
    assert_eq!(ledger.process(other, 1), Err("Fork"));
    assert_eq!(ledger.check_subtype(&good, "send"), Err("Invalid block balance for given subtype"));
    // A repeat of an accepted send.
    let repeat = ledger.block(&send).unwrap().given;
    assert_eq!(ledger.check_subtype(&repeat, "send"), Err("Invalid block balance for given subtype"));
}

#[test]
fn a_receive_is_confirmed_with_what_it_stands_on() {
    let mut ledger = Ledger::new(0);
    let user = Signer::new(&[1; 32]);
    let send = sent(&mut ledger, &genesis(), &user.key(), 5);
    let open = received(&mut ledger, &user, send).unwrap();
    assert!(!ledger.stands(&open) && ledger.stands(&send));
    assert_eq!(ledger.confirm(&open), [send, open]);
    assert_eq!(ledger.confirm(&open), Vec::<Id>::new());
    ledger.roll_back(&send);
    assert!(ledger.block(&send).is_some(), "what is cemented stays");
}

#[test]
fn a_fork_takes_back_what_was_built_on_it() {
    let mut ledger = Ledger::new(0);
    let user = Signer::new(&[1; 32]);
    let send = sent(&mut ledger, &genesis(), &user.key(), 5);
    let open = received(&mut ledger, &user, send).unwrap();
    ledger.roll_back(&send);
    assert!(ledger.block(&send).is_none() && ledger.block(&open).is_none());
    assert_eq!((ledger.balance(&user.key()), ledger.supply()), (0, u128::MAX));
    sent(&mut ledger, &genesis(), &user.key(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_supply_stays_whole(steps in prop::collection::vec((0_u8..4, 1_u128..1_000_000_000_000), 1..14)) {
        let mut ledger = Ledger::new(0);
        let users: Vec<_> = (1..4).map(|n| Signer::new(&[n; 32])).collect();
        let mut sends = Vec::new();
        for (step, amount) in steps {
            let user = &users[usize::try_from(amount % 3).unwrap()];
            match step {
                0 => sends.push(sent(&mut ledger, &genesis(), &user.key(), amount)),
                1 => if let Some(send) = ledger.waiting(&user.key()).first().map(|b| b.hash) {
                    received(&mut ledger, user, send).unwrap();
                },
                2 => if let Some(send) = sends.pop() { ledger.roll_back(&send) },
                _ => if let Some(send) = sends.last() { ledger.confirm(send); },
            }
            prop_assert_eq!(ledger.supply(), u128::MAX);
        }
    }
}
