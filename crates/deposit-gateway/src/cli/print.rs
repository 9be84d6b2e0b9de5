//! Standard output, where a reader may go away at any time (`deposit status … | head -1`): `println!` would panic then.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes a line and flushes it: who reads along sees it at once.
///
/// # Errors
/// Where nobody reads any more; [`is_closed`] knows that error.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a line to standard error, as far as anybody reads there.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a command failed because the reader of its output has gone: nothing to tell anybody.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
