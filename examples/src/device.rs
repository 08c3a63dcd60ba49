//! The `--device` flag.

use burn::tensor::Device;
use clap::ValueEnum;

/// Device of tensors. All but `flex` need the cargo feature of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// CPU, in pure Rust.
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
    /// Opens the device.
    ///
    /// # Errors
    /// If this binary was built without the cargo feature of the device.
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
                let name = crate::args::name(&other);
                anyhow::bail!("--device {name} needs a build with `--features {name}`")
            }
        }
    }
}
