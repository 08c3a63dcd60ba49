//! Images of every format that the encoder opens.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};
use seminar_clip_encoder::open_image;

use super::{Loader, Target};

pub(super) const TARGETS: &[Target] = &[Target { name: "picture", records: 1, seeds: files, loader: open }];

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    let pixels = RgbImage::from_fn(13, 9, |x, y| image::Rgb([x as u8 * 19, y as u8 * 28, 90]));
    let picture = DynamicImage::ImageRgb8(pixels);
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP];
    let encode = |format| -> anyhow::Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format)?;
        Ok(bytes.into_inner())
    };
    formats.into_iter().map(encode).collect()
}

fn open(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("picture");
    Ok(Box::new(move |bytes| {
        std::fs::write(&path, bytes)?;
        Ok(open_image(&path).is_ok())
    }))
}
