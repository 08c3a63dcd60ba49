//! Titles and images of the Gift Cards corpus encoded by a small CLIP: killed and resumed, the files are the same bytes;
//! damaged images are recorded; all four directions of search find something.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use seminar_dataset::{AmazonReviews, Corpus, Embeddings, PrepareConfig, WholeFolder};
use seminar_examples::prepare::write_corpus;

fn example(name: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    Command::new(own.parent().unwrap().parent().unwrap().join("examples").join(name))
}

fn bundled(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data")).join(path)
}

/// The corpus, and a folder with an image for most items.
fn gift_cards(folder: &Path) -> (PathBuf, PathBuf) {
    let data = folder.join("corpus");
    let raw = bundled("gift_cards");
    let prepared =
        PrepareConfig::amazon().prepare(&AmazonReviews::locate(&raw, "Gift_Cards").unwrap()).unwrap();
    let report = prepared.report;
    write_corpus(
        prepared.data,
        &report,
        (&raw, "Gift_Cards"),
        &WholeFolder::new(&data, "test"),
        false,
        Instant::now(),
    )
    .unwrap();
    let corpus = Corpus::open(&data).unwrap();
    let images = folder.join("images");
    std::fs::create_dir(&images).unwrap();
    for item in (1..=corpus.item_count() as u32).filter(|item| item % 7 != 0) {
        let path = images.join(format!("{}.png", corpus.item_name(item)));
        let picture = RgbImage::from_fn(40 + item % 30, 40 + item % 17, |x, y| {
            Rgb([(x * 5 + item * 31) as u8, (y * 3 + item * 67) as u8, (item * 13) as u8])
        });
        picture.save(&path).unwrap();
        if item == 10 {
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }
    }
    (data, images)
}

fn embed(data: &Path, images: &Path) -> Command {
    let mut command = example("embed");
    command.arg("--data").arg(data).arg("--images").arg(images);
    command.arg("--checkpoint").arg(bundled("golden/clip/clip_tiny_torchscript.pt"));
    command.args(["--chunk", "4"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn killed_and_resumed_the_files_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (data, images) = gift_cards(folder.path());
    let files = ["text.emb", "image.emb", "image_failures.tsv", "embeddings.json"];
    let read = || files.map(|file| std::fs::read(data.join(file)).unwrap());
    assert!(embed(&data, &images).status().unwrap().success());
    let expected = read();
    let failures = String::from_utf8(expected[2].clone()).unwrap();
    assert_eq!(failures.lines().count(), 1, "{failures}");
    files.iter().for_each(|file| std::fs::remove_file(data.join(file)).unwrap());

    // Three kills while texts are encoded, three while images are, each after some progress.
    for (kill, file) in ["text.emb.partial", "image.emb.partial"].iter().flat_map(|f| [f; 3]).enumerate() {
        let size = || std::fs::metadata(data.join(file)).map_or(0, |file| file.len());
        let (before, mut child) = (size(), embed(&data, &images).spawn().unwrap());
        while size() <= before {
            assert!(child.try_wait().unwrap().is_none(), "ended without a kill");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(3 * (kill as u64 % 3)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(embed(&data, &images).status().unwrap().success());
    assert!(read() == expected, "after kills");
    assert!(!data.join("text.emb.partial").exists() && !data.join("image.emb.partial").exists());

    let corpus = Corpus::open(&data).unwrap();
    let (text, image) = (
        Embeddings::open(&data.join("text.emb")).unwrap(),
        Embeddings::open(&data.join("image.emb")).unwrap(),
    );
    assert_eq!(
        text.ids().len(),
        (1..=corpus.item_count() as u32).filter(|&i| corpus.title(i).is_some()).count()
    );
    assert_eq!(image.ids().len(), corpus.item_count() - corpus.item_count() / 7 - 1);
    let output = example("cross_modal_search")
        .arg("--data")
        .arg(&data)
        .args(["--item", corpus.item_name(12), "--query", "birthday card", "--topk", "3"])
        .arg("--checkpoint")
        .arg(bundled("golden/clip/clip_tiny_torchscript.pt"))
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    for direction in ["text → text", "text → image", "image → text", "image → image"] {
        assert!(found.contains(direction), "{found}");
    }
    // What was assumed is said, unless it was set; an unknown activation is refused by the flag's name.
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("QuickGELU is assumed") && said.contains("--clip-activation"), "{said}");
    for (activation, word, absent) in [("gelu", "Gelu", "assumed"), ("relu", "--clip-activation", "assumed")]
    {
        let output = example("cross_modal_search")
            .arg("--data")
            .arg(&data)
            .args(["--query", "card", "--clip-activation", activation, "--checkpoint"])
            .arg(bundled("golden/clip/clip_tiny_torchscript.pt"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(word) && !said.contains(absent), "{said}");
    }
    // An item is its own nearest neighbour.
    let own = format!("1.0000  {}", corpus.item_name(12));
    assert_eq!(found.matches(&own).count(), 2, "{found}");
}

#[test]
fn without_a_checkpoint_the_offline_encoders_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let (data, images) = gift_cards(folder.path());
    let output = example("embed").arg("--data").arg(&data).arg("--images").arg(&images).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("hashed n-grams") && said.contains("histograms"), "{said}");
    let search = example("cross_modal_search")
        .arg("--data")
        .arg(&data)
        .args(["--query", "olive garden"])
        .output()
        .unwrap();
    let found = String::from_utf8(search.stdout).unwrap();
    let best = found.lines().nth(1).unwrap_or_default().to_lowercase();
    assert!(best.contains("olive garden"), "{found}");
    let wrong =
        example("embed").arg("--data").arg(&data).args(["--checkpoint", "/nowhere.pt"]).output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("nowhere.pt"));
}

/// Over the real titles: pairs with a rare word in common are nearer than pairs without any word in common.
#[test]
fn titles_that_share_words_are_nearer() {
    use seminar_clip_encoder::ItemEncoder;
    /// Titles that a rare word occurs in at most.
    const RARE: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = gift_cards(folder.path());
    let corpus = Corpus::open(&data).unwrap();
    let titles: Vec<&str> = (1..=corpus.item_count() as u32).filter_map(|item| corpus.title(item)).collect();
    let encoder = seminar_clip_encoder::HashedText::fit(titles.iter().copied(), 512, 7);
    let rows = encoder.encode_texts(&titles).unwrap();
    let words = |title: &str| -> std::collections::BTreeSet<String> {
        title
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| w.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let sets: Vec<_> = titles.iter().map(|title| words(title)).collect();
    let (mut sharing, mut apart) = (Vec::new(), Vec::new());
    for a in 0..titles.len() {
        for b in 0..a {
            let dot: f32 = (0..512).map(|d| rows[a * 512 + d] * rows[b * 512 + d]).sum();
            let common: Vec<&String> = sets[a].intersection(&sets[b]).collect();
            let rare = |word: &&String| sets.iter().filter(|set| set.contains(*word)).count() <= RARE;
            if common.is_empty() {
                apart.push(dot);
            } else if common.iter().any(rare) {
                sharing.push(dot);
            }
        }
    }
    assert!(sharing.len() > 100 && apart.len() > 100, "{} {}", sharing.len(), apart.len());
    apart.sort_by(f32::total_cmp);
    // Nearly every pair that shares a rare word is nearer than all but a hundredth of the pairs that share none.
    let high = apart[apart.len() * 99 / 100];
    let above = sharing.iter().filter(|&&dot| dot > high).count() as f64 / sharing.len() as f64;
    assert!(above > 0.98, "{above} of {} pairs", sharing.len());
}
