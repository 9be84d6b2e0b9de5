//! The dossier's script (section 7) and what else goes between adapter and wallet, against the emulator.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use deposit_core::{
    Amount, Asset, CreditRule, ErrorKind, IntentRecord, Observed, OpenRequest, PaymentProvider, Price, Quote,
    Snapshot, Target, Terms, Ticker, Timestamp,
};
use deposit_sandbox::zano::{CONFIRMATIONS, FALSE_FUSD_ID, FUSD_ID, Move, Spend, ZANO_ID};
use deposit_sandbox::{Faults, Sandbox, SandboxConfig};
use deposit_zano::{Config, Zano};

struct World {
    sandbox: Sandbox,
    zano: Zano,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let setting = |key| sandbox.setting("zano", key).unwrap();
        let mut config = Config::new(setting("wallet_url"), setting("jwt_secret"));
        config.daemon_url = setting("daemon_url");
        change(&mut config);
        let zano = Zano::new(config).unwrap();
        Self { sandbox, zano }
    }

    fn wallet(&self) -> &deposit_sandbox::zano::Zano {
        &self.sandbox.emulators().zano
    }

    fn request(&self, deposit: &str, ticker: Ticker) -> OpenRequest {
        let asset = if ticker == Ticker::FUSD { Asset::FUSD } else { Asset::ZANO };
        let amount = Amount::parse("1.5", asset).unwrap();
        let created_at = Timestamp::from_secs(self.sandbox.now());
        let expires_at = created_at.plus_secs(3_600);
        OpenRequest {
            deposit_id: format!("deposit-of-{deposit:0>8}").parse().unwrap(),
            terms: Terms::new(ticker, asset, CreditRule::at_rate_of(ticker), created_at).with_quote(Quote {
                amount,
                rate: Price::ONE,
                unit_price: Price::ONE,
                expires_at,
            }),
            amount,
            expires_at,
            attempt: 1,
        }
    }

    async fn open(&self, deposit: &str, ticker: Ticker) -> IntentRecord {
        IntentRecord::from(self.zano.open(&self.request(deposit, ticker)).await.unwrap().as_ref())
    }

    async fn read_many(&self, orders: &[IntentRecord]) -> Vec<Snapshot> {
        let read = self.zano.read_many(orders).await.unwrap();
        read.into_iter().map(|outcome| outcome.unwrap()).collect()
    }

    async fn read(&self, order: &IntentRecord) -> Snapshot {
        self.zano.read(order).await.unwrap()
    }

    /// A transaction in the pool.
    fn send(&self, spends: &[(&IntentRecord, &str, u64)]) -> String {
        let spend = |(order, asset, amount): &(&IntentRecord, &str, u64)| Spend {
            payment_id: order.provider_ref.to_string(),
            asset_id: (*asset).to_owned(),
            amount: *amount,
            income: true,
        };
        self.wallet().send(&spends.iter().map(spend).collect::<Vec<_>>(), 0)
    }

    fn confirm(&self, hash: &str) {
        assert!(self.wallet().shift(&[hash], Move::Mine));
        self.wallet().mine(CONFIRMATIONS);
    }

    fn fault(&self, faults: Faults) {
        assert!(self.sandbox.set_faults("zano", faults));
    }
}

/// Asset, in flight, confirmed.
fn figures(snapshot: &Snapshot) -> Vec<(String, u128, u128)> {
    snapshot.payments.iter().map(|p| (p.asset.to_string(), p.in_flight, p.confirmed)).collect()
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|c| c.code.as_str()).collect()
}

/// What `deposit sandbox` prints is what the adapter takes.
#[tokio::test]
async fn the_printed_section_builds_the_adapter() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let printed: toml::Table = sandbox.config_toml().parse().unwrap();
    let config: Config = printed["providers"]["zano"].clone().try_into().unwrap();
    assert_eq!((config.confirmations, config.fusd_asset_id.as_str()), (10, FUSD_ID));
    let provider = deposit_zano::build(config).unwrap();
    assert!(provider.scan(None).await.unwrap().observations.is_empty());
}

