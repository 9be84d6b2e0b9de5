//! The capture server keeps what came, as it came.
#![cfg(feature = "capture")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use deposit_conformance::CaptureServer;

fn send(address: String, request: &'static str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn headers_query_and_body_are_kept() {
    deposit_conformance::run(async {
        let server = CaptureServer::start().await.unwrap();
        let address = server.url().strip_prefix("http://").unwrap().to_owned();
        let requests = [
            "POST /any?token=a%20b HTTP/1.1\r\nhost: x\r\nX-Sig: One\r\nContent-Length: 3\r\nConnection: close\r\n\r\na\0b",
            "POST / HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        ];
        for request in requests {
            let address = address.clone();
            let answer = tokio::task::spawn_blocking(move || send(address, request)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let kept = server.deliveries();
        let bodies: Vec<_> = kept.iter().map(|d| d.body.as_slice()).collect();
        assert_eq!(bodies, [&b"a\0b"[..], b"abc"]);
        assert_eq!(kept[0].query, [("token".to_owned(), "a b".to_owned())]);
        assert!(kept[0].headers.contains(&("x-sig".to_owned(), "One".to_owned())));
        assert!(!format!("{kept:?}").contains("One"));
    });
}
