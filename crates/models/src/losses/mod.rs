//! What training minimises.

mod alignment;
mod cross_entropy;
mod relevance;
mod softmax;

pub use alignment::{alignment, published_alignment};
pub use cross_entropy::cross_entropy;
pub use relevance::{published_relevance, relevance};
pub use softmax::{group_size, grouped_softmax, sampled_softmax};
