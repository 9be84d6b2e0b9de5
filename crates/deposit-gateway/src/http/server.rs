//! The socket. Not `axum::serve`: that has no limit on how slowly a client sends the head of its request, nor on how many connect.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use deposit_engine::Engine;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::{App, HttpConfig};

/// Longest head of a request.
const HEAD_LIMIT: usize = 64 * 1024;
/// Pause after a failed accept (out of file descriptors, say): others may be given back meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the system may hold of an answer that the client has not taken yet.
const SEND_BUFFER: usize = 64 * 1024;

/// How often a connection is looked at during the drain.
const QUIET_LOOK: Duration = Duration::from_millis(400);

/// The gateway cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on; mostly because another process does.
    #[error("server.listen: cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The socket does not tell its address.
    #[error("the listening socket is not usable: {0}")]
    Socket(#[source] io::Error),
}

/// Takes the configured address. `listener.local_addr()` tells the port where 0 was configured.
///
/// # Errors
/// [`ServeError::Listen`], which names `server.listen`.
pub async fn bind(config: &HttpConfig) -> Result<TcpListener, ServeError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `shutdown`, then accepts no more, lets running requests end (at most `config.drain_timeout`), and returns.
///
/// # Errors
/// [`ServeError::Socket`]. A connection's own failure ends that connection alone.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    config: HttpConfig,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    listener.local_addr().map_err(ServeError::Socket)?;
    let app = App::new(engine, &config, shutdown.clone());
    let router = app.router();
    let connections = TaskTracker::new();
    // Cancelled at the end of the drain: what still runs then is cut off.
    let cut = CancellationToken::new();
    let room = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (router, shutdown, cut) = (router.clone(), shutdown.clone(), cut.clone());
        let limits = Limits { header: config.header_timeout, write: config.write_timeout };
        connections.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = connection(stream, peer, router, limits, shutdown) => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    app.creates.close();
    let drained = async {
        connections.wait().await;
        app.creates.wait().await;
    };
    if tokio::time::timeout(config.drain_timeout, drained).await.is_err() {
        tracing::warn!("requests were still running at the end of the drain and are cut off");
        cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<Accepted> {
    // Never closed, so never refused.
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// How slow the other side may be.
#[derive(Debug, Clone, Copy)]
struct Limits {
    header: Duration,
    write: Duration,
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    // Small answers should not wait for the client's acknowledgement; where it cannot be set they only come later.
    let _ = stream.set_nodelay(true);
    // What a client has not taken yet is held twice: here within bounds, and by the system, which would take megabytes.
    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    // A client that takes nothing must not hold its answer in memory for good.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.write));
    let busy = Arc::new(AtomicUsize::new(0));
    let service = hyper::service::service_fn({
        let busy = Arc::clone(&busy);
        move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, mark) = (router.clone().oneshot(request), Busy::mark(&busy));
            async move {
                let answer = answer.await;
                drop(mark);
                answer
            }
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_header_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = quiet(&busy) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// One request under way on a connection; ends with it, also when its future is dropped.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn mark(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns once no request has been under way for two looks in a row: a client that has sent half a head is owed no answer, while one
/// whose handler has just ended still gets its bytes.
async fn quiet(busy: &AtomicUsize) {
    let mut idle_looks = 0_u8;
    while idle_looks < 2 {
        tokio::time::sleep(QUIET_LOOK).await;
        idle_looks = if busy.load(Ordering::SeqCst) == 0 { idle_looks.saturating_add(1) } else { 0 };
    }
}
