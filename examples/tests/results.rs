//! The results page and the README's tables say what the files in docs/results say, and those can be measured again.

#[path = "support/program.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command as Process, Output};

use seminar_examples::results::command::{Command, Program};
use seminar_examples::results::{FOLDER, Figures, PAGE, README, Section, pages, sections};
use support::{program, said};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_pages_are_rendered_from_the_files() {
    for (path, text) in pages(root()).unwrap() {
        let found = fs::read_to_string(&path).unwrap();
        assert!(found == text, "{} is out of date: run `cargo run --example results`", path.display());
    }
}

#[test]
fn every_file_of_figures_belongs_to_a_section_and_says_where_it_is_from() {
    let mut measured = 0;
    for entry in fs::read_dir(root().join(FOLDER)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let section = Section::open(&path.with_extension("toml")).unwrap();
        let figures = Figures::open(&path).unwrap();
        assert!(!figures.measurements.is_empty(), "{} is empty", path.display());
        for measurement in &figures.measurements {
            let hex = measurement.commit.strip_suffix('+').unwrap_or(&measurement.commit);
            let is_hex = hex.chars().all(|letter| matches!(letter, '0'..='9' | 'a'..='f'));
            assert!(hex.len() == 40 && is_hex, "{}: `{}` is no commit", path.display(), measurement.commit);
            assert!(
                measurement.date.len() == 10 && measurement.date.starts_with("20"),
                "{}",
                measurement.date
            );
            assert_eq!(measurement.machine.build, "release", "{}", path.display());
            for label in measurement.rows.keys() {
                let row = section.rows.iter().find(|row| row.label == *label);
                assert!(row.is_some(), "{}: the section has no row `{label}`", path.display());
                measured += 1;
            }
        }
    }
    assert!(measured > 0);
}

