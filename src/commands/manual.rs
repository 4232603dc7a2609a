//! `etcd-sd manual`: the manual pages, made from what `--help` says.
//!
//! `clap_mangen` renders name, description and options. What `--help` adds at its end
//! becomes sections here: a paragraph that begins with `Signals: ` is the section of that name,
//! and indented lines are examples, which stay as they are.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{Error, print};
use crate::config::{Arguments, ManualArgs};

/// What the pages are part of, at their head.
const MANUAL: &str = "etcd-sd manual";

/// Where there is more to read than in a manual page.
const SEE_ALSO: &str =
    "README.md and docs/operating.md, in /usr/share/doc/etcd-sd or beside the source.";

pub(super) fn run(args: &ManualArgs) -> Result<i32, Error> {
    let page = page(args.command.as_deref())?;
    print(|out| out.write_all(&page)).map(|()| 0)
}

/// The page of a command, or that of the program.
fn page(name: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    match name {
        None => write(&mut page, &program, commands(&program)).map_err(Error::Print)?,
        Some(name) => {
            let command = program.find_subcommand(name).ok_or_else(|| Error::NoCommand {
                name: name.to_owned(),
                known: names(&program).join(", "),
            })?;
            let program = vec![page_name(program.get_name())];
            write(&mut page, command, program).map_err(Error::Print)?;
        }
    }
    Ok(page)
}

fn names(program: &Command) -> Vec<&str> {
    program.get_subcommands().map(Command::get_name).collect()
}

fn commands(program: &Command) -> Vec<String> {
    let pages = names(program).into_iter().map(|name| format!("{}-{name}", program.get_name()));
    pages.map(|page| page_name(&page)).collect()
}

/// As other pages name it.
fn page_name(page: &str) -> String {
    format!("{page}(1)")
}

fn write(out: &mut dyn Write, command: &Command, mut see_also: Vec<String>) -> io::Result<()> {
    let source = concat!("etcd-sd ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual(MANUAL);
    man.render_title(out)?;
    man.render_name_section(out)?;
    synopsis(out, command)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    let mut roff = Roff::new();
    if let Some(more) = command.get_after_long_help() {
        sections(&mut roff, &more.to_string());
    }
    roff.control("SH", ["SEE ALSO"]);
    see_also.extend(["prometheus(1)".to_owned(), "etcdctl(1)".to_owned()]);
    roff.text([roman(see_also.join(", "))]);
    roff.control("PP", []).text([roman(SEE_ALSO)]);
    roff.to_writer(out)
}

/// The usage as `--help` has it: all flags in a row are read by nobody.
fn synopsis(out: &mut dyn Write, command: &Command) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).control("nf", []);
    for line in usage.trim_start_matches("Usage:").lines() {
        roff.text([roman(line.trim())]);
    }
    roff.control("fi", []);
    roff.to_writer(out)
}

/// The paragraphs at the end of `--help`.
fn sections(roff: &mut Roff, text: &str) {
    for paragraph in text.split("\n\n") {
        let rest = if let Some((title, rest)) = title(paragraph) {
            roff.control("SH", [title.to_uppercase().as_str()]);
            rest
        } else {
            roff.control("PP", []);
            paragraph
        };
        let is_example = rest.lines().all(|line| line.starts_with(' '));
        if is_example {
            roff.control("nf", []);
        }
        for line in rest.lines() {
            roff.text([roman(line)]);
        }
        if is_example {
            roff.control("fi", []);
        }
    }
}

/// What a paragraph begins with, if it names itself, and the rest of it.
fn title(paragraph: &str) -> Option<(&str, &str)> {
    let (title, rest) = paragraph.split_once(':')?;
    let is_title = title.starts_with(|c: char| c.is_ascii_uppercase())
        && title.chars().all(|c| c == ' ' || c.is_ascii_alphabetic());
    // An example's first line keeps its indentation.
    let rest = rest.strip_prefix([' ', '\n']).unwrap_or(rest);
    is_title.then_some((if title == "Exit codes" { "Exit status" } else { title }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: Option<&str>) -> String {
        // Hyphens that are to be copied are escaped.
        String::from_utf8(page(name).expect("a page")).expect("UTF-8").replace("\\-", "-")
    }

    #[test]
    fn the_programs_page_has_every_flag_its_variable_and_all_sections() {
        let page = text(None);
        let mut program = Arguments::command();
        program.build();
        for argument in program.get_arguments() {
            let flag = argument.get_long().expect("a flag");
            assert!(page.contains(&format!("--{flag}")), "--{flag}");
            if let Some(variable) = argument.get_env() {
                let variable = variable.to_str().expect("UTF-8");
                assert!(page.contains(variable), "{variable}");
            }
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SIGNALS", "EXIT STATUS", "SEE ALSO"] {
            let named = |line: &str| {
                line == format!(".SH {section}") || line == format!(".SH \"{section}\"")
            };
            assert!(page.lines().any(named), "{section}");
        }
        assert!(page.contains("\n.nf\n  scrape_configs:\n"), "{page}");
    }

    #[test]
    fn every_command_has_a_page_and_another_name_is_refused_with_those_that_there_are() {
        let program = Arguments::command();
        for name in names(&program) {
            assert!(text(Some(name)).contains(&format!("etcd-sd-{name} - ")), "{name}");
        }
        let error = page(Some("diffs")).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        assert!(said.contains("diffs") && said.contains("check, diff"), "{said}");
    }
}
