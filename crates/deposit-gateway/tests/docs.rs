//! The OpenAPI document and its page, over a real socket and from the command line.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::Command;

use common::TestGateway;

fn printed(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_deposit")).args(args).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_document_is_served_as_it_is_printed() {
    let gateway = TestGateway::start().await;
    let served = gateway.send("GET", "/openapi.json", &[], "").await;
    assert_eq!(served.status, 200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(served.json()["openapi"], "3.1.0");
    assert_eq!(served.body, printed(&["openapi"]));
    assert_eq!(served.body, printed(&["openapi", "--json"]));

    let tag = served.header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let same = gateway.send("GET", "/openapi.json", &[("if-none-match", &known)], "").await;
        assert_eq!((same.status.as_u16(), same.body.as_str()), (304, ""), "{known}");
        assert_eq!(same.header("etag"), Some(tag.as_str()));
    }
    let other = gateway.send("GET", "/openapi.json", &[("if-none-match", "\"x\"")], "").await;
    assert_eq!(other.status, 200);
    gateway.send("POST", "/openapi.json", &[], "").await.assert_error(
        405,
        "Method not allowed",
        "method_not_allowed",
    );
    gateway.stop().await;
}

#[tokio::test]
async fn the_page_runs_nothing_and_loads_nothing() {
    let gateway = TestGateway::start().await;
    let page = gateway.send("GET", "/docs", &[], "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");

    // The policy allows just the style that the page has.
    use base64::Engine as _;
    use sha2::Digest as _;
    let style = page.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");

    // The lines to copy have the gateway's own address.
    assert!(page.body.contains("curl -s &#34;http://") || page.body.contains("curl -s &quot;http://"));
    assert!(!page.body.contains("https://deposit.example"), "a made-up address is left");
    gateway.stop().await;
}