/// The flags that a program takes, from its help.
fn flags(name: &str) -> Vec<String> {
    let help = said(&program(name).arg("--help").output().unwrap());
    let word = |letter: char| !(letter.is_alphanumeric() || letter == '-');
    help.split(word).filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn the_programs_of_all_commands_exist_and_take_their_flags() {
    /// Flags that criterion knows in every bench.
    const CRITERION: [&str; 2] = ["--warm-up-time", "--measurement-time"];
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Data that a person fetches, because it may not be bundled: git ignores its folder.
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let fetched = |path: &str| ignored.lines().any(|line| line.strip_prefix('/') == Some(path));
    let mut checked = 0;
    for (section, _) in sections(root()).unwrap() {
        let rows = section.rows.iter().flat_map(|row| section.commands(row));
        for text in section.setup.iter().cloned().chain(rows) {
            let command = Command::parse(&text).unwrap();
            assert!(command.is_release(), "{}: `{text}` without --release", section.name);
            let given = command.arguments.iter().filter(|word| word.starts_with("--"));
            match &command.program {
                Program::Example(cargo) => {
                    let known = known.entry(cargo.name.clone()).or_insert_with(|| flags(&cargo.name));
                    for flag in given {
                        assert!(known.contains(flag), "{}: {} has no flag {flag}", section.name, cargo.name);
                        checked += 1;
                    }
                }
                Program::Bench(cargo) => {
                    let code = root().join("benches").join(format!("{}.rs", cargo.name));
                    let code = fs::read_to_string(&code).unwrap();
                    for flag in given.filter(|flag| !CRITERION.contains(&flag.as_str())) {
                        assert!(code.contains(&format!("\"{flag}\"")), "{}: no flag {flag}", cargo.name);
                    }
                }
                Program::Other(name) => {
                    assert!(["gzip", "python3"].contains(&name.as_str()), "{}: `{name}`", section.name);
                }
            }
            for path in
                command.arguments.iter().filter(|word| word.starts_with("data/") || word.ends_with(".py"))
            {
                assert!(root().join(path).exists() || fetched(path), "{}: no {path}", section.name);
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

const SECTION: &str = r#"
    title = "Toys"
    order = 1
    text = "Made ones."
    setup = ["cargo run --release --example synthesize -- --users 60 --items 30 --events EVENTS --review-words 3 --name Toys --out raw"]
    run = ["cargo run --release --example prepare -- --source amazon --input raw --name Toys --queries QUERIES --out QUERIES"]
    output = "QUERIES/stats.json"
    label = "queries"
    columns = [
        { title = "events", from = { pointer = "/events" }, format = "count" },
        { title = "words", from = { pointer = "/queries" }, optional = true },
        { title = "s", from = "seconds" },
        { title = "theirs", from = { published = "nobody" } },
        { title = "ratio", from = { ratio = ["theirs", "s"] } },
    ]
    rows = [
        { label = "none", set = { QUERIES = "none" }, cells = { theirs = 3 } },
        { label = "words", set = { QUERIES = "description" } },
    ]
"#;

/// A repository with one section, to measure 900 events.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at(FOLDER)).unwrap();
    fs::write(at("docs/results/toys.toml"), SECTION.replace("EVENTS", "900")).unwrap();
    fs::write(at(README), "# Toys\n\n<!-- results: toys begin -->\n<!-- end -->\n").unwrap();
    fs::write(at("code.rs"), "").unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "all"]] {
        let git = Process::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(&folder)
            .output()
            .expect("git");
        assert!(git.status.success(), "{}", said(&git));
    }
    folder
}

fn results(root: &Path, arguments: &[&str]) -> Output {
    program("results").arg("--root").arg(root).args(arguments).output().unwrap()
}

#[test]
fn measuring_keeps_figures_and_renders_pages() {
    let repository = repository();
    let root = repository.path();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let figures = || Figures::open(&root.join("docs/results/toys.json")).unwrap();

    let output = results(root, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(read(PAGE).ends_with("- Toys: `--measure toys`\n"));
    assert!(read(README).contains("Not measured on this code yet"));
    assert_eq!(said(&results(root, &[])), "the pages are up to date\n");

    let output = results(root, &["--measure", "toys", "--no-build", "--row", "none"]);
    assert!(output.status.success(), "{}", said(&output));
    let [first] = &figures().measurements[..] else { panic!("one measurement") };
    assert_eq!(first.rows.keys().collect::<Vec<_>>(), ["none"]);
    assert!(first.commit.len() == 40 && first.machine.cores > 0);
    let row = &first.rows["none"];
    assert!(row.seconds > 0.0 && row.figures["s"] == row.seconds);
    assert_eq!(row.commands[0].matches("none").count(), 2, "{:?}", row.commands);
    let page = read(PAGE);
    let ratio = 3.0 / row.seconds;
    let cells =
        page.lines().find(|line| line.starts_with("| none | ")).unwrap().split(" | ").collect::<Vec<_>>();
    assert_eq!(cells[1].replace(',', ""), row.figures["events"].to_string());
    let shown: f64 = cells[5].trim_end_matches(" |").replace(',', "").parse().unwrap();
    assert!((shown / ratio - 1.0).abs() < 0.01, "{shown} {ratio}");
    assert!(!page.contains("\n| words | "), "{page}");
    assert!(page.contains("- Toys, words: "), "{page}");
    assert!(read(README).contains(cells[1]));

    // Changed code is told, and what is left is measured beside what is there.
    fs::write(root.join("code.rs"), "fn main() {}").unwrap();
    let work = root.join("work");
    let kept = work.to_str().unwrap();
    let output = results(root, &["--measure", "toys", "--no-build", "--row", "words", "--work", kept]);
    assert!(output.status.success(), "{}", said(&output));
    let [old, new] = &figures().measurements[..] else { panic!("two measurements") };
    assert_eq!((old, format!("{}+", old.commit)), (first, new.commit.clone()));
    assert!(work.join("description/corpus.bin").is_file());
    assert!(read(PAGE).contains("; words: ") && !read(PAGE).contains("## Not measured"), "{}", read(PAGE));

    // Other commands make other figures.
    fs::write(root.join("docs/results/toys.toml"), SECTION.replace("EVENTS", "800")).unwrap();
    assert!(results(root, &[]).status.success());
    assert!(!read(PAGE).contains("| none | "), "{}", read(PAGE));
    assert!(read(README).contains("Not measured on this code yet"));
}

#[test]
fn a_failure_names_the_command_and_keeps_what_was_measured() {
    let repository = repository();
    let root = repository.path();
    let measure = |more: &[&str]| {
        let output = results(root, &[&["--measure", "toys", "--no-build"], more].concat());
        assert!(!output.status.success());
        said(&output)
    };
    let json = root.join("docs/results/toys.json");
    let message = measure(&["--row", "other"]);
    assert!(message.contains("--row: toys has no row `other`; its rows are none, words"), "{message}");
    let message = measure(&["--work", root.to_str().unwrap()]);
    assert!(message.contains("--work: ") && message.contains("holds files"), "{message}");
    let output = results(root, &["--measure", "games"]);
    assert!(said(&output).contains("no section `games`; the sections are toys"), "{}", said(&output));
    assert!(!json.exists());

    let broken = SECTION.replace("EVENTS", "900").replace("\"description\"", "\"unheard\"");
    fs::write(root.join("docs/results/toys.toml"), broken).unwrap();
    let message = measure(&[]);
    assert!(message.contains("--queries unheard --out unheard`: exit status: 2"), "{message}");
    let figures = Figures::open(&json).unwrap();
    assert_eq!(figures.measurements[0].rows.keys().collect::<Vec<_>>(), ["none"]);

    let broken = SECTION.replace("EVENTS", "900").replace("\"/events\"", "\"/evens\"");
    fs::write(root.join("docs/results/toys.toml"), broken).unwrap();
    let message = measure(&["--row", "words"]);
    assert!(message.contains("row `words`: description/stats.json has nothing at /evens"), "{message}");
}
