//! The frame of every example: flags, `--version`, help with an example, errors in terms of flags, output into closed pipes.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches};
use seminar_trainer::Error;

use crate::settings::FLAGS;

/// The order in which the programs are used, at the end of every `--help`.
const STEPS: &str = "Order of steps: prepare (raw files to a corpus) → embed (vectors of titles and pictures, optional) → train → evaluate → \
                     recommend. `quickstart` does all of them on bundled data.";

/// Exit code of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Parses the flags and does the work. The result is the process's exit code.
///
/// - `example`: arguments that work, shown by `--help`.
pub fn run<A: CommandFactory + FromArgMatches>(
    example: &str,
    work: impl FnOnce(A) -> anyhow::Result<()>,
) -> ExitCode {
    let command = described(A::command(), example);
    let args = A::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    report(work(args))
}

/// Adds what every `--help` shows.
pub fn described(command: Command, example: &str) -> Command {
    let name = command.get_name().to_owned();
    let name = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or(name);
    command
        .display_name(name.clone())
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(format!("Example:\n  cargo run --release --example {name} -- {example}\n\n{STEPS}"))
}

/// Prints an error, if there is one. The result is the process's exit code.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Nobody reads it if the terminal is gone.
    let _ = writeln!(std::io::stderr(), "Error: {}", message(&error));
    match error.downcast_ref::<Error>() {
        Some(Error::Stopped { .. }) => ExitCode::from(INTERRUPTED),
        _ => ExitCode::FAILURE,
    }
}

/// The error and its causes in one sentence. Settings of the libraries are named by their flags.
pub fn message(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = with_flag(cause.to_string());
        // Some errors repeat the text of their cause.
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Replaces the name of a setting by its flag: at the start of an error, and where a checkpoint was made with another value.
fn with_flag(text: String) -> String {
    let flag = FLAGS.iter().find_map(|(field, flag)| {
        if let Some(rest) = text.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")) {
            return Some(format!("{flag}: {rest}"));
        }
        let (before, rest) = text.split_once(&format!("was made with {field} = "))?;
        Some(format!("{before}was made with {flag} = {rest}"))
    });
    flag.unwrap_or(text)
}

/// Writes to the standard output. The reader, such as `head`, may have closed the pipe: then nobody wants to know. Any other
/// refusal, such as a full disk, ends the process with an error.
pub fn print(text: impl Display) {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "Error: cannot write to the standard output: {error}");
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes a line to the terminal, as [`print()`] does.
pub fn say(line: impl Display) {
    print(format_args!("{line}\n"));
}

/// Like `println!`, for [`say()`].
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::program::say(format_args!($($part)*)) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn errors_name_flags_and_say_nothing_twice() {
        let library =
            Error::Config { field: "top_k", message: "120 is more than the history's 100 events".into() };
        let error = anyhow::Error::new(library).context("TWIN");
        assert_eq!(message(&error), "TWIN: --retrieve-topk: 120 is more than the history's 100 events");
        let twice = Err::<(), _>(anyhow!("cannot open x")).context("stats: cannot open x").unwrap_err();
        assert_eq!(message(&twice), "stats: cannot open x");
    }
}