#[tokio::test]
async fn from_the_pool_to_ten_confirmations() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 1_000_000_000_000)]);
    let mut shown = Vec::new();
    shown.push(w.read(&order).await.payments[0].clone());
    w.wallet().shift(&[&hash], Move::Mine);
    for blocks in [0, 1, 8, 1] {
        w.wallet().mine(blocks);
        shown.push(w.read(&order).await.payments[0].clone());
    }
    let unit = 1_000_000_000_000;
    let steps: Vec<_> = shown.iter().map(|p| (p.in_flight, p.confirmed, p.confirmations)).collect();
    let wanted =
        [(unit, 0, None), (unit, 0, Some(0)), (unit, 0, Some(1)), (unit, 0, Some(9)), (0, unit, Some(10))];
    assert_eq!(steps, wanted);
    assert!(shown.iter().all(|p| p.id == shown[0].id && p.required_confirmations == Some(10)));
    assert_eq!(w.wallet().deprecated_calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_asked_for_is_on_the_link_and_the_address_carries_the_id() {
    let w = World::new().await;
    let order = w.open("a", Ticker::FUSD).await;
    let address = order.instructions.address().unwrap();
    assert!(address.starts_with("iZ") && address.len() == 108, "{address}");
    let link = format!("zano:action=send&address={address}&amount=1.5&asset_id={FUSD_ID}");
    assert_eq!(order.instructions.link(), Some(link.as_str()));
    assert_eq!(w.open("a", Ticker::FUSD).await, order, "the same again");
    let other = w.open("a", Ticker::ZANO).await;
    assert_eq!(other.instructions.address(), Some(address));
}

#[tokio::test]
async fn one_transaction_for_two_deposits_and_two_assets() {
    let w = World::new().await;
    let (a, b) = (w.open("a", Ticker::ZANO).await, w.open("b", Ticker::FUSD).await);
    let hash = w.send(&[(&a, ZANO_ID, 5), (&b, FUSD_ID, 10_000), (&a, FUSD_ID, 7)]);
    w.confirm(&hash);
    let read = w.read_many(&[a, b]).await;
    assert_eq!(figures(&read[0]), [("FUSD".into(), 0, 7), ("ZANO".into(), 0, 5)]);
    assert_eq!(figures(&read[1]), [("FUSD".into(), 0, 10_000)]);
    assert_eq!(Amount::new(10_000, Asset::FUSD).to_string(), "1");
}

#[tokio::test]
async fn a_false_fusd_is_another_asset() {
    let w = World::new().await;
    let order = w.open("a", Ticker::FUSD).await;
    let hash = w.send(&[(&order, FALSE_FUSD_ID, 1_000_000_000_000)]);
    w.confirm(&hash);
    let read = w.read(&order).await;
    assert_eq!(figures(&read), [("ZA-F4A1E5ED00000".into(), 0, 1_000_000_000_000)]);
    assert_eq!(codes(&read), ["unknown_asset"]);
}

#[tokio::test]
async fn a_locked_payment_is_undecided() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let payment_id = order.provider_ref.to_string();
    let spend = Spend { payment_id, asset_id: ZANO_ID.to_owned(), amount: 9, income: true };
    let hash = w.wallet().send(&[spend], 5_000_000);
    w.confirm(&hash);
    let read = w.read(&order).await;
    assert!(read.payments.is_empty() && read.complete);
    assert_eq!((read.undecided.len(), codes(&read)), (1, vec!["locked_payment"]));
}

#[tokio::test]
async fn a_reorganisation_at_depth_three() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.wallet().shift(&[&hash], Move::Mine);
    w.wallet().mine(3);
    assert_eq!(w.read(&order).await.payments[0].confirmations, Some(3));
    // Gone, in a complete read: that is what counts as absence.
    w.wallet().shift(&[&hash], Move::Drop);
    let doubted = w.read(&order).await;
    assert_eq!((doubted.complete, codes(&doubted)), (false, vec!["absence_unconfirmed"]));
    let gone = w.read(&order).await;
    assert!(gone.complete && gone.payments.is_empty() && gone.concerns.is_empty());
    // Back at another height.
    w.confirm(&hash);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 5)]);
    // Back into the pool: in flight again, under the same id, when a second reading says so.
    w.wallet().shift(&[&hash], Move::Unmine);
    let doubted = w.read(&order).await;
    assert!(!doubted.complete && doubted.payments.is_empty() && doubted.undecided.len() == 1);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 5, 0)]);
}

