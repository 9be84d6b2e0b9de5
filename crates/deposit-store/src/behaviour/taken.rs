use deposit_core::{Amount, Asset, Taken};

use super::Fixture;
use super::fixtures::{OTHER_PROVIDER, PROVIDER, account, credit, id, open, order, payment};

fn taken(block: &str, reference: &str) -> Taken {
    Taken { block: order(block), payment: payment(reference), amount: Amount::new(40_000, Asset::BTC) }
}

pub async fn a_deposit_is_found_by_what_took_its_payment_in(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let early = taken("block-1", "send-1");
    // Nobody has seen the payment yet: nothing is noted, and the caller is told.
    assert_eq!(store.note_taken(PROVIDER, vec![early.clone()]).await.unwrap(), std::slice::from_ref(&early));
    assert_eq!(store.deposit_by_block(PROVIDER, &order("block-1")).await.unwrap(), None);

    let deposit = open(&*store, 1, ana, 100).await;
    store.commit(credit(&deposit, "send-1", "20", 110)).await.unwrap();
    let unknown = taken("block-2", "send-2");
    for _ in 0..2 {
        let left = store.note_taken(PROVIDER, vec![early.clone(), unknown.clone()]).await.unwrap();
        assert_eq!(left, std::slice::from_ref(&unknown), "once or twice is the same");
    }
    let again = fixture.open().await;
    assert_eq!(again.deposit_by_block(PROVIDER, &order("block-1")).await.unwrap(), Some(id(1)));
    assert_eq!(again.deposit_by_block(OTHER_PROVIDER, &order("block-1")).await.unwrap(), None);
    assert_eq!(again.deposit_by_block(PROVIDER, &order("block-2")).await.unwrap(), None);
    assert_eq!(
        again.orders_of(&id(1)).await.unwrap(),
        [order("invoice-1")],
        "it is no order: nobody reads it"
    );
}
