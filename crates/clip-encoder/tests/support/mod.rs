//! What the tests share.

use std::path::PathBuf;

use burn::tensor::Device;

/// A file of the golden CLIP.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden/clip")).join(name)
}

/// Asserts that no number is further from the expected one than `tolerance`.
pub fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= tolerance, "{what}: differs by {largest}");
}

/// Pure Rust on the CPU; LibTorch where the tests are built with it.
#[allow(deprecated, reason = "burn steers new users to its own kernels; LibTorch is for those who have it")]
pub fn device() -> Device {
    #[cfg(feature = "tch")]
    return Device::libtorch();
    #[cfg(not(feature = "tch"))]
    Device::flex()
}