/// The wallet keeps a detached transaction among the unconfirmed, with the height that it had: it is not to be counted on.
#[tokio::test]
async fn a_detached_payment_grows_no_confirmations() {
    for with_daemon in [true, false] {
        let w = World::with(|config| {
            if !with_daemon {
                config.daemon_url.clear();
            }
        })
        .await;
        let order = w.open("a", Ticker::ZANO).await;
        let hash = w.send(&[(&order, ZANO_ID, 5)]);
        w.wallet().shift(&[&hash], Move::Mine);
        w.wallet().mine(3);
        assert_eq!(w.read(&order).await.payments[0].confirmations, Some(3));
        w.wallet().shift(&[&hash], Move::Unmine);
        w.wallet().mine(30);
        w.read(&order).await;
        assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 5, 0)]);
        let page = w.zano.scan(None).await.unwrap();
        assert!(page.observations.iter().all(|o| o.observed == Observed::Hint), "{page:?}");
        assert_eq!(page.observations.len(), 1);
        // In a block again: counted from there.
        w.confirm(&hash);
        assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 5)]);
    }
}

/// The wallet lists it for days; the daemon knows better.
#[tokio::test]
async fn what_left_the_pool_is_gone_where_a_daemon_tells() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 5, 0)]);
    w.wallet().shift(&[&hash], Move::Drop);
    let gone = w.read(&order).await;
    assert!(gone.complete && gone.payments.is_empty());
    let w = World::with(|config| config.daemon_url.clear()).await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.wallet().shift(&[&hash], Move::Drop);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 5, 0)], "for four days");
}

#[tokio::test]
async fn many_transfers_between_two_polls() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let other = w.open("b", Ticker::ZANO).await;
    w.wallet().stake(3_000_000);
    for n in 1..=250 {
        let hash = w.send(&[(if n % 2 == 0 { &order } else { &other }, ZANO_ID, n)]);
        w.wallet().shift(&[&hash], Move::Mine);
    }
    w.wallet().stake(4_000_000);
    w.wallet().mine(CONFIRMATIONS);
    for _ in 0..120 {
        w.send(&[(&order, ZANO_ID, 1)]);
    }
    let read = w.read_many(&[order, other]).await;
    assert!(read.iter().all(|r| r.complete));
    let sum = |n: usize| {
        let payments = read[n].payments.iter();
        payments.fold((0, 0), |sum, p| (sum.0 + p.in_flight, sum.1 + p.confirmed))
    };
    assert_eq!(sum(0), (120, (1..=125).map(|n| n * 2).sum()));
    assert_eq!(sum(1), (0, (0..125).map(|n| n * 2 + 1).sum()));
}

#[tokio::test]
async fn amounts_above_2_to_the_53rd() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 9_007_199_254_740_993)]);
    w.confirm(&hash);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 9_007_199_254_740_993)]);
}

#[tokio::test]
async fn payment_ids_in_upper_case_are_ours() {
    let w = World::new().await;
    w.wallet().shout(true);
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.confirm(&hash);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 5)]);
}

#[tokio::test]
async fn a_stuck_wallet_is_degraded() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.confirm(&hash);
    w.wallet().stick(true);
    w.wallet().mine(3);
    assert!(w.read(&order).await.complete, "some blocks behind is usual");
    w.wallet().mine(1);
    let read = w.read(&order).await;
    assert!(!read.complete);
    assert_eq!(codes(&read), ["wallet_behind"]);
    assert!(read.payments.is_empty() && read.undecided.len() == 1, "nothing shallow is believed");
    w.wallet().stick(false);
    assert!(w.read(&order).await.complete);
}

#[tokio::test]
async fn a_daemon_that_synchronizes_makes_the_wallet_wait() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    w.fault(Faults { not_synchronized: true, ..Faults::default() });
    let error = w.zano.read(&order).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transient { .. }), "{error}");
    let error = w.zano.open(&w.request("b", Ticker::ZANO)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transient { .. }), "{error}");
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_makes_absence_no_verdict() {
    let w = World::with(|config| config.daemon_url = "http://127.0.0.1:9/json_rpc".into()).await;
    let order = w.open("a", Ticker::ZANO).await;
    let read = w.read(&order).await;
    assert_eq!((read.complete, codes(&read)), (false, vec!["daemon_unreachable"]));
}

