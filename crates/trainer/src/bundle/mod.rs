//! A trained model as one folder that explains itself: all that serving needs and nothing else.
//!
//! | file | content |
//! |---|---|
//! | `model.json` | [`Description`]: version, configuration, training settings, metrics, checksums |
//! | `weights.safetensors` | dense weights and tables under the published names; mapped, never read as a whole |
//! | `catalogue.bin` | items by number and name with titles, image addresses and attributes; words ([`Catalogue`]) |
//! | `text.emb`, `image.emb` | frozen embeddings, projected by the model where it projects them |
//!
//! [`Trainer::save_bundle`](crate::Trainer::save_bundle) writes it, [`Recommender::open`](crate::Recommender::open) opens it: versions,
//! checksums and every shape are compared before anything is computed.
//!
//! [`Catalogue`]: seminar_dataset::Catalogue

mod description;
mod mapped;
mod open;
mod write;

pub(crate) use description::CATALOGUE;
pub use description::{Description, FrozenFile, Hash};
pub(crate) use open::{Bundle, check_weights};
pub(crate) use write::remove_bundle;
pub use write::{About, check_bundle_folder};
