//! `etcd-sd completions`: what shells complete the command line with.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{Error, print};
use crate::config::{Arguments, CompletionsArgs};

pub(super) fn run(args: &CompletionsArgs) -> Result<i32, Error> {
    let script = script(args.shell);
    print(|out| out.write_all(&script)).map(|()| 0)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, &name, &mut script);
    if shell == Shell::Bash {
        // clap_complete 4.6 takes a hyphen in the program's name for the start of a command where
        // it completes those, and not where it looks which one there is.
        let (taken, meant) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
        let text = String::from_utf8_lossy(&script);
        script = text.replace(&taken, &meant).into_bytes();
    }
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_flag_and_command() {
        let command = Arguments::command();
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).expect("UTF-8");
            let flags = command.get_arguments().filter_map(clap::Arg::get_long);
            for name in flags.chain(command.get_subcommands().map(clap::Command::get_name)) {
                assert!(script.contains(name), "{shell}: {name}");
            }
        }
    }
}
