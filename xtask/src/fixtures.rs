//! `cargo xtask fixtures`: starts the recorder, a binary of its own, because it is built with the sandbox.

use anyhow::Result;

use crate::run::{cargo, run};

/// Records the fixtures; with `check` it compares only.
pub(crate) fn record(check: bool) -> Result<()> {
    let mut args =
        vec!["run", "--quiet", "--package", "xtask", "--features", "fixtures", "--bin", "fixtures", "--"];
    if check {
        args.push("--check");
    }
    run(cargo(args))
}