#[tokio::test]
async fn another_wallet_takes_nothing_back() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.confirm(&hash);
    assert_eq!(w.read(&order).await.payments.len(), 1);
    w.wallet().replace_wallet();
    let setting = |key| w.sandbox.setting("zano", key).unwrap();
    let restarted = Zano::new(Config::new(setting("wallet_url"), setting("jwt_secret"))).unwrap();
    for read in [w.read(&order).await, w.read(&order).await, restarted.read(&order).await.unwrap()] {
        assert_eq!((read.complete, codes(&read)), (false, vec!["other_wallet"]));
        assert!(read.payments.is_empty());
    }
}

/// A wallet that is restored begins at the bottom of the chain.
#[tokio::test]
async fn a_wallet_that_is_read_anew_takes_nothing_back() {
    let w = World::with(|config| config.daemon_url.clear()).await;
    let order = w.open("a", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.confirm(&hash);
    w.wallet().mine(20);
    assert_eq!(codes(&w.read(&order).await), ["height_unchecked"]);
    w.zano.scan(None).await.unwrap();
    assert!(w.read(&order).await.complete);
    w.wallet().stick_at(3_900_000);
    let read = w.read(&order).await;
    assert_eq!((read.complete, codes(&read)), (false, vec!["wallet_behind"]));
    w.wallet().stick(false);
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 5)]);
}

/// A wallet that was killed comes back with the state of its last store.
#[tokio::test]
async fn an_old_state_takes_nothing_back_and_gives_nothing() {
    let w = World::with(|config| config.daemon_url.clear()).await;
    let (old, order) = (w.open("old", Ticker::ZANO).await, w.open("a", Ticker::ZANO).await);
    let deep = w.send(&[(&old, ZANO_ID, 7)]);
    w.confirm(&deep);
    w.wallet().mine(80);
    let hash = w.send(&[(&order, ZANO_ID, 5)]);
    w.confirm(&hash);
    let cursor = w.zano.scan(None).await.unwrap().next;
    assert_eq!(figures(&w.read(&order).await), [("ZANO".into(), 0, 5)]);
    // Three blocks less, and this program is new as well: only the cursor knows.
    let top = w.wallet().height();
    w.wallet().stick_at(top - 3);
    let setting = |key| w.sandbox.setting("zano", key).unwrap();
    let restarted = Zano::new(Config::new(setting("wallet_url"), setting("jwt_secret"))).unwrap();
    let page = restarted.scan(Some(&cursor)).await.unwrap();
    assert_eq!((page.observations.len(), page.more, &page.next), (0, false, &cursor));
    for zano in [&w.zano, &restarted] {
        let read = zano.read(&order).await.unwrap();
        assert_eq!((read.complete, read.payments.len(), read.undecided.len()), (false, 0, 1));
        assert_eq!(
            figures(&zano.read(&old).await.unwrap()),
            [("ZANO".into(), 0, 7)],
            "far deeper than final"
        );
    }
    w.wallet().stick(false);
    assert_eq!(figures(&restarted.read(&order).await.unwrap()), [("ZANO".into(), 0, 5)]);
}

/// At a height that it had before.
#[tokio::test]
async fn an_empty_list_takes_nothing_back() {
    let w = World::new().await;
    let (order, other) = (w.open("a", Ticker::ZANO).await, w.open("b", Ticker::ZANO).await);
    for order in [&order, &other] {
        let hash = w.send(&[(order, ZANO_ID, 5)]);
        w.confirm(&hash);
    }
    let page = w.zano.scan(None).await.unwrap();
    assert_eq!(w.read(&order).await.payments.len(), 1);
    w.wallet().blank(true);
    for _ in 0..3 {
        for order in [&order, &other] {
            assert!(!w.read(order).await.complete);
        }
    }
    // Another program, which has the cursor alone.
    let setting = |key| w.sandbox.setting("zano", key).unwrap();
    let restarted = Zano::new(Config::new(setting("wallet_url"), setting("jwt_secret"))).unwrap();
    restarted.scan(Some(&page.next)).await.unwrap();
    for _ in 0..3 {
        assert!(!restarted.read(&order).await.unwrap().complete);
    }
    w.wallet().blank(false);
    assert!(w.read(&order).await.complete);
}

