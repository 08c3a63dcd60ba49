//! A command as the pages print it.

/// A command, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is run.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `cargo run … --example NAME --`, with the flags in between.
    Example(Cargo),
    /// `cargo bench … --bench NAME --`, likewise.
    Bench(Cargo),
    /// Any other program, by its name.
    Other(String),
}

/// A binary that cargo builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cargo {
    /// Name of the example or bench.
    pub name: String,
    /// Cargo's flags, such as `--release --example train`.
    pub flags: Vec<String>,
}

impl Command {
    /// Takes a command apart. Double quotes hold words together; a comment ends the line.
    ///
    /// # Errors
    /// If it is empty, or cargo is to run something else than an example or a bench.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut words = words(text).into_iter();
        let first = words.next().ok_or_else(|| anyhow::anyhow!("an empty command"))?;
        if first != "cargo" {
            return Ok(Self { program: Program::Other(first), arguments: words.collect() });
        }
        let verb = words.next().unwrap_or_default();
        let flags: Vec<String> = words.by_ref().take_while(|word| word != "--").collect();
        let named = |flag: &str| {
            let at = flags.iter().position(|word| word == flag)?;
            Some(Cargo { name: flags.get(at + 1)?.clone(), flags: flags.clone() })
        };
        let program = match verb.as_str() {
            "run" => named("--example").map(Program::Example),
            "bench" => named("--bench").map(Program::Bench),
            _ => None,
        };
        let program = program.ok_or_else(|| {
            anyhow::anyhow!(
                "`{text}`: expected `cargo run --example NAME` or `cargo bench --bench NAME`, arguments after `--`"
            )
        })?;
        Ok(Self { program, arguments: words.collect() })
    }

    /// Whether it runs no program of this workspace that is built without optimisation.
    pub fn is_release(&self) -> bool {
        match &self.program {
            Program::Example(cargo) => cargo.flags.iter().any(|flag| flag == "--release"),
            Program::Bench(_) | Program::Other(_) => true,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '#' if !quoted && word.is_none() => break,
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn commands_are_taken_apart() {
        let command =
            Command::parse("cargo run --release --example embed -- --query \"two words\"  # why").unwrap();
        let cargo = Cargo { name: "embed".into(), flags: strings(&["--release", "--example", "embed"]) };
        assert_eq!(command.program, Program::Example(cargo));
        assert_eq!(command.arguments, ["--query", "two words"]);
        assert!(command.is_release());
        assert!(!Command::parse("cargo run --example embed -- --release").unwrap().is_release());
        let command = Command::parse("cargo bench --workspace --bench train_step").unwrap();
        assert!(matches!(command.program, Program::Bench(cargo) if cargo.name == "train_step"));
        let command = Command::parse("gzip --test raw/x.gz").unwrap();
        assert_eq!(command.program, Program::Other("gzip".into()));
        assert_eq!(command.arguments, ["--test", "raw/x.gz"]);
        for wrong in ["", "cargo test", "cargo run -- --example", "cargo run --example"] {
            assert!(Command::parse(wrong).is_err(), "{wrong}");
        }
    }
}
