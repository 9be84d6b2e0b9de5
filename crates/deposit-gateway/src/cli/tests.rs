//! What the program says about itself, and that it says it everywhere in the same way.

use clap::{Command as Clap, CommandFactory as _};

use super::*;

/// Every command that does something, with its name as it is typed.
fn leaves(command: &Clap, name: &str, found: &mut Vec<(String, Clap)>) {
    if !command.has_subcommands() {
        found.push((name.to_owned(), command.clone()));
    }
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        leaves(sub, &format!("{name} {}", sub.get_name()), found);
    }
}

fn commands() -> Vec<(String, Clap)> {
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    leaves(&cli, "deposit", &mut found);
    found
}

/// After a change that is meant: `INSTA_UPDATE=always cargo nextest run -p deposit-gateway cli::tests`.
#[test]
fn help() {
    let mut cli = Cli::command();
    insta::assert_snapshot!("deposit", cli.render_long_help());
    for (name, mut command) in commands() {
        insta::assert_snapshot!(name.replace(' ', "-"), command.render_long_help());
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

/// Those that print nothing for people, or one thing that a script takes as it is.
const WITHOUT_JSON: &[&str] = &[
    "deposit serve",
    "deposit sandbox",
    "deposit keys create",
    "deposit keys revoke",
    "deposit completions",
    "deposit openapi",
];

#[test]
fn whatever_prints_for_people_prints_json_too() {
    for (name, command) in commands() {
        let has = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        assert!(has || WITHOUT_JSON.contains(&name.as_str()), "{name} has no --json");
    }
}

#[test]
fn every_command_has_an_example_and_no_argument_takes_a_secret() {
    for (name, command) in commands() {
        let help = command.clone().render_long_help().to_string();
        // Those that have neither an argument nor a choice need none.
        let bare = !command
            .get_arguments()
            .any(|a| !a.is_global_set() && !["help", "json"].contains(&a.get_id().as_str()));
        assert!(bare || help.contains("Example"), "{name} has no example");
        for argument in command.get_arguments() {
            let long = argument.get_long().unwrap_or_default();
            assert!(!["key", "api-key", "token", "secret", "seed-phrase"].contains(&long), "{name} --{long}");
        }
    }
}
