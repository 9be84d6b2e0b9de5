//! `deposit completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, print};

pub(super) const EXAMPLES: &str = "Examples:
  deposit completions bash > ~/.local/share/bash-completion/completions/deposit
  deposit completions zsh > ~/.zfunc/_deposit
  deposit completions fish > ~/.config/fish/completions/deposit.fish";

pub(super) fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    print::line(script(shell).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Into memory first: the generator panics where writing fails.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "deposit", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_the_commands() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["create", "limits", "status", "watch", "completions", "serve", "--idempotency-key"] {
                assert!(script.contains(word.trim_start_matches("--")), "{shell}: {word}");
            }
        }
    }
}
