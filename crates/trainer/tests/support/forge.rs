//! Edits of saved models, with checksums that fit: what must be found behind them.

use std::hash::Hasher;
use std::path::Path;

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Edits the description and leaves its checksum as it is.
pub fn edit(model: &Path, change: impl FnOnce(&mut Value)) {
    let path = model.join("model.json");
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let before = value.clone();
    change(&mut value);
    assert_ne!(value, before, "the edit changes nothing");
    std::fs::write(&path, value.to_string()).unwrap();
}

/// Edits the description and gives it the checksum that fits.
pub fn forge(model: &Path, change: impl FnOnce(&mut Value)) {
    edit(model, |value| {
        change(value);
        let fields = value.as_object_mut().unwrap();
        fields.shift_remove("checksum");
        let checksum = xxh3_64(value.to_string().as_bytes());
        value["checksum"] = format!("{checksum:016x}").into();
    });
}

/// Makes the description name the weight file as it is now.
pub fn name_weights(model: &Path) {
    let bytes = std::fs::read(model.join("weights.safetensors")).unwrap();
    // Of a file of one block.
    let mut hash = Xxh3::new();
    hash.write(&(bytes.len() as u64).to_le_bytes());
    hash.write(&xxh3_64(&bytes).to_le_bytes());
    forge(model, |value| {
        value["files"]["weights.safetensors"] = format!("{:016x}", hash.digest()).into();
    });
}
