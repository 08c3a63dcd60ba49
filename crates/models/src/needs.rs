//! What a model asks of those who feed it.

use crate::kinds::ModalityKind;

/// What a model needs of tables and batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// D of the tables; any if `None`.
    pub width: Option<usize>,
    /// L at least.
    pub history_length: usize,
    /// Modalities beside the id that the events must carry.
    pub modalities: Vec<ModalityKind>,
    /// Width of the text embeddings; any if `None`.
    pub text_width: Option<usize>,
    /// Width of the image embeddings; any if `None`.
    pub image_width: Option<usize>,
}
