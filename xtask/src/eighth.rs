//! The eighth adapter: `examples/eighth-adapter`, a workspace of its own. It proves that an adapter can be written, held to the suite and
//! registered without any change here.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::run::{cargo, run};
use crate::workspace;

/// Its manifest, from the root.
pub(crate) const MANIFEST: &str = "examples/eighth-adapter/Cargo.toml";
const LOCK: &str = "examples/eighth-adapter/Cargo.lock";

/// The arguments of `cargo test` for it. With the workspace's target folder, versions, features and profile little beside its own crates
/// is compiled.
pub(crate) const TEST: [&str; 4] = ["test", "--manifest-path", MANIFEST, "--workspace"];

/// Formatting and lints, which `--workspace` of the root does not reach.
pub(crate) fn lint() -> Result<()> {
    let packages = ["-p", "deposit-acornpay", "-p", "acornpay-emulator"];
    let mut fmt = cargo(["fmt", "--manifest-path", MANIFEST, "--check"]);
    fmt.args(packages);
    run(fmt)?;
    let mut clippy = cargo(["clippy", "--manifest-path", MANIFEST, "--workspace", "--all-targets"]);
    clippy.args(["--", "-D", "warnings"]).env("CARGO_TARGET_DIR", workspace::target_directory()?);
    run(clippy)
}

/// Every version that it locks is one that the root locks: otherwise the same crate is compiled twice, and tested in two versions.
pub(crate) fn lock_agrees() -> Result<()> {
    let read = |path: &str| fs::read_to_string(workspace::root().join(path)).with_context(|| path.to_owned());
    let other = differing(&read("Cargo.lock")?, &read(LOCK)?);
    ensure!(
        other.is_empty(),
        "{LOCK} has versions that Cargo.lock has not: {}. Copy Cargo.lock there and run `cargo xtask test` again",
        other.join(", ")
    );
    Ok(())
}

/// Packages with a registry version that the other lock file has not.
fn differing(root: &str, other: &str) -> Vec<String> {
    let known = packages(root);
    packages(other).into_iter().filter(|package| !known.contains(package)).collect()
}

/// `NAME VERSION` of all packages from a registry; those by path have no `source`.
fn packages(lock: &str) -> BTreeSet<String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1).filter(|block| value(block, "source").is_some());
    blocks
        .filter_map(|block| Some(format!("{} {}", value(block, "name")?, value(block, "version")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{differing, lock_agrees};

    fn lock(packages: &[(&str, &str)]) -> String {
        let block = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"registry\"\n\n")
        };
        "version = 4\n\n".to_owned() + &packages.iter().map(block).collect::<String>()
    }

    #[test]
    fn another_version_is_named() {
        let root = lock(&[("serde", "1.0.1"), ("tokio", "1.2.0")]);
        assert!(differing(&root, &lock(&[("tokio", "1.2.0")])).is_empty());
        assert_eq!(
            differing(&root, &lock(&[("serde", "1.0.2"), ("new", "0.1.0")])),
            ["new 0.1.0", "serde 1.0.2"]
        );
        let by_path = "[[package]]\nname = \"deposit-acornpay\"\nversion = \"0.1.0\"\n";
        assert!(differing(&root, by_path).is_empty());
    }

    #[test]
    fn the_committed_lock_files_agree() {
        lock_agrees().unwrap();
    }
}
