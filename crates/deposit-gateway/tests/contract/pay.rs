//! The payer's page and the QR code (sections 2, 3.1, 5).

use crate::harness::World;
use crate::row::{amount, call, get, member};
use crate::tickers::{Kind, TICKERS};

#[tokio::test]
async fn a_page_and_a_code_for_every_ticker() {
    let world = World::start().await;
    for ticker in &TICKERS {
        let reply = world.call(&amount(ticker.name, ticker.amount)).await;
        let (id, line) = (member(&reply, "txId"), format!("3.1 {}", ticker.name));
        let page = world.call(&get(format!("/pay/{id}")).anonymous()).await;
        assert_eq!(page.status, 200, "{line}: {}", page.body);
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{line}: a page");
        assert_eq!(page.header("cache-control"), Some("no-store"), "1 Cache-Control: no-store by default");
        assert!(page.body.contains(ticker.amount), "{line}: amount on the page: {}", page.body);
        if ticker.kind == Kind::Crypto {
            assert!(page.body.contains(&member(&reply, "address")), "{line}: address on the page");
        }
        let memo = member(&reply, "memo");
        assert!(page.body.contains(&memo), "{line}: memo on the page");
        let code = world.call(&get(member(&reply, "QRUrl")).anonymous()).await;
        assert_eq!(code.status, 200, "{line}: QRUrl");
        assert_eq!(code.header("content-type"), Some("image/svg+xml"), "{line}: QRUrl");
        assert!(code.body.contains("<svg"), "{line}: QRUrl");
    }
    world.stop().await;
}

#[tokio::test]
async fn unknown_deposits() {
    let world = World::start().await;
    for path in ["/pay/unknown", "/pay/AAAAAAAAAAAAAAAAAAAAAA", "/pay/%00", "/pay/a.b", "/pay/%ff"] {
        for key in [true, false] {
            let ask = if key { get(path) } else { get(path).anonymous() };
            let page = world.call(&ask).await;
            assert_eq!(page.status, 404, "5 unknown /pay/{{txId}}: 404 as a page: {path}");
            assert!(page.header("content-type").unwrap().starts_with("text/html"), "5 404 as a page: {path}");
        }
    }
    assert_eq!(world.call(&get("/pay/AAAAAAAAAAAAAAAAAAAAAA/qr.svg").anonymous()).await.status, 404);
    assert_eq!(world.call(&call("POST", "/pay/AAAAAAAAAAAAAAAAAAAAAA").anonymous()).await.status, 405);
    world.stop().await;
}