#[tokio::test]
async fn fusd_of_other_decimals_is_refused_and_zano_goes_on() {
    let w = World::new().await;
    w.wallet().set_decimals(FUSD_ID, 12);
    let error = w.zano.open(&w.request("a", Ticker::FUSD)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Configuration);
    let order = w.open("b", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5), (&order, FUSD_ID, 10_000)]);
    w.confirm(&hash);
    let read = w.read(&order).await;
    assert_eq!((figures(&read), codes(&read)), (vec![("ZANO".into(), 0, 5)], vec!["asset_decimals"]));
    // Once it is right again, without a restart.
    w.wallet().set_decimals(FUSD_ID, 4);
    w.open("a", Ticker::FUSD).await;
    assert_eq!(w.read(&order).await.payments.len(), 2);
}

#[tokio::test]
async fn what_is_worth_more_has_to_be_deeper() {
    let w = World::with(|config| {
        config.confirmations_by_amount = vec![deposit_zano::ConfirmationsByAmount::new("1000", 15)];
    })
    .await;
    let (small, large) = (w.open("a", Ticker::ZANO).await, w.open("b", Ticker::ZANO).await);
    let unit = 1_000_000_000_000;
    let hash = w.send(&[(&small, ZANO_ID, unit), (&large, ZANO_ID, 1_000 * unit)]);
    w.confirm(&hash);
    assert_eq!(figures(&w.read(&small).await), [("ZANO".into(), 0, u128::from(unit))]);
    let read = w.read(&large).await;
    assert_eq!(figures(&read), [("ZANO".into(), 1_000 * u128::from(unit), 0)]);
    assert_eq!(
        (read.payments[0].confirmations, read.payments[0].required_confirmations),
        (Some(10), Some(15))
    );
    // A scan knows no terms: it tells of money where any payment is deep enough.
    let page = w.zano.scan(None).await.unwrap();
    assert!(page.observations.iter().all(|o| o.observed == Observed::Hint) && page.observations.len() == 2);
    w.wallet().mine(5);
    assert_eq!(figures(&w.read(&large).await), [("ZANO".into(), 0, 1_000 * u128::from(unit))]);
    let page = w.zano.scan(Some(&page.next)).await.unwrap();
    assert!(page.observations.iter().all(|o| matches!(o.observed, Observed::Payment(_))));
}

/// The look-up is of FUSD, and its outage is FUSD's alone.
#[tokio::test]
async fn a_daemon_that_is_down_holds_up_fusd_alone() {
    let w = World::with(|config| config.daemon_url = "http://127.0.0.1:9/json_rpc".into()).await;
    let order = w.open("b", Ticker::ZANO).await;
    let hash = w.send(&[(&order, ZANO_ID, 5), (&order, FUSD_ID, 10_000)]);
    w.confirm(&hash);
    let read = w.read(&order).await;
    assert_eq!(figures(&read), [("ZANO".into(), 0, 5)]);
    assert!(codes(&read).contains(&"fusd_unchecked") && !codes(&read).contains(&"asset_decimals"));
    let page = w.zano.scan(None).await.unwrap();
    let paid = page.observations.iter().filter(|o| matches!(o.observed, Observed::Payment(_)));
    assert_eq!(paid.map(|o| o.ticker).collect::<Vec<_>>(), [Some(Ticker::ZANO)]);
    // Not counted as shown: with the daemon it is.
    let setting = |key| w.sandbox.setting("zano", key).unwrap();
    let mut config = Config::new(setting("wallet_url"), setting("jwt_secret"));
    config.daemon_url = setting("daemon_url");
    let page = Zano::new(config).unwrap().scan(Some(&page.next)).await.unwrap();
    let fusd = |o: &&deposit_core::Observation| o.ticker == Some(Ticker::FUSD);
    assert!(page.observations.iter().filter(fusd).any(|o| matches!(o.observed, Observed::Payment(_))));
}

