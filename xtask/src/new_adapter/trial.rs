//! `cargo xtask new-adapter NAME --check`: does it in a copy of the workspace, and compiles that. Takes a minute or more.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Name, write};
use crate::run::{cargo, output, run};
use crate::workspace;

/// Scaffolds in a copy: it compiles without a warning, and its suite fails, each case with what is to be written.
pub(crate) fn trial(name: &str) -> Result<()> {
    let name = Name::new(name)?;
    let copy = std::env::temp_dir().join(format!("deposit-new-adapter-{}", std::process::id()));
    let done = copy_tree(&workspace::root(), &copy).and_then(|()| tried(&copy, name));
    fs::remove_dir_all(&copy).with_context(|| format!("removing {}", copy.display()))?;
    done
}

/// All files that git knows or would know.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(from);
    for path in output(list)?.lines() {
        // Deleted, and not told to git yet.
        if !from.join(path).is_file() {
            continue;
        }
        let target = to.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(path), &target).with_context(|| format!("copying {path}"))?;
    }
    Ok(())
}

fn tried(copy: &Path, name: Name<'_>) -> Result<()> {
    write(copy, name)?;
    let n = name.text();
    let package = format!("deposit-{n}");
    let feature = format!("deposit-facade/{n}");
    let target = workspace::target_directory()?;
    let at = |args: &[&str]| {
        let mut command = cargo(args.iter().copied());
        command.current_dir(copy).env("CARGO_TARGET_DIR", &target);
        command
    };
    run(at(&["fmt", "--all", "--check"]))?;
    let packages = ["-p", &package, "-p", "deposit-sandbox", "-p", "deposit-facade", "--features", &feature];
    run(at(&[&["check"], &packages[..]].concat()))?;
    let lints = ["--all-targets", "--", "-D", "warnings"];
    run(at(&[&["clippy"], &packages[..], &lints].concat()))?;
    run(at(&["test", "-p", &package, "--lib", "--quiet"]))?;
    run(at(&["test", "-p", &package, "--doc", "--quiet"]))?;

    // The suite fails, and says by itself what is missing.
    let mut suite = at(&["test", "-p", &package, "--test", "conformance", "--no-fail-fast"]);
    let result = suite.env("RUST_BACKTRACE", "0").output().context("running the suite")?;
    ensure!(!result.status.success(), "the suite passes though nothing is written");
    let text = String::from_utf8_lossy(&result.stdout);
    let failed = blocks(&text);
    ensure!(!failed.is_empty(), "no case of the suite failed");
    for (case, message) in &failed {
        ensure!(message.contains("to be written"), "{case} does not say what is to be written: {message}");
    }
    println!("{n}: compiles; {} cases fail and say what is to be written", failed.len());
    Ok(())
}

/// (case, what it printed) of each failed test in libtest's output.
fn blocks(text: &str) -> Vec<(String, String)> {
    let parts = text.split("\n---- ").skip(1);
    let cases = parts.filter_map(|part| part.split_once(" stdout ----"));
    cases
        .map(|(case, rest)| {
            (case.to_owned(), rest.split("\n\nfailures:").next().unwrap_or_default().trim().to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn failures_are_taken_apart() {
        let text = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nthread 'a' panicked: to be written: x\n\n---- b stdout ----\nother\n\nfailures:\n    a\n    b\n";
        let found = blocks(text);
        assert_eq!(found[0], ("a".to_owned(), "thread 'a' panicked: to be written: x".to_owned()));
        assert_eq!(found[1], ("b".to_owned(), "other".to_owned()));
    }
}
