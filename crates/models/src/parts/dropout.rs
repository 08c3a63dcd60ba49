//! Dropout whose masks are drawn fast: from a seed that the device's stream gives, a number for every component by counting.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rayon::prelude::*;

/// In training each component is zero with some probability, and the others are scaled so that the mean stays.
#[derive(Module, Debug)]
pub struct Dropout {
    share: f64,
}

/// Components of a mask that a thread draws at once.
const CHUNK: usize = 1 << 14;

impl Dropout {
    /// Drops this share of components, from 0 to below 1.
    pub fn new(share: f64) -> Self {
        Self { share }
    }

    /// Whether anything is dropped on this device.
    pub(crate) fn drops(&self, device: &Device) -> bool {
        self.share > 0.0 && device.is_autodiff()
    }

    /// Drops where gradients are recorded; elsewhere nothing happens.
    pub fn forward<const R: usize>(&self, input: Tensor<R>) -> Tensor<R> {
        let device = input.device();
        if !self.drops(&device) {
            return input;
        }
        let drawn = Tensor::<1>::random([2], Distribution::Uniform(0.0, 1.0), &device);
        let drawn = drawn.into_data_as::<f32>().try_into_vec::<f32>().expect("the data was converted to f32");
        // 24 bits of each number.
        let [high, low] = [0, 1].map(|at| (f64::from(drawn[at]) * f64::from(1 << 24)) as u64);
        let shape = input.dims();
        let mask = mask(high << 24 | low, shape.iter().product(), self.share);
        input * Tensor::from_data(TensorData::new(mask, shape), &device)
    }
}

/// 0 for the share that is dropped, `1 / (1 − share)` for the rest.
fn mask(seed: u64, count: usize, share: f64) -> Vec<f32> {
    let (kept, bound) = ((1.0 / (1.0 - share)) as f32, (share * f64::from(u32::MAX)) as u32);
    let mut mask = vec![0.0; count];
    mask.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        for (at, pair) in values.chunks_mut(2).enumerate() {
            let bits = mixed(seed, (chunk * CHUNK / 2 + at) as u64);
            let halves = [bits as u32, (bits >> 32) as u32];
            pair.iter_mut()
                .zip(halves)
                .for_each(|(value, half)| *value = if half >= bound { kept } else { 0.0 });
        }
    });
    mask
}

/// The `count`-th number of SplitMix64 from a seed.
fn mixed(seed: u64, count: u64) -> u64 {
    let mut bits = seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_its_share_and_keeps_the_mean() {
        for share in [0.1, 0.5, 0.9] {
            let values = mask(7, 200_001, share);
            let dropped = values.iter().filter(|&&value| value == 0.0).count() as f64 / 200_001.0;
            assert!((dropped - share).abs() < 0.005, "{dropped} of {share}");
            assert!(
                values
                    .iter()
                    .all(|&value| value == 0.0 || (f64::from(value) * (1.0 - share) - 1.0).abs() < 1e-6)
            );
        }
        assert_eq!(mask(7, 50_000, 0.5)[..40_000], mask(7, 40_000, 0.5)[..]);
        assert_ne!(mask(7, 64, 0.5), mask(8, 64, 0.5));
    }

    #[test]
    fn follows_the_seed_of_the_device_and_is_off_without_a_tape() {
        let plain = Device::flex();
        let device = plain.clone().autodiff();
        let dropped = |seed| {
            device.seed(seed);
            let dropped = Dropout::new(0.5).forward(Tensor::<2>::ones([20, 30], &device));
            dropped.into_data_as::<f32>().try_into_vec::<f32>().unwrap()
        };
        assert_eq!(dropped(3), dropped(3));
        assert_ne!(dropped(3), dropped(4));
        let kept = Dropout::new(0.5).forward(Tensor::<2>::ones([2, 3], &plain));
        assert_eq!(kept.into_data_as::<f32>().try_into_vec::<f32>().unwrap(), [1.0; 6]);
    }
}
