//! The commands of the documents run as they stand, from nothing but a folder with the bundled reviews.

use std::path::Path;
use std::process;

use seminar_examples::results::command::{Command, Program};

/// The commands in a page's `sh` blocks, in their order; a backslash at the end of a line joins it with the next.
fn commands(page: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut inside = false;
    let mut begun = String::new();
    for line in page.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            "" => {}
            line if inside => match line.strip_suffix('\\') {
                Some(part) => begun.push_str(part),
                None => all.push(std::mem::take(&mut begun) + line),
            },
            _ => {}
        }
    }
    assert!(begun.is_empty(), "{begun} goes on nowhere");
    all
}

/// The example that a command runs, and its arguments.
fn example(command: &str) -> (String, Vec<String>) {
    let parsed = Command::parse(command).unwrap();
    assert!(parsed.is_release(), "{command}");
    let Program::Example(cargo) = parsed.program else { panic!("`{command}` runs no example") };
    (cargo.name, parsed.arguments)
}

#[test]
fn words_of_a_command() {
    let page =
        "```sh\ncargo run --release --example embed -- --data a \\\n  --query \"two words\" # why\n```\n`x`";
    let [command] = &commands(page)[..] else { panic!("one command") };
    let words = ["--data", "a", "--query", "two words"].map(str::to_owned).to_vec();
    assert_eq!(example(command), ("embed".into(), words));
    assert_eq!(example("cargo run --release --example quickstart"), ("quickstart".into(), Vec::new()));
}

#[test]
fn the_commands_of_the_page_on_recommending_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/recommend.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("data/gift_cards");
    std::fs::create_dir_all(&raw).unwrap();
    for entry in std::fs::read_dir(root.join("data/gift_cards")).unwrap() {
        let file = entry.unwrap();
        std::fs::copy(file.path(), raw.join(file.file_name())).unwrap();
    }
    let own = std::env::current_exe().unwrap();
    let examples = own.parent().unwrap().parent().unwrap().join("examples");
    let mut said = String::new();
    let all = commands(&page);
    for command in &all {
        let (name, arguments) = example(command);
        let output = process::Command::new(examples.join(name)).args(arguments).current_dir(&folder).output();
        let output = output.expect("`cargo test` builds the example binaries");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        said += &String::from_utf8(output.stdout).unwrap();
    }
    assert!(all.len() >= 5, "{all:?}");
    for part in ["leans on", "{\"user\":\"you\",\"hits\":[{\"id\":\"B", "456 users; "] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let lines = std::fs::read_to_string(folder.path().join("out/everyone.csv")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 5 * 456);
    let stats = std::fs::read_to_string(folder.path().join("out/everyone.json")).unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((&stats["users"], &stats["resumed"]), (&456.into(), &0.into()));
    assert!(stats["users_per_second"].as_f64().unwrap() > 0.0, "{stats}");
}

/// What Rust files below a folder say, with continued strings on one line.
fn source(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut parts = text.split("\\\n");
            all.push_str(parts.next().unwrap_or_default());
            parts.for_each(|part| all.push_str(part.trim_start()));
        }
    }
}

#[test]
fn the_messages_of_the_troubleshooting_page_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let mut code = String::new();
    let folders = [
        "crates/clip-encoder/src",
        "crates/dataset/src",
        "crates/models/src",
        "crates/trainer/src",
        "examples",
    ];
    for folder in folders {
        source(&root.join(folder), &mut code);
    }
    // Messages of the operating system, and names that a message is made with.
    let foreign = ["No such file or directory", "Permission denied", "text.emb: cannot open"];
    let messages: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|message| !foreign.contains(message))
        .collect();
    assert!(messages.len() > 30, "{messages:?}");
    let mut missing = Vec::new();
    for message in messages {
        for part in message.split('…').map(|part| part.trim_matches([' ', '='])) {
            let part = part.strip_prefix("width: ").or(part.strip_prefix("text_width: ")).unwrap_or(part);
            let part = part.strip_prefix("query: ").unwrap_or(part).trim_end_matches([';', ',']);
            if !code.contains(part) {
                missing.push(part);
            }
        }
    }
    assert_eq!(missing, [""; 0], "parts that no message has");
}

/// The lines of the first `toml` block of a page.
fn dependencies(page: &str) -> Vec<String> {
    let (_, block) =
        page.split_once("```toml\n[dependencies]\n").expect("the page shows its lines in Cargo.toml");
    let (block, _) = block.split_once("```").expect("the block ends");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn front_pages_show_dependencies_with_versions_and_features_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let workspace = std::fs::read_to_string(crates.join("../Cargo.toml")).unwrap();
    let burn = workspace.lines().find(|line| line.starts_with("burn = ")).unwrap();
    let (own, _) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
    for name in ["dataset", "models", "trainer", "ann-retrieval", "clip-encoder"] {
        let code = std::fs::read_to_string(crates.join(name).join("src/lib.rs")).unwrap();
        let docs: String = code
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect();
        let readme = std::fs::read_to_string(crates.join(name).join("README.md")).unwrap();
        let lines = dependencies(&docs);
        assert_eq!(lines, dependencies(&readme), "{name}: two front pages");
        assert!(lines[0].starts_with(&format!("seminar-{name} = ")), "{name}: {lines:?}");
        let manifest = std::fs::read_to_string(crates.join(name).join("Cargo.toml")).unwrap();
        let declared: Vec<&str> = match manifest.split_once("[features]\n") {
            Some((_, rest)) => {
                rest.lines().map_while(|line| line.split_once(" = ")).map(|(name, _)| name).collect()
            }
            None => Vec::new(),
        };
        for line in &lines {
            let version = line.split('"').nth(1).unwrap();
            match line.starts_with("burn") {
                true => assert!(burn.contains(&format!("\"{version}.")), "{name}: {line}"),
                false => assert_eq!(version, own, "{name}: {line}"),
            }
            if let Some((_, features)) =
                line.split_once("features = [").filter(|_| line.starts_with("seminar"))
            {
                let asked = features.split('"').nth(1).unwrap();
                assert!(declared.contains(&asked), "{name}: {line}, there are {declared:?}");
            }
        }
        for feature in declared {
            assert!(docs.contains(&format!("`{feature}`")), "{name}: feature {feature} is not explained");
        }
    }
}
