//! `cargo xtask test`: all tests, and what they need.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{cargo, step, succeeds, watch};
use crate::{eighth, workspace};

/// Where the kill test of the gateway lives; it needs a binary with the feature [`CRASH_FEATURE`].
const CRASH_TEST: &str = "crates/deposit-gateway/tests/crash.rs";
/// Crash points: compiled into this one test's binary and into nothing else.
pub(crate) const CRASH_FEATURE: &str = "crash-points";

/// Builds the recorders of the fixtures too, so that their tests run.
const RECORDER: &str = "xtask/fixtures,xtask/live";

/// Tests that ran, by outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Whether cargo-nextest is installed.
pub(crate) fn nextest() -> bool {
    succeeds(cargo(["nextest", "--version"]))
}

/// Runs unit and integration tests, doctests, the crash test and the tests of the adapter outside of the workspace; prints how many
/// there were.
///
/// The tests need nothing beside the toolchain: SQLite is compiled in, and the providers are emulated within the
/// tests. A service that a test needs is to be started here, before the first step.
pub(crate) fn all() -> Result<()> {
    let nextest = nextest();
    if !nextest {
        println!("cargo-nextest is not installed: using cargo test");
    }
    let mut total = Count::default();
    step("test", || {
        if nextest {
            counted(&["nextest", "run", "--workspace", "--features", RECORDER], &mut total)
        } else {
            // Doctests have their own step.
            counted(&["test", "--workspace", "--all-targets", "--features", RECORDER], &mut total)
        }
    })?;
    step("doctest", || counted(&["test", "--doc", "--workspace"], &mut total))?;
    if workspace::root().join(CRASH_TEST).is_file() {
        step("crash test", || {
            let mut args = if nextest { vec!["nextest", "run"] } else { vec!["test"] };
            args.extend(["-p", "deposit-gateway", "--features", CRASH_FEATURE, "--test", "crash"]);
            counted(&args, &mut total)
        })?;
    }
    step("eighth adapter", || {
        eighth::lock_agrees()?;
        let mut test = cargo(eighth::TEST);
        test.env("CARGO_TARGET_DIR", workspace::target_directory()?);
        counted_of(test, &mut total)
    })?;
    let Count { passed, failed, skipped } = total;
    println!("== tests: {passed} passed, {failed} failed, {skipped} skipped");
    if passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs a test command and adds its summaries to the total.
fn counted(args: &[&str], total: &mut Count) -> Result<()> {
    counted_of(cargo(args.iter().copied()), total)
}

/// The same for a command.
fn counted_of(command: Command, total: &mut Count) -> Result<()> {
    watch(command, |line| {
        if let Some(count) = summary(line) {
            total.passed += count.passed;
            total.failed += count.failed;
            total.skipped += count.skipped;
        }
    })
}

/// Reads the summary line of nextest (`Summary [ 0.1s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped`) or of
/// libtest (`test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`).
fn summary(line: &str) -> Option<Count> {
    let line = line.trim();
    let rest = if let Some(rest) = line.strip_prefix("Summary [") {
        rest.split_once(" run: ")?.1
    } else {
        line.strip_prefix("test result: ")?.split_once(". ")?.1
    };
    let mut count = Count::default();
    for part in rest.split([',', ';']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" => count.passed += number,
            "failed" | "timed" | "exec" => count.failed += number,
            "skipped" | "ignored" => count.skipped += number,
            _ => {}
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::{Count, summary};

    #[test]
    fn summaries_are_counted() {
        assert_eq!(
            summary(
                "     Summary [   0.013s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped\n"
            ),
            Some(Count { passed: 3, failed: 2, skipped: 2 })
        );
        assert_eq!(
            summary("     Summary [   0.013s] 1 test run: 1 passed, 0 skipped"),
            Some(Count { passed: 1, failed: 0, skipped: 0 })
        );
        assert_eq!(
            summary(
                "test result: FAILED. 3 passed; 1 failed; 4 ignored; 0 measured; 9 filtered out; finished in 0.00s"
            ),
            Some(Count { passed: 3, failed: 1, skipped: 4 })
        );
        assert_eq!(summary("     PASS [   0.005s] xtask run::tests::passed"), None);
    }
}
