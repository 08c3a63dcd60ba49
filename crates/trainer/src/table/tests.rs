//! Tables beside burn's dense Adam.

use super::*;
use burn::module::{Module, Param};
use burn::optim::{AdamConfig as DenseAdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};

use crate::schedule::{Decay, Schedule};

fn table(rows: usize, width: usize, adam: AdamConfig) -> Table {
    Table::new(TableConfig { rows, width, standard_deviation: 0.02, adam, ..TableConfig::default() }).unwrap()
}

/// The whole table as one parameter of burn's Adam.
#[derive(Module, Debug)]
struct Dense {
    table: Param<Tensor<2>>,
}

struct DenseRun {
    model: Dense,
    optimizer: ModuleOptimizer,
    device: Device,
}

impl DenseRun {
    fn new(table: &Table, adam: &AdamConfig) -> Self {
        let device = Device::flex().autodiff();
        let all: Vec<u32> = (0..table.len() as u32).collect();
        let values = TensorData::new(table.read(&all), [table.len(), table.width()]);
        let mut config = DenseAdamConfig::new()
            .with_beta_1(adam.beta_1)
            .with_beta_2(adam.beta_2)
            .with_epsilon(adam.epsilon);
        if adam.weight_decay > 0.0 {
            let decay = burn::optim::decay::WeightDecayConfig::new(adam.weight_decay);
            config = config.with_weight_decay(Some(decay));
        }
        Self { model: Dense { table: Param::from_data(values, &device) }, optimizer: config.init(), device }
    }

    fn step(&mut self, gradient: Vec<f32>, rate: f64) {
        let shape = self.model.table.dims();
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient, shape), &self.device.clone().inner());
        let mut grads = GradientsParams::new();
        grads.register(self.model.table.id, gradient);
        self.model = self.optimizer.step(rate, self.model.clone(), grads);
    }

    fn values(&self) -> Vec<f32> {
        self.model.table.val().into_data_as::<f32>().try_into_vec().unwrap()
    }
}

/// The largest relative difference to burn's dense Adam after 1,000 steps that touch a tenth of the rows each.
fn difference(adam: AdamConfig) -> f64 {
    let (rows, width, steps) = (41, 5, 1000);
    let mut table = table(rows, width, adam.clone());
    let mut dense = DenseRun::new(&table, &adam);
    let mut stream = Stream::new(&[3]);
    for step in 1..=steps {
        // Some rows are left alone for hundreds of steps.
        let ids: Vec<u32> =
            (1..rows as u32).filter(|&id| stream.unit() < if id < 4 { 0.002 } else { 0.1 }).collect();
        let gradients: Vec<f32> = (0..ids.len() * width).map(|_| stream.normal() as f32).collect();
        table.gather(&ids, step - 1);
        table.update(&ids, &gradients, step);
        let mut full = vec![0.0; rows * width];
        for (id, gradient) in ids.iter().zip(gradients.chunks(width)) {
            full[*id as usize * width..][..width].copy_from_slice(gradient);
        }
        dense.step(full, adam.learning_rate * adam.schedule.factor(step));
    }
    table.catch_up(steps);
    let ours = table.read(&(1..rows as u32).collect::<Vec<_>>());
    let theirs = &dense.values()[width..];
    let relative = |(&a, &b): (&f32, &f32)| f64::from((a - b).abs()) / f64::from(b.abs()).max(1e-3);
    ours.iter().zip(theirs).map(relative).fold(0.0, f64::max)
}

#[test]
fn exact_is_dense_adam_and_lazy_is_not() {
    let exact = difference(AdamConfig::default());
    assert!(exact <= 1e-7, "{exact}");
    let schedule = Schedule { warmup: 100, decay: Decay::Cosine, total: 900 };
    let scheduled = difference(AdamConfig { schedule, ..AdamConfig::default() });
    assert!(scheduled <= 1e-7, "{scheduled}");
    let decayed = difference(AdamConfig { weight_decay: 0.01, ..AdamConfig::default() });
    assert!(decayed <= 1e-7, "{decayed}");
    let lazy = difference(AdamConfig { exact: false, ..AdamConfig::default() });
    assert!(lazy > 1e-3, "{lazy}");
}

/// 60 steps on a third of 2,000 rows; `eager` brings all rows up to date after each.
fn run(mut table: Table, eager: bool) -> Vec<f32> {
    let mut stream = Stream::new(&[9]);
    for step in 1..=60 {
        let ids: Vec<u32> = (0..2000).filter(|_| stream.unit() < 0.3).collect();
        let gradients: Vec<f32> = (0..ids.len() * 4).map(|_| stream.normal() as f32).collect();
        table.gather(&ids, step - 1);
        table.update(&ids, &gradients, step);
        if eager {
            table.catch_up(step);
        }
    }
    table.catch_up(60);
    table.read(&(0..2000).collect::<Vec<_>>())
}

#[cfg(unix)]
#[test]
fn a_table_larger_than_its_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    let rows = (disk.f_bavail * disk.f_frsize / (3 * 4 * 64)) as usize + 1_000_000;
    let config =
        TableConfig { rows, width: 64, folder: folder.path().to_path_buf(), ..TableConfig::default() };
    let error = Storage::new(config.rows * 3 * config.width, 1000, &config.folder).unwrap_err();
    assert!(error.to_string().contains("--temp-dir"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn results_do_not_depend_on_threads_or_on_when_rows_are_read_or_on_where_they_lie() {
    let new = || table(2000, 4, AdamConfig::default());
    let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| run(new(), false));
    assert!(one == pool(2).install(|| run(new(), false)) && one == pool(3).install(|| run(new(), true)));
    assert!(one[..4] == [0.0; 4], "padding never moves");
    let config = TableConfig { map_above_bytes: 1000, ..new().config };
    let mapped = Table::new(config).unwrap();
    assert!(matches!(mapped.blocks, Storage::File(_)));
    assert!(one == run(mapped, false));
}

#[test]
fn a_snapshot_brings_the_weights_back_and_a_state_the_moments_too() {
    let mut table = table(10, 2, AdamConfig::default());
    table.update(&[1, 4], &[1.0; 4], 1);
    table.catch_up(1);
    let (before, snapshot, state) = (table.read(&[1, 4, 7]), table.snapshot(), table.state());
    table.update(&[1, 7], &[1.0; 4], 2);
    let after = table.state();
    table.restore(&snapshot, 1);
    assert_eq!(table.read(&[1, 4, 7]), before);
    table.restore(&state, 1);
    table.update(&[1, 7], &[1.0; 4], 2);
    assert_eq!(table.state(), after);
}
