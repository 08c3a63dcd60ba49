//! The trait methods that all models of this crate answer in the same way.

/// For a model with a `pair: PairEncoder` and a `config: ModelConfig`: configuration, needs, item vectors, projections of frozen
/// embeddings, and the losses. The argument says how items become candidates: `self, items => vectors`.
///
/// `frozen as they are` keeps the default of `project`: the model looks at frozen embeddings themselves, too.
macro_rules! shared_methods {
    ($own:ident, $items:ident => $vectors:expr) => {
        shared_methods!($own, $items => $vectors, frozen as they are);

        fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
            self.pair.project(kind, rows)
        }
    };
    ($own:ident, $items:ident => $vectors:expr, frozen as they are) => {
        fn config(&self) -> ModelConfig {
            self.config.clone()
        }

        fn training_only() -> &'static [&'static str] {
            ModelConfig::TRAINING_ONLY
        }

        fn needs(&self) -> Needs {
            self.config.needs()
        }

        fn item_vectors(&self, items: &UniqueEvents) -> Tensor<2> {
            self.pair.items(items)
        }

        fn target_vectors(&$own, $items: &UniqueEvents) -> Tensor<2> {
            $vectors
        }

        fn logits_loss(&self) -> bool {
            self.config.switches.logits_loss
        }

        fn loss_kind(&self) -> LossKind {
            self.config.loss
        }

        fn successor_loss(&self, scores: &Scores, batch: &Successors<'_>) -> Option<Tensor<1>> {
            let loss = scores.states.as_ref()?.successor_loss(batch, |items| self.target_vectors(items));
            Some(loss * self.config.tower_weight)
        }
    };
}
