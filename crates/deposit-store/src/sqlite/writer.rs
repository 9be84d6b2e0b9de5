//! The one writer: a task that owns the only writing connection and commits whatever waits in one transaction.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::row::Doing;
use crate::{StoreError, StoreResult, crash_point};

/// At most so many commands share a transaction: enough that one fsync serves many, few enough that the first is not kept waiting.
const BATCH: usize = 64;
/// At most so many commands wait; further callers wait for room.
const QUEUE: usize = 1024;

pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'c>>;

/// Runs commands. Dropping the future of [`Writer::run`] neither stops nor harms the command.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the task on the current runtime. It ends with `close`, or when every handle is gone.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(serve(connection, options, waiting));
        Self { queue }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Runs a command in a savepoint of its own; answers after the commit. An error undoes this command alone.
    pub(super) async fn run<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), done: None, reply };
        self.queue.send(Message::Job(Box::new(task))).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Lets the commands finish that wait already, refuses later ones and closes the connection.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            // Dropped unanswered only if the task is gone, which is what was wanted.
            let _ = closed.await;
        }
    }
}

/// A command whose answer waits for the commit.
trait Job: Send {
    /// Runs it; `false` where its changes have to be undone.
    fn run<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
    /// Hands the outcome to the caller, if it still waits.
    fn answer(self: Box<Self>);
    /// Tells the caller that the whole transaction failed.
    fn fail(self: Box<Self>, why: &StoreError);
}

struct Task<T, F> {
    work: Option<F>,
    done: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send,
{
    fn run<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let done = work(connection).await;
            let keep = done.is_ok();
            self.done = Some(done);
            keep
        })
    }

    fn answer(self: Box<Self>) {
        let answer = self.done.unwrap_or(Err(StoreError::Closed));
        // The caller may have gone away; what it asked for is done all the same.
        let _ = self.reply.send(answer);
    }

    fn fail(self: Box<Self>, why: &StoreError) {
        let answer = match self.done {
            Some(Err(own)) => Err(own),
            Some(Ok(_)) | None => Err(again(why)),
        };
        let _ = self.reply.send(answer);
    }
}

/// The same error for one more caller.
fn again(why: &StoreError) -> StoreError {
    let source = match why {
        StoreError::Unavailable { source, .. } => source.to_string(),
        StoreError::Url(_) | StoreError::Corrupt { .. } | StoreError::Closed => why.to_string(),
    };
    StoreError::Unavailable { context: "commit a transaction", source: source.into() }
}

async fn serve(
    mut connection: SqliteConnection,
    options: SqliteConnectOptions,
    mut waiting: mpsc::Receiver<Message>,
) {
    let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH);
    let mut closing = None;
    while let Some(first) = waiting.recv().await {
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Job(job) => batch.push(job),
                Message::Close(reply) => {
                    // What is in the queue still runs; nothing new gets in.
                    waiting.close();
                    closing = Some(reply);
                }
            }
            if batch.len() < BATCH {
                next = waiting.try_recv().ok();
            }
        }
        if batch.is_empty() {
            continue;
        }
        match transact(&mut connection, &mut batch).await {
            Ok(()) => batch.drain(..).for_each(Job::answer),
            Err(why) => {
                tracing::error!(error = %why, commands = batch.len(), "a store transaction failed");
                batch.drain(..).for_each(|job| job.fail(&why));
                recover(&mut connection, &options).await;
            }
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the store");
    }
    if let Some(reply) = closing {
        let _ = reply.send(());
    }
}

/// One transaction for the whole batch, a savepoint for each command.
async fn transact(connection: &mut SqliteConnection, batch: &mut [Box<dyn Job>]) -> StoreResult<()> {
    // IMMEDIATE: the write lock is taken (and waited for) here, so that no command fails half-way for want of it.
    execute(connection, "BEGIN IMMEDIATE", "begin a transaction").await?;
    for job in batch {
        execute(connection, "SAVEPOINT command", "begin a command").await?;
        if !unbroken(job.run(connection)).await? {
            // Fails where the database has undone the whole transaction itself (disk full, say): then the batch fails.
            execute(connection, "ROLLBACK TO command", "undo a command").await?;
        }
        execute(connection, "RELEASE command", "end a command").await?;
    }
    crash_point("store.before_commit");
    execute(connection, "COMMIT", "commit a transaction").await?;
    crash_point("store.after_commit");
    Ok(())
}

/// A command that panics fails its transaction, like one under whose feet the database undoes it: nobody else could write any more if it ended the
/// writer. None of the transaction is kept, whatever the command had done by then; the callers of the others may try again.
async fn unbroken<T>(work: impl Future<Output = T>) -> StoreResult<T> {
    let mut work = std::pin::pin!(work);
    // What a panic leaves half-done is the transaction's, and that is undone.
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(broken(&*panic))),
    })
    .await
}

fn broken(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    tracing::error!(panic = text, "a command of the store broke: a mistake in the program");
    StoreError::Unavailable { context: "run a command", source: "it broke: a mistake in the program".into() }
}

/// Brings the connection back to where a transaction can begin, by a new one if need be.
async fn recover(connection: &mut SqliteConnection, options: &SqliteConnectOptions) {
    // An error only says that no transaction was open any more.
    let _ = execute(connection, "ROLLBACK", "undo a transaction").await;
    if execute(connection, "SELECT 1", "use the connection").await.is_ok() {
        return;
    }
    match options.connect().await {
        Ok(fresh) => *connection = fresh,
        Err(error) => tracing::error!(%error, "the store cannot be opened again"),
    }
}

async fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
    context: &'static str,
) -> StoreResult<()> {
    sqlx::query(sql).execute(connection).await.doing(context).map(|_| ())
}
