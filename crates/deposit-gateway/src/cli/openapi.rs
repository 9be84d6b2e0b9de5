//! `deposit openapi`.

use std::io::Write as _;
use std::process::ExitCode;

/// Prints the document that `GET /openapi.json` serves.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(crate::http::openapi().as_bytes()) {
        // Whoever reads only the beginning (`head`) has what they want.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
