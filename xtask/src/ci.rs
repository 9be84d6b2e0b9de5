//! `cargo xtask ci`: all checks of a change.

use anyhow::{Result, bail};

use crate::run::{cargo, run, step, succeeds};
use crate::{eighth, features, fixtures, fuzz, test};

/// The version that `.ci/run` installs where there is none.
const CARGO_DENY: &str = "cargo install --locked cargo-deny --version =0.20.2";

/// Runs every step in order and stops at the first that fails.
pub(crate) fn all(skip_test: bool) -> Result<()> {
    step("fmt", || run(cargo(["fmt", "--all", "--check"])))?;
    // With the recorders of the fixtures, which nothing else would lint.
    step("clippy", || {
        run(cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "xtask/fixtures,xtask/growth,xtask/live,xtask/watch",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("eighth adapter: lints", eighth::lint)?;
    step("doc", || {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-Dwarnings");
        run(doc)
    })?;
    step("deny", || {
        if !succeeds(cargo(["deny", "--version"])) {
            bail!("cargo-deny is not installed: {CARGO_DENY}");
        }
        run(cargo(["deny", "check", "bans", "licenses", "sources"]))
    })?;
    features::all()?;
    step("fixtures", || fixtures::record(true))?;
    fuzz::all(fuzz::EXAMPLES, None)?;
    if !skip_test {
        test::all()?;
    }
    Ok(())
}
