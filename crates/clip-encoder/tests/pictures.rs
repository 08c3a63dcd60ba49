//! Picture files of each format: cut ones are refused, whole ones have Pillow's colours.
//!
//! `data/pictures/make.py` wrote the pictures and what Pillow makes of them; no Python is needed here.

use std::path::{Path, PathBuf};

use seminar_clip_encoder::{open_image, preprocess};
use serde::Deserialize;

/// By format: palettes with a transparent colour, animation, turned and progressive JPEG, restarts, a bitmap.
const PICTURES: [&str; 10] = [
    "palette.png",
    "palette_alphas.png",
    "palette.gif",
    "frames.gif",
    "rgb.png",
    "grey.png",
    "turned.jpg",
    "restarts.jpg",
    "palette.bmp",
    "plain.webp",
];

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures").join(name)
}

#[test]
fn every_cut_is_refused_in_these_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let mut cuts = 0;
    for name in PICTURES {
        let whole = std::fs::read(picture(name)).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = open_image(&path).expect_err(name).to_string();
            // The first bytes tell the format; without them it is no picture at all.
            assert!(length < 16 || error.contains("cut off"), "{name} at {length}: {error}");
            cuts += 1;
        }
        // What follows the end does not matter.
        std::fs::write(&path, [whole.as_slice(), &[0; 7]].concat()).unwrap();
        assert!(open_image(&path).is_ok(), "{name}");
    }
    assert!(cuts > 4_000, "{cuts}");
}

#[derive(Deserialize)]
struct Expected {
    size: [u32; 2],
    /// x, y, red, green, blue.
    pixels: Vec<[u32; 5]>,
}

#[test]
fn colours_are_pillows() {
    let expected = std::fs::read(picture("expected.json")).unwrap();
    let expected: std::collections::BTreeMap<String, Expected> = serde_json::from_slice(&expected).unwrap();
    assert_eq!(expected.len(), PICTURES.len());
    for (name, Expected { size, pixels }) in expected {
        let image = open_image(&picture(&name)).unwrap();
        assert!(!image.color().has_alpha(), "{name}");
        assert_eq!([image.width(), image.height()], size, "{name}: not turned");
        let found = image.to_rgb8();
        // Decoders of JPEG round differently.
        let tolerance = if name.ends_with("jpg") { 4 } else { 0 };
        for [x, y, colour @ ..] in pixels {
            let near =
                found[(x, y)].0.iter().zip(colour).all(|(&a, b)| u32::from(a).abs_diff(b) <= tolerance);
            assert!(near, "{name} at {x}, {y}: {:?}, expected {colour:?}", found[(x, y)]);
        }
        assert!(preprocess(&image, 32).unwrap().iter().all(|x| x.is_finite()), "{name}");
    }
}
