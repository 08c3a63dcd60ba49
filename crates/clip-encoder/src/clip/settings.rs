//! What the shapes of a checkpoint do not tell: the activation, and into how many heads a width is split.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Activation of the feed-forward layers of both transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(1.702 x)`: OpenAI's models, MetaCLIP, DFN.
    QuickGelu,
    /// `x · Φ(x)`, with the exact normal distribution: LAION's models and most of `open_clip`'s.
    Gelu,
}

impl FromStr for Activation {
    type Err = Error;

    /// Reads `quick-gelu`, `quick_gelu` or `gelu`.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "quick-gelu" | "quick_gelu" => Ok(Self::QuickGelu),
            "gelu" => Ok(Self::Gelu),
            _ => Err(Error::Setting(format!("activation `{name}`: expected `quick-gelu` or `gelu`"))),
        }
    }
}

/// Settings of a model that its weights do not show. Fields that are `None` are taken from elsewhere: first from a
/// configuration beside the file (see [`Weights::read`](crate::Weights::read)), then by the rules of each field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClipSettings {
    /// Activation; QuickGELU, that of OpenAI's models, if nothing says otherwise. [`Clip::assumption`](crate::Clip::assumption)
    /// then says so.
    pub activation: Option<Activation>,
    /// Attention heads of the text tower; those of the published models of its width if nothing says otherwise.
    pub text_heads: Option<usize>,
    /// Attention heads of the image tower, in a ResNet of its pooling; those of the published models of its width if nothing
    /// says otherwise.
    pub image_heads: Option<usize>,
}

impl ClipSettings {
    /// These settings, and the other ones where these are `None`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            activation: self.activation.or(other.activation),
            text_heads: self.text_heads.or(other.text_heads),
            image_heads: self.image_heads.or(other.image_heads),
        }
    }
}

/// A tower of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tower {
    Text,
    Image,
    /// A ResNet's attention pooling.
    Pooling,
}

impl Tower {
    /// How many heads share a width: as told, else as in the published models of this width.
    pub(super) fn heads(self, width: usize, told: Option<usize>) -> std::result::Result<usize, String> {
        let (name, flag) = match self {
            Self::Text => ("text", "text_heads"),
            Self::Image | Self::Pooling => ("image", "image_heads"),
        };
        match told {
            Some(heads) if heads > 0 && width.is_multiple_of(heads) => Ok(heads),
            Some(heads) => Err(format!(
                "the {name} tower is {width} wide and cannot be split into {heads} heads ({flag})"
            )),
            None => match self.published_head(width) {
                Some(head) => Ok(width / head),
                None => Err(format!(
                    "the {name} tower is {width} wide, as in no published model, and nothing says how many heads it has: give {flag} \
                     (--clip-{name}-heads of the examples), or put the model's config.json beside the file"
                )),
            },
        }
    }

    /// Width of a head in the published models whose tower has this width.
    fn published_head(self, width: usize) -> Option<usize> {
        match (self, width) {
            // OpenAI's towers and those of `open_clip`. A width of 64 leaves no other choice that anyone made.
            (Self::Text | Self::Image, 64 | 256 | 384 | 512 | 640 | 768 | 896 | 1024) => Some(64),
            (Self::Text, 1280) => Some(64),
            // ViT-H, ViT-g, ViT-bigG, ViT-e.
            (Self::Image, 1280) => Some(80),
            (Self::Image, 1408) => Some(88),
            (Self::Image, 1664) => Some(104),
            (Self::Image, 1792) => Some(112),
            (Self::Pooling, width) if width.is_multiple_of(64) => Some(64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_or_known_or_refused() {
        assert_eq!(
            [768, 1024, 1280, 1408, 1664].map(|w| Tower::Image.heads(w, None).unwrap()),
            [12, 16, 16, 16, 16]
        );
        assert_eq!([512, 1024, 1280].map(|w| Tower::Text.heads(w, None).unwrap()), [8, 16, 20]);
        assert_eq!(Tower::Pooling.heads(2048, None).unwrap(), 32);
        assert_eq!(Tower::Image.heads(320, Some(4)).unwrap(), 4);
        for (tower, width, told, word) in [
            (Tower::Image, 320, None, "--clip-image-heads"),
            (Tower::Text, 320, None, "--clip-text-heads"),
            (Tower::Image, 768, Some(7), "768"),
            (Tower::Image, 768, Some(0), "0 heads"),
            (Tower::Pooling, 100, None, "image_heads"),
        ] {
            let error = tower.heads(width, told).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn activations_by_name() {
        assert_eq!("quick_gelu".parse::<Activation>().unwrap(), Activation::QuickGelu);
        assert!("gelu_new".parse::<Activation>().unwrap_err().to_string().contains("`gelu_new`"));
    }
}
