//! Files that ask for far more than they are: each is refused within seconds, with a clear error and little memory.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use seminar_clip_encoder::Weights;
use seminar_dataset::{AmazonReviews, KuaiSar, PrepareConfig, Queries, import_pth, s3rec};
use seminar_hostile::campaign::{ALLOWANCE, PATIENCE};
use seminar_hostile::{memory, sample, targets};
use seminar_models::weights;

/// The memory of one loader at a time can be told.
fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refused loader says; panics if it took the file, too much memory or too long.
fn refusal<T, E: std::fmt::Display>(what: &str, load: impl FnOnce() -> Result<T, E>) -> String {
    let (start, before) = (memory::mark(), Instant::now());
    let loaded = load();
    let (taken, bytes) = (before.elapsed(), memory::peak_since(start));
    let Err(error) = loaded else { panic!("{what} was taken") };
    let message = error.to_string();
    assert!(bytes <= ALLOWANCE, "{what}: {bytes} bytes before: {message}");
    assert!(taken < PATIENCE, "{what}: {taken:?} before: {message}");
    println!("{what}: {:.1} MB, {taken:.0?}: {message:.140}", bytes as f64 / 1e6);
    message
}

fn said(message: &str, words: &[&str]) {
    assert!(words.iter().any(|word| message.contains(word)), "`{message}` names none of {words:?}");
}

/// Writes `head`, then `length` bytes of `x`: as they are, or compressed.
fn long_line(path: &Path, head: &str, length: usize) {
    let file = File::create(path).unwrap();
    let block = vec![b'x'; 1 << 20];
    let fill = |out: &mut dyn Write| {
        out.write_all(head.as_bytes()).unwrap();
        (0..length >> 20).for_each(|_| out.write_all(&block).unwrap());
    };
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut out = GzEncoder::new(file, Compression::fast());
        fill(&mut out);
        out.finish().unwrap();
    } else {
        // Zeros that take no room on the disk are as long a line.
        let mut file = file;
        file.write_all(head.as_bytes()).unwrap();
        file.set_len(length as u64).unwrap();
    }
}

const GIGABYTE: usize = 1 << 30;

fn amazon(reviews: &Path, meta: Option<&Path>) -> seminar_dataset::Result<()> {
    PrepareConfig::amazon().prepare(&AmazonReviews::new(reviews, meta.map(Path::to_owned))).map(drop)
}

#[test]
fn a_line_of_a_gigabyte() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    for name in ["Toys_5.json", "Toys_5.json.gz"] {
        let path = folder.path().join(name);
        long_line(&path, "{\"reviewerID\": \"", GIGABYTE);
        let message = refusal(&format!("review line in {name}"), || amazon(&path, None));
        said(&message, &["line", "longer", "limit"]);
    }
    let good = folder.path().join("Good_5.json");
    std::fs::write(&good, sample::reviews()).unwrap();
    let meta = folder.path().join("meta_Toys.json.gz");
    long_line(&meta, "{'asin': 'B1', 'title': '", GIGABYTE);
    said(&refusal("metadata line", || amazon(&good, Some(&meta))), &["line", "limit"]);

    let columns = "user_id,item_id,timestamp,click\n1,1,5,";
    let logs = folder.path().join("rec_inter.csv");
    long_line(&logs, columns, GIGABYTE);
    write_searches(folder.path());
    said(&refusal("csv row", || kuaisar(folder.path())), &["row", "limit"]);

    sample::write_texts(folder.path()).unwrap();
    for (ending, text) in sample::TEXT_FILES {
        let plain = folder.path().join(format!("toy{ending}"));
        let packed = folder.path().join(format!("toy{ending}.gz"));
        let import = || s3rec::import(folder.path(), "toy", Queries::Logged);
        long_line(&plain, "{\"1 ", GIGABYTE);
        // Zeros are no text: JSON is refused at the first of them.
        said(&refusal(&format!("line of toy{ending}"), import), &["limit", "control character"]);
        std::fs::remove_file(&plain).unwrap();
        long_line(&packed, "{\"1 ", GIGABYTE);
        said(&refusal(&format!("line of toy{ending}.gz"), import), &["limit"]);
        std::fs::remove_file(&packed).unwrap();
        std::fs::write(&plain, text).unwrap();
    }
}

/// KuaiSAR's other file, sound.
fn write_searches(folder: &Path) {
    let text = "user_id,search_session_timestamp,keyword,item_id,click_cnt\n1,5,[1],1,1\n";
    std::fs::write(folder.join("src_inter.csv"), text).unwrap();
}

fn kuaisar(folder: &Path) -> seminar_dataset::Result<()> {
    PrepareConfig::kuaisar().prepare(&KuaiSar::new(folder)).map(drop)
}

