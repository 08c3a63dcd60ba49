//! The `--device` flag.

use burn::tensor::Device;
use clap::ValueEnum;

/// Where tensors live. Each but `flex` needs the cargo feature of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// Pure Rust on the CPU.
    #[default]
    Flex,
    /// LibTorch.
    Tch,
    /// Any GPU, through wgpu.
    Wgpu,
    /// NVIDIA GPUs.
    Cuda,
}

impl DeviceKind {
    /// The device.
    ///
    /// # Errors
    /// If this binary was built without the feature.
    #[allow(
        deprecated,
        reason = "burn steers new users to its own kernels; LibTorch is for those who have it"
    )]
    pub fn open(self) -> anyhow::Result<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "tch")]
            Self::Tch => Ok(Device::libtorch()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(Default::default())),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[allow(unreachable_patterns, reason = "with all features every kind is above")]
            other => {
                let name = format!("{other:?}").to_lowercase();
                anyhow::bail!("--device {name} needs a build with `--features {name}`")
            }
        }
    }
}
