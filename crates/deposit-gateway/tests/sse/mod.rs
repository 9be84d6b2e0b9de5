//! A reader of one event stream over a connection of its own, which keeps every byte.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Longest wait for a block: a stream that hangs fails the test by what hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one blank line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Event {
        id: u64,
        data: String,
    },
    /// Anything else: `retry` or a comment.
    Other(String),
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server said so.
    Clean,
    /// The connection broke.
    Cut,
}

pub struct Stream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Everything that came.
    pub text: String,
    read: usize,
    body: Incoming,
}

impl Stream {
    /// `Err`: no answer came.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let mut request = Request::builder().uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client.request(request.body(Empty::new()).unwrap());
        let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| "no answer".to_owned())?;
        let (head, body) = answer.map_err(|error| error.to_string())?.into_parts();
        Ok(Self { status: head.status, headers: head.headers, text: String::new(), read: 0, body })
    }

    /// The next block, or how the stream ended.
    pub async fn block(&mut self) -> Result<Block, End> {
        loop {
            if let Some(length) = self.text[self.read..].find("\n\n") {
                let block = self.text[self.read..self.read + length].to_owned();
                self.read += length + 2;
                return Ok(parsed(block));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            match frame.unwrap_or_else(|_| panic!("nothing comes any more after {:?}", self.text)) {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().expect("no trailers");
                    self.text.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                Some(Err(_)) => return Err(End::Cut),
                None => {
                    assert_eq!(self.read, self.text.len(), "half a block: {:?}", self.text);
                    return Err(End::Clean);
                }
            }
        }
    }

    /// The next event; `retry` and comments are passed over.
    pub async fn event(&mut self) -> Result<(u64, Value), End> {
        loop {
            if let Block::Event { id, data } = self.block().await? {
                return Ok((id, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    /// Reads on until the stream ends.
    pub async fn rest(mut self) -> (String, End) {
        loop {
            if let Err(end) = self.block().await {
                return (self.text, end);
            }
        }
    }
}

fn parsed(block: String) -> Block {
    let lines: Vec<&str> = block.lines().collect();
    let id = lines[0].strip_prefix("id: ").map(|id| id.parse::<u64>().unwrap());
    match (id, lines.get(1).and_then(|line| line.strip_prefix("data: "))) {
        (Some(id), Some(data)) => {
            assert_eq!(lines.len(), 2, "{block:?}");
            Block::Event { id, data: data.to_owned() }
        }
        _ => Block::Other(block),
    }
}