#[test]
fn a_million_columns() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..1_000_000).map(|n| format!(",c{n}")).collect();
    write_searches(folder.path());
    let rec = folder.path().join("rec_inter.csv");
    std::fs::write(&rec, format!("user_id{many}\n1\n")).unwrap();
    said(&refusal("header", || kuaisar(folder.path())), &["row"]);
    // Rows as wide, under a header of the right width.
    let commas = ",".repeat(1_000_000);
    let rows: String = (0..20).map(|n| format!("{n}{commas}\n")).collect();
    std::fs::write(&rec, format!("user_id,item_id,timestamp,click\n{rows}")).unwrap();
    said(&refusal("rows", || kuaisar(folder.path())), &["number of columns"]);
}

#[test]
fn a_picture_of_a_hundred_megapixels() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    let open = || seminar_clip_encoder::open_image(&path);
    // Whole: a gray square compresses to a hundredth.
    let side = 10_000;
    let gray = image::GrayImage::new(side, side);
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP] {
        let mut bytes = Cursor::new(Vec::new());
        let written = match format {
            image::ImageFormat::WebP => {
                image::DynamicImage::ImageLuma8(gray.clone()).to_rgb8().write_to(&mut bytes, format)
            }
            _ => gray.write_to(&mut bytes, format),
        };
        written.unwrap();
        std::fs::write(&path, bytes.into_inner()).unwrap();
        said(&refusal(&format!("{format:?}"), open), &["pixel", "limit"]);
    }
    drop(gray);
    // Claimed: a bitmap's header with nothing behind it.
    let mut header = vec![b'B', b'M'];
    header.extend([0u32, 0, 54, 40, side, side].iter().flat_map(|n| n.to_le_bytes()));
    header.extend([1u16, 24].iter().flat_map(|n| n.to_le_bytes()));
    header.extend([0; 24]);
    std::fs::write(&path, header).unwrap();
    refusal("claimed bitmap", open);
}

#[test]
fn long_thin_pictures_take_little_memory() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.png");
    // The last one is as long as a file of any length may be.
    for (width, height) in [(5_340, 1), (1, 5_340), (60_000, 2), (4_000_000, 1), (1, 4_000_000)] {
        image::GrayImage::from_pixel(width, height, image::Luma([200])).save(&path).unwrap();
        let picture = seminar_clip_encoder::open_image(&path).unwrap();
        let (start, before) = (memory::mark(), Instant::now());
        let pixels = seminar_clip_encoder::preprocess(&picture, 224).unwrap();
        let offline = seminar_clip_encoder::ColourAndEdges::new(64, 7);
        let vector = seminar_clip_encoder::ItemEncoder::encode_images(&offline, &[picture]).unwrap();
        let (taken, bytes) = (before.elapsed(), memory::peak_since(start));
        assert!(bytes <= ALLOWANCE && taken < PATIENCE, "{width} x {height}: {bytes} bytes, {taken:?}");
        assert!(pixels.iter().all(|x| x.is_finite()) && vector.iter().any(|x| *x != 0.0));
        println!("{width} x {height}: {:.1} MB, {taken:.0?}", bytes as f64 / 1e6);
    }
}

/// An archive as PyTorch writes them, with this pickle and entries of zeros.
fn archive(path: &Path, pickle: &[u8], entries: &[(&str, usize)], method: zip::CompressionMethod) {
    let mut out = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    out.start_file("archive/data.pkl", options).unwrap();
    out.write_all(pickle).unwrap();
    out.start_file("archive/version", options).unwrap();
    out.write_all(b"3\n").unwrap();
    let zeros = vec![0; 1 << 20];
    for (name, length) in entries {
        out.start_file(*name, options.large_file(true)).unwrap();
        (0..length >> 20).for_each(|_| out.write_all(&zeros).unwrap());
    }
    out.finish().unwrap();
}

/// Each reader of such archives.
fn archives(path: &Path, what: &str) {
    refusal(&format!("{what}, vectors"), || import_pth(path, 5, |key| Some(1 + key.len() as u32 % 5)));
    refusal(&format!("{what}, weights"), || weights::read(path));
    refusal(&format!("{what}, CLIP"), || Weights::read(path));
}

#[test]
fn an_archive_bomb() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.pt");
    // The pickle itself, of a gigabyte: a megabyte in the file.
    let mut out = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    out.start_file("archive/data.pkl", options).unwrap();
    let block = vec![b'N'; 1 << 20];
    out.write_all(b"\x80\x02").unwrap();
    (0..1 << 10).for_each(|_| out.write_all(&block).unwrap());
    out.finish().unwrap();
    archives(&path, "a pickle of a gigabyte");

    // A tensor of a gigabyte, compressed; and one that says the same number a gigabyte times.
    let numbers = (GIGABYTE / 4) as u32;
    archive(
        &path,
        &tensors(1, numbers, 1),
        &[("archive/data/0", GIGABYTE)],
        zip::CompressionMethod::Deflated,
    );
    archives(&path, "a tensor of a gigabyte");
    archive(&path, &tensors(1, numbers, 0), &[("archive/data/0", 1 << 20)], zip::CompressionMethod::Stored);
    archives(&path, "a number repeated");
    archive(
        &path,
        &tensors(2_000, 1 << 18, 1),
        &[("archive/data/0", 1 << 20)],
        zip::CompressionMethod::Stored,
    );
    archives(&path, "a storage shared");
}

