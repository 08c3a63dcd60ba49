//! Initial weights from a seed alone, the same on every device.

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws the weights of one model, layer after layer.
pub(crate) struct Init {
    rng: ChaCha8Rng,
    device: Device,
}

impl Init {
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), device: device.clone() }
    }

    /// Weights of a part that is built alone: parts of different names draw different numbers from one seed.
    pub fn of_part(name: &str, seed: u64, device: &Device) -> Self {
        // FNV-1a: any fixed mixing of the name will do.
        let mixed = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(mixed, device)
    }

    /// Weight and bias uniform in ±1/√inputs, PyTorch's default.
    pub fn uniform(&mut self, inputs: usize, outputs: usize, bias: bool) -> Linear {
        let bound = 1.0 / (inputs as f32).sqrt();
        let mut draw = |shape: &[usize]| self.draw(shape, |rng| bound * (2.0 * rng.random::<f32>() - 1.0));
        let weight = draw(&[inputs, outputs]);
        let bias = bias.then(|| draw(&[outputs]));
        self.linear(weight, bias)
    }

    /// A D×D layer of a search or an attention; with `identity_start` the identity is added.
    pub fn search_layer(&mut self, dim: usize, identity_start: bool) -> Linear {
        let layer = self.uniform(dim, dim, true);
        if identity_start { self.plus_identity(layer) } else { layer }
    }

    /// Weights normal with standard deviation 0.02, bias zero: the published initialiser.
    pub fn normal(&mut self, inputs: usize, outputs: usize) -> Linear {
        let weight = self.draw(&[inputs, outputs], |rng| 0.02 * standard_normal(rng));
        self.linear(weight, Some(TensorData::new(vec![0.0f32; outputs], [outputs])))
    }

    /// A square layer without bias that changes nothing.
    pub fn identity(&mut self, width: usize) -> Linear {
        let mut weight = vec![0.0f32; width * width];
        weight.iter_mut().step_by(width + 1).for_each(|w| *w = 1.0);
        self.linear(TensorData::new(weight, [width, width]), None)
    }

    /// A layer with the identity added to each square block of inputs, divided by the number of blocks.
    pub fn plus_identity(&self, layer: Linear) -> Linear {
        let [inputs, outputs] = layer.weight.dims();
        let share = outputs as f32 / inputs as f32;
        let drawn = layer.weight.val().into_data_as::<f32>().try_into_vec::<f32>();
        let mut weight = drawn.expect("the data was converted to f32");
        (0..inputs).for_each(|row| weight[row * outputs + row % outputs] += share);
        let weight = Param::from_data(TensorData::new(weight, [inputs, outputs]), &self.device);
        Linear { weight, bias: layer.bias }
    }

    /// A row vector uniform in ±1/√width.
    pub fn row(&mut self, width: usize) -> Param<Tensor<2>> {
        let bound = 1.0 / (width as f32).sqrt();
        let data = self.draw(&[1, width], |rng| bound * (2.0 * rng.random::<f32>() - 1.0));
        Param::from_data(data, &self.device)
    }

    /// The same number everywhere.
    pub fn constant<const R: usize>(&self, value: f32, shape: [usize; R]) -> Param<Tensor<R>> {
        let values = vec![value; shape.iter().product()];
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// A layer norm that scales by 1 and shifts by 0.
    pub fn norm(&self, width: usize) -> LayerNorm {
        let mut norm = LayerNormConfig::new(width).init(&self.device);
        norm.gamma = self.constant(1.0, [width]);
        norm.beta = Some(self.constant(0.0, [width]));
        norm
    }

    /// Weights and bias zero: a layer that adds nothing until it is trained.
    pub fn zero(&self, inputs: usize, outputs: usize) -> Linear {
        Linear { weight: self.constant(0.0, [inputs, outputs]), bias: Some(self.constant(0.0, [outputs])) }
    }

    /// Standard normal numbers.
    pub fn standard_normal<const R: usize>(&mut self, shape: [usize; R]) -> Param<Tensor<R>> {
        let data = self.draw(&shape, standard_normal);
        Param::from_data(data, &self.device)
    }

    fn draw(&mut self, shape: &[usize], mut value: impl FnMut(&mut ChaCha8Rng) -> f32) -> TensorData {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| value(&mut self.rng)).collect();
        TensorData::new(values, shape)
    }

    fn linear(&self, weight: TensorData, bias: Option<TensorData>) -> Linear {
        let bias = bias.map(|data| Param::from_data(data, &self.device));
        Linear { weight: Param::from_data(weight, &self.device), bias }
    }
}

fn standard_normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}
