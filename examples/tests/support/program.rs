//! The example binaries, called from tests.

use std::path::PathBuf;
use std::process::{Command, Output};

/// An example binary beside this test: `cargo test` builds them.
pub fn program(name: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let path: PathBuf = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is not built", path.display());
    let mut command = Command::new(path);
    command.env_remove("RUST_BACKTRACE");
    command
}

/// Both streams of a finished program.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