/// A pickle of a dict of tensors `visual.0`, `visual.1` … of `numbers` each, all in storage 0.
fn tensors(count: usize, numbers: u32, stride: u8) -> Vec<u8> {
    let text = |text: &str| [b"X", (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat();
    let number = [b"J", numbers.to_le_bytes().as_slice()].concat();
    let mut pickle = b"\x80\x02}".to_vec();
    for name in 0..count {
        pickle.extend(text(&format!("visual.{name}")));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(text("storage"));
        pickle.extend(b"ctorch\nFloatStorage\n");
        pickle.extend([text("0"), text("cpu"), number.clone()].concat());
        pickle.extend(b"tQK\0");
        pickle.extend(
            [number.as_slice(), b"\x85K", &[stride], b"\x85\x89ccollections\nOrderedDict\n)RtRs"].concat(),
        );
    }
    pickle.push(b'.');
    pickle
}

#[test]
fn a_nested_pickle() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nested.pt");
    // A reader keeps every value of a pickle: seventy bytes for each of these, before it sees how deep they lie.
    const DEPTH: usize = 200_000;
    let marks = [vec![b'('; DEPTH], vec![b't'; DEPTH]].concat();
    let lists = [vec![b']'; DEPTH], vec![b'a'; DEPTH - 1]].concat();
    let tuples = [vec![b'N'], vec![0x85; DEPTH]].concat();
    let objects = [b"}X\x01\0\0\0a".repeat(DEPTH / 2), b"s".repeat(DEPTH / 2 - 1)].concat();
    for (what, body) in [("marks", marks), ("lists", lists), ("tuples", tuples), ("dicts", objects)] {
        let pickle = [b"\x80\x02".as_slice(), &body, b"."].concat();
        archive(&path, &pickle, &[], zip::CompressionMethod::Stored);
        archives(&path, &format!("{DEPTH} nested {what}"));
    }
}

#[test]
fn nested_text() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    const DEPTH: usize = 1_000_000;
    for open in ["[", "{'a': ", "(", "{\"a\": "] {
        let path = folder.path().join("Toys_5.json");
        std::fs::write(&path, format!("{{\"asin\": {}", open.repeat(DEPTH))).unwrap();
        refusal(&format!("review of {DEPTH} `{open}`"), || amazon(&path, None));
    }
    sample::write_texts(folder.path()).unwrap();
    for ending in ["_item2attributes.json", "_id2dummy_query.json", "_items.jsonl"] {
        let path = folder.path().join(format!("toy{ending}"));
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, "{\"1\": [".repeat(DEPTH)).unwrap();
        let import = || s3rec::import(folder.path(), "toy", Queries::Logged);
        refusal(&format!("nested toy{ending}"), import);
        std::fs::write(&path, sound).unwrap();
    }
    let path = folder.path().join("nested.safetensors");
    let header = "{\"a\": ".repeat(DEPTH);
    std::fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    refusal("nested header, weights", || weights::read(&path));
    refusal("nested header, CLIP", || Weights::read(&path));
}

#[test]
fn two_to_the_sixtieth_rows() {
    let _turn = turn();
    let stored = ["corpus", "catalogue", "embeddings", "journal", "checkpoint", "bundle", "index"];
    for target in targets::all().into_iter().filter(|target| stored.contains(&target.name)) {
        let folder = tempfile::tempdir().unwrap();
        let mut load = (target.loader)(folder.path()).unwrap();
        let (mut tried, mut refused, mut most) = (0, 0, 0);
        for seed in (target.seeds)().unwrap() {
            // The first byte chooses; the file begins behind it, and its numbers stand at multiples of four.
            let first = usize::from(target.name != "journal");
            for at in (first..seed.len().saturating_sub(8).min(1_024)).step_by(4) {
                for claim in [1u64 << 60, u64::MAX] {
                    let mut file = seed.clone();
                    file[at..at + 8].copy_from_slice(&claim.to_le_bytes());
                    let start = memory::mark();
                    let taken = load(&file).unwrap();
                    most = most.max(memory::peak_since(start).saturating_sub(file.len()));
                    (tried, refused) = (tried + 1, refused + usize::from(!taken));
                }
            }
        }
        println!("{}: {refused} of {tried} refused, at most {most} bytes", target.name);
        assert!(refused > tried / 4, "{}: {refused} of {tried} refused", target.name);
        assert!(most < 1 << 20, "{}: {most} bytes beyond the file's length", target.name);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claim.safetensors");
    for shape in ["1152921504606846976, 64", "1152921504606846976"] {
        let header = format!(
            "{{\"visual.proj\": {{\"dtype\": \"F32\", \"shape\": [{shape}], \"data_offsets\": [0, 16]}}}}"
        );
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat())
            .unwrap();
        refusal("claimed tensor, weights", || weights::read(&path));
        refusal("claimed tensor, CLIP", || Weights::read(&path));
    }
    std::fs::write(&path, [(1u64 << 60).to_le_bytes(), [0; 8]].concat()).unwrap();
    refusal("claimed header, weights", || weights::read(&path));
    refusal("claimed header, CLIP", || Weights::read(&path));
}
