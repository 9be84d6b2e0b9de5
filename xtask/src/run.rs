//! Running commands and telling how they went.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A cargo command in the workspace's root.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(workspace::root());
    // Set by cargo for this program, about this package: not for the commands that it runs.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// Runs one named step, prints it and the time it took; the error names the step.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let started = Instant::now();
    let done = work();
    let time = started.elapsed();
    match done {
        Ok(()) => {
            println!("== {name}: ok ({time:.1?})");
            Ok(())
        }
        Err(error) => {
            println!("== {name}: FAILED ({time:.1?})");
            Err(error.context(format!("step `{name}` failed")))
        }
    }
}

/// Runs the command with our own output; an error if it fails.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let text = shown(&command);
    println!("$ {text}");
    let status = command.status().with_context(|| format!("cannot start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` ended with {status}");
    }
    Ok(())
}

/// Whether the command can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command's standard output; an error if it fails.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let text = shown(&command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{text}`"))?;
    if !output.status.success() {
        bail!("`{text}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{text}` wrote something else than UTF-8"))
}

/// Runs the command, shows what it writes as it comes, and gives each line (without colours) to `look` as well.
pub(crate) fn watch(mut command: Command, mut look: impl FnMut(&str)) -> Result<()> {
    let text = shown(&command);
    println!("$ {text}");
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{text}`"))?;
    let (sender, lines) = mpsc::channel();
    let out = child.stdout.take().map(|pipe| forward(pipe, sender.clone()));
    let err = child.stderr.take().map(|pipe| forward(pipe, sender));
    for line in lines {
        let mut terminal = std::io::stdout().lock();
        // A closed standard output must not stop the tests.
        let _ = terminal.write_all(&line).and_then(|()| terminal.flush());
        look(&plain(&String::from_utf8_lossy(&line)));
    }
    for reader in [out, err].into_iter().flatten() {
        let _ = reader.join();
    }
    let status = child.wait().with_context(|| format!("waiting for `{text}`"))?;
    if !status.success() {
        bail!("`{text}` ended with {status}");
    }
    Ok(())
}

fn forward(pipe: impl Read + Send + 'static, sender: mpsc::Sender<Vec<u8>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            }
        }
    })
}

/// The text without ANSI escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // ESC [ parameters letter
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_are_removed() {
        assert_eq!(
            plain("\u{1b}[32;1m  Summary\u{1b}[0m [ 1s] \u{1b}[1m3\u{1b}[0m tests"),
            "  Summary [ 1s] 3 tests"
        );
        assert_eq!(plain("plain"), "plain");
    }
}
