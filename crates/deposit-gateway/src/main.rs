//! The `deposit` binary: see `deposit --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    deposit_gateway::cli::main()
}
