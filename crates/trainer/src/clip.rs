//! One limit for the gradients of all dense weights and rows together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The sum of squares of a module's gradients.
pub(crate) fn squares<M: Module>(model: &M, grads: &GradientsParams) -> f64 {
    struct Sum<'a>(&'a GradientsParams, f64);
    impl ModuleVisitor for Sum<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.get::<D>(param.id) {
                self.1 += f64::from(gradient.square().sum().into_scalar::<f32>());
            }
        }
    }
    let mut sum = Sum(grads, 0.0);
    model.visit(&mut sum);
    sum.1
}

/// All gradients of a module times a factor.
pub(crate) fn scaled<M: Module>(model: &M, grads: GradientsParams, factor: f32) -> GradientsParams {
    struct Scale(GradientsParams, GradientsParams, f32);
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(param.id) {
                self.1.register(param.id, gradient * self.2);
            }
        }
    }
    let mut scale = Scale(grads, GradientsParams::new(), factor);
    model.visit(&mut scale);
    scale.1
}