#[tokio::test]
async fn an_asset_that_nobody_knows_is_refused() {
    let w = World::with(|config| config.fusd_asset_id = "ab".repeat(32)).await;
    let error = w.zano.open(&w.request("a", Ticker::FUSD)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn decimals_are_told_by_the_wallet_where_there_is_no_daemon() {
    let w = World::with(|config| config.daemon_url.clear()).await;
    w.open("a", Ticker::FUSD).await;
    let w = World::with(|config| config.daemon_url.clear()).await;
    w.wallet().set_decimals(FUSD_ID, 3);
    assert!(w.zano.open(&w.request("a", Ticker::FUSD)).await.is_err());
}

#[tokio::test]
async fn each_try_has_a_token_of_its_own() {
    // A retry with the same token would be answered with 401.
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    w.fault(Faults { drop_response_rate: 0.4, ..Faults::default() });
    let mut read = 0;
    for _ in 0..20 {
        match w.zano.read(&order).await {
            Ok(_) => read += 1,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Transient { .. }), "{error}"),
        }
    }
    assert!(read > 5, "{read}");
}

#[tokio::test]
async fn a_scan_shows_every_payment_and_what_is_nobody_s() {
    let w = World::new().await;
    let order = w.open("a", Ticker::ZANO).await;
    w.wallet().stake(3_000_000);
    for n in 1..=130 {
        let hash = w.send(&[(&order, ZANO_ID, n)]);
        w.wallet().shift(&[&hash], Move::Mine);
    }
    let base = Spend { payment_id: String::new(), asset_id: FUSD_ID.to_owned(), amount: 77, income: true };
    let hash = w.wallet().send(&[base], 0);
    w.confirm(&hash);
    w.send(&[(&order, ZANO_ID, 999)]);

    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = w.zano.scan(cursor.as_ref()).await.unwrap();
        seen.extend(page.observations);
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    let sums: u128 = seen
        .iter()
        .filter(|o| o.target == Target::Order(order.provider_ref.clone()))
        .map(|o| if let Observed::Payment(p) = &o.observed { p.confirmed } else { 0 })
        .sum();
    assert_eq!(sums, (1..=130).sum::<u128>());
    let nobody: Vec<_> = seen.iter().filter(|o| o.target == Target::Unknown).collect();
    assert!(matches!(&nobody[..], [o] if matches!(&o.observed, Observed::Payment(p) if p.confirmed == 77)));
    assert_eq!(seen.iter().filter(|o| o.observed == Observed::Hint).count(), 1, "the one in the pool");

    // Nothing new but the pool; then a new one, and nothing else.
    let page = w.zano.scan(cursor.as_ref()).await.unwrap();
    assert_eq!(page.observations.len(), 1);
    let late = w.open("late", Ticker::ZANO).await;
    let hash = w.send(&[(&late, ZANO_ID, 1_000)]);
    w.confirm(&hash);
    let page = w.zano.scan(cursor.as_ref()).await.unwrap();
    assert_eq!(page.observations.len(), 2);
    let again = w.zano.scan(Some(&page.next)).await.unwrap();
    assert_eq!(again.observations.len(), 1, "shown once, however often the overlap is read");
    // A reorganisation undoes it after it was final: its order is to be read, and that shows it.
    w.wallet().shift(&[&hash], Move::Drop);
    let page = w.zano.scan(Some(&page.next)).await.unwrap();
    let hinted = |o: &&deposit_core::Observation| o.target == Target::Order(late.provider_ref.clone());
    assert_eq!(
        page.observations.iter().filter(hinted).map(|o| &o.observed).collect::<Vec<_>>(),
        [&Observed::Hint]
    );
    assert!(!w.read(&late).await.complete);
    let read = w.read(&late).await;
    assert!(read.complete && read.payments.is_empty());
}

#[tokio::test]
async fn a_wrong_path_is_a_configuration_error() {
    let w = World::with(|config| config.wallet_url.push_str("/other")).await;
    let error = w.zano.open(&w.request("a", Ticker::ZANO)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Configuration);
}
