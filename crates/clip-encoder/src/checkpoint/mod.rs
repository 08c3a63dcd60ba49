//! Weights from files: plain state dicts and TorchScript archives by PyTorch, safetensors under OpenAI's or Hugging Face's
//! names. Files are read as data; no code in them runs.

mod beside;
mod machine;
mod names;
mod opcode;
mod pickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;

use half::{bf16, f16};
use safetensors::SafeTensors;

use crate::clip::ClipSettings;
use crate::error::{Error, Result};

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Vec<f32>,
}

/// All weights of a model under OpenAI's names.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    arrays: BTreeMap<String, Array>,
    /// Where they come from, for messages.
    source: String,
    /// What the configuration beside the file says.
    settings: ClipSettings,
}

impl Weights {
    /// Reads a file by its first bytes: a zip archive is PyTorch's, anything else has to be safetensors. For `NAME.pt` or
    /// `NAME.safetensors`, the first of `NAME.json`, `open_clip_config.json` and `config.json` in the same folder that describes a
    /// CLIP, in `open_clip`'s or Hugging Face's form, gives the [`settings`](Self::settings).
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds no weights of CLIP; if the configuration is damaged, of a model with other
    /// sizes, or of one that is computed in another way.
    pub fn read(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let fail = |message: String| Error::Checkpoint { file: source.clone(), message };
        let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
        let length = file.metadata().map_err(Error::io(path, "cannot read"))?.len();
        let mut start = [0; 4];
        file.read_exact(&mut start).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => fail(format!("too short: {length} bytes")),
            _ => Error::io(path, "cannot read")(error),
        })?;
        file.rewind().map_err(Error::io(path, "cannot read"))?;
        let arrays = if &start == b"PK\x03\x04" {
            pickle::read(file, length).map_err(fail)?
        } else {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(Error::io(path, "cannot read"))?;
            safetensors(&bytes).map_err(fail)?
        };
        let weights = Self::new(arrays, &source)?;
        let settings = beside::settings(path, &weights)?;
        Ok(Self { settings, ..weights })
    }

    /// Takes arrays under OpenAI's or Hugging Face's names.
    ///
    /// # Errors
    /// If none of them belongs to CLIP, or one is not finite.
    pub fn new(arrays: BTreeMap<String, Array>, source: &str) -> Result<Self> {
        let fail = |message: String| Error::Checkpoint { file: source.to_owned(), message };
        let mut arrays = names::openai(arrays).map_err(fail)?;
        // Constants that archives carry along: causal masks, and counts that only training needs.
        let constant = |name: &str| {
            [".mask", ".attn_mask", ".num_batches_tracked"].iter().any(|end| name.ends_with(end))
        };
        arrays.retain(|name, _| !constant(name));
        if !arrays.keys().any(|name| name.starts_with("visual.")) {
            return Err(fail("holds no weights of CLIP: no name begins with `visual.`".into()));
        }
        if let Some((name, _)) = arrays.iter().find(|(_, array)| array.values.iter().any(|x| !x.is_finite()))
        {
            return Err(fail(format!("`{name}` holds a number that is not finite")));
        }
        Ok(Self { arrays, source: source.to_owned(), settings: ClipSettings::default() })
    }

    /// The arrays under OpenAI's names.
    pub fn arrays(&self) -> &BTreeMap<String, Array> {
        &self.arrays
    }

    /// What the configuration beside the file says; nothing for weights that come from elsewhere.
    pub fn settings(&self) -> ClipSettings {
        self.settings
    }

    pub(crate) fn fail(&self, message: impl Into<String>) -> Error {
        Error::Checkpoint { file: self.source.clone(), message: message.into() }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// An array with the given number of sides.
    pub(crate) fn get(&self, name: &str, sides: usize) -> Result<&Array> {
        let array = self.arrays.get(name).ok_or_else(|| self.fail(format!("no `{name}`")))?;
        if array.shape.len() != sides {
            return Err(self.fail(format!("`{name}` has shape {:?}, not {sides} sides", array.shape)));
        }
        Ok(array)
    }

    /// An array of exactly this shape.
    pub(crate) fn shaped<const N: usize>(&self, name: &str, shape: [usize; N]) -> Result<&Array> {
        let array = self.get(name, N)?;
        if array.shape != shape {
            return Err(
                self.fail(format!("`{name}` has shape {:?} where {shape:?} is expected", array.shape))
            );
        }
        Ok(array)
    }
}

fn safetensors(bytes: &[u8]) -> std::result::Result<BTreeMap<String, Array>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("neither a PyTorch archive nor whole safetensors: {e}"))?;
    let mut arrays = BTreeMap::new();
    for (name, view) in file.iter() {
        if let Some(values) = floats(&format!("{:?}", view.dtype()), view.data()) {
            arrays.insert(name.to_owned(), Array { shape: view.shape().to_vec(), values });
        }
    }
    Ok(arrays)
}

/// Numbers of a floating-point type; `None` for others, which are no weights.
fn floats(kind: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match kind {
        "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        "F64" => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        "F16" => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        "BF16" => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}
