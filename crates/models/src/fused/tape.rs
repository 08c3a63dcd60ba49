//! How a function on the host becomes an operation of the tape.

use std::cell::Cell;
use std::sync::Arc;

use burn::tensor::Tensor;

thread_local! {
    static COMPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `compute` with tensor operators in place of fused functions, on any device: for comparing the two.
pub fn composed<T>(compute: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COMPOSED.set(self.0);
        }
    }
    let _restore = Restore(COMPOSED.replace(true));
    compute()
}

/// Whether fused functions are taken for this tensor and those beside it.
pub(crate) fn taken(tensor: &Tensor<2>) -> bool {
    !COMPOSED.get() && on_host(tensor)
}

#[cfg(not(feature = "flex"))]
fn on_host(_: &Tensor<2>) -> bool {
    false
}

#[cfg(feature = "flex")]
fn on_host(tensor: &Tensor<2>) -> bool {
    use burn::backend::DispatchTensorKind::{Autodiff, Flex};
    match tensor.clone().into_dispatch().kind {
        Autodiff(inner) => matches!(*inner, Flex(_)),
        Flex(_) => true,
        #[allow(unreachable_patterns, reason = "there are others only with the features of other devices")]
        _ => false,
    }
}

/// A function of four matrices and its derivative.
#[cfg_attr(
    not(feature = "flex"),
    allow(dead_code, reason = "without the device flex nothing is computed by it")
)]
pub(super) trait Function: std::fmt::Debug + Send + Sync {
    /// Rows and columns of its value.
    fn shape(&self) -> [usize; 2];

    /// The value. It is computed once, before [`Function::slopes`].
    fn value(&self, inputs: [&[f32]; 4]) -> Vec<f32>;

    /// From the derivatives of a loss by the value to those by each input, in its order; an empty list stands for zeros.
    fn slopes(&self, inputs: [&[f32]; 4], by_value: &[f32]) -> [Vec<f32>; 4];
}

/// The value of a function, recorded on the tape of its inputs.
///
/// # Panics
/// If the inputs are not on the host: see [`taken`].
#[cfg(feature = "flex")]
pub(super) fn apply(inputs: [Tensor<2>; 4], function: Arc<dyn Function>) -> Tensor<2> {
    let [a, b, c, d] = inputs.map(Tensor::into_dispatch);
    let inputs = backend::Four { a, b, c, d };
    Tensor::from_dispatch(<burn::backend::Dispatch as backend::Functions>::value(inputs, function))
}

#[cfg(not(feature = "flex"))]
pub(super) fn apply(_: [Tensor<2>; 4], _: Arc<dyn Function>) -> Tensor<2> {
    unreachable!("`taken` says no without the device flex")
}

#[cfg(feature = "flex")]
mod backend {
    use std::sync::Arc;

    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, ExtensionType, Flex, TensorMetadata, backend_extension};
    use burn::tensor::TensorData;

    use super::Function;

    /// Inputs, or derivatives by them.
    #[derive(ExtensionType)]
    pub struct Four<B: Backend> {
        pub a: FloatTensor<B>,
        pub b: FloatTensor<B>,
        pub c: FloatTensor<B>,
        pub d: FloatTensor<B>,
    }

    /// What a backend that knows [`Function`]s does with them.
    #[backend_extension(Flex, Autodiff)]
    pub trait Functions: Backend {
        /// The value.
        fn value(#[extension_type] inputs: Four<Self>, function: Arc<dyn Function>) -> FloatTensor<Self>;

        /// The derivatives by the inputs.
        fn slopes(
            #[extension_type] inputs: Four<Self>,
            by_value: FloatTensor<Self>,
            function: Arc<dyn Function>,
        ) -> Four<Self>;
    }

    /// The numbers of a matrix that lies in order.
    macro_rules! numbers {
        ($tensor:ident) => {
            $tensor.as_slice::<f32>().expect("the tensor was made contiguous")
        };
    }

    impl Functions for Flex {
        fn value(Four { a, b, c, d }: Four<Self>, function: Arc<dyn Function>) -> FloatTensor<Self> {
            let device = a.device();
            let [a, b, c, d] = [a, b, c, d].map(|input| input.to_contiguous());
            let value = function.value([numbers!(a), numbers!(b), numbers!(c), numbers!(d)]);
            Self::float_from_data(TensorData::new(value, function.shape()), &device)
        }

        fn slopes(
            Four { a, b, c, d }: Four<Self>,
            by_value: FloatTensor<Self>,
            function: Arc<dyn Function>,
        ) -> Four<Self> {
            let device = a.device();
            let [a, b, c, d, by_value] = [a, b, c, d, by_value].map(|input| input.to_contiguous());
            let inputs = [numbers!(a), numbers!(b), numbers!(c), numbers!(d)];
            let lengths = inputs.map(<[f32]>::len);
            let slopes = function.slopes(inputs, numbers!(by_value));
            let shapes = [&a, &b, &c, &d].map(|input| input.shape());
            let mut slopes =
                slopes.into_iter().zip(lengths).zip(shapes).map(|((mut slope, length), shape)| {
                    slope.resize(length, 0.0);
                    Self::float_from_data(TensorData::new(slope, shape), &device)
                });
            let mut next = || slopes.next().expect("there are four");
            Four { a: next(), b: next(), c: next(), d: next() }
        }
    }

    #[derive(Debug)]
    struct Recorded;

    impl<B: Functions> Backward<B, 4> for Recorded {
        type State = ([FloatTensor<B>; 4], Arc<dyn Function>);

        fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
            let ([a, b, c, d], function) = ops.state;
            let by_value = grads.consume::<B>(&ops.node);
            let Four { a, b, c, d } = B::slopes(Four { a, b, c, d }, by_value, function);
            for (parent, slope) in ops.parents.into_iter().zip([a, b, c, d]) {
                if let Some(parent) = parent {
                    grads.register::<B>(parent.id, slope);
                }
            }
        }
    }

    impl<B: Backend + Functions, C: CheckpointStrategy> Functions for Autodiff<B, C> {
        fn value(Four { a, b, c, d }: Four<Self>, function: Arc<dyn Function>) -> FloatTensor<Self> {
            let nodes = [a.node(), b.node(), c.node(), d.node()];
            let [a, b, c, d] = [a, b, c, d].map(|input| input.into_parts().0);
            let inputs = [a.clone(), b.clone(), c.clone(), d.clone()];
            let value = B::value(Four { a, b, c, d }, function.clone());
            match Recorded.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish((inputs, function), value),
                OpsKind::UnTracked(prep) => prep.finish(value),
            }
        }

        fn slopes(_: Four<Self>, _: FloatTensor<Self>, _: Arc<dyn Function>) -> Four<Self> {
            unreachable!("derivatives of derivatives are not recorded")
        }
    }
}
