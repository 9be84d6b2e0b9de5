//! A provider made of a socket: it answers with raw bytes, or misbehaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What to do with one request.
pub enum Reply {
    /// Status line and headers as given, then the body with its length.
    Http(&'static str, Vec<u8>),
    /// Reads the request and closes the connection.
    Cut,
    /// Sends the head and half of the promised body, then closes.
    CutInBody,
    /// Reads the request and says nothing.
    Silence,
    /// Promises a body and sends it a byte at a time.
    Drip(Duration),
    /// Answers only after a while.
    Late(Duration, Vec<u8>),
    /// A body without end and without a length.
    Endless,
}

pub fn ok(body: &str) -> Reply {
    Reply::Http("200 OK", body.into())
}

pub struct Server {
    pub url: Url,
    requests: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// Answers the n-th request (from 0) with `reply(n)`, each on a connection of its own.
    pub async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let (log, most) = (Arc::clone(&requests), Arc::clone(&most_at_once));
        tokio::spawn(async move {
            let reply = Arc::new(reply);
            let now = Arc::new(AtomicUsize::new(0));
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (log, most, now, reply) = (log.clone(), most.clone(), now.clone(), reply.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut socket).await else { return };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request);
                        log.len() - 1
                    };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = answer(&mut socket, reply(number)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, requests, most_at_once }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.requests().len()
    }

    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = socket.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        text.extend_from_slice(&piece[..n]);
        let now = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = now.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|l| l.to_lowercase().strip_prefix("content-length:").map(|v| v.trim().parse().unwrap()))
            .unwrap_or(0_usize);
        if body.len() >= length {
            return Some(now);
        }
    }
}

async fn answer(socket: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Http(head, body) => {
            let head =
                format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&body).await?;
            socket.shutdown().await
        }
        Reply::Cut => Ok(()),
        Reply::CutInBody => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":").await?;
            socket.flush().await
        }
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(())
        }
        Reply::Drip(every) => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await?;
            loop {
                socket.write_all(b" ").await?;
                tokio::time::sleep(every).await;
            }
        }
        Reply::Late(after, body) => {
            tokio::time::sleep(after).await;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&body).await?;
            socket.shutdown().await
        }
        Reply::Endless => {
            socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let piece = [b' '; 4096];
            loop {
                socket.write_all(b"1000\r\n").await?;
                socket.write_all(&piece).await?;
                socket.write_all(b"\r\n").await?;
            }
        }
    }
}
