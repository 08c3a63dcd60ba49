//! The trait methods that all models of this crate answer in the same way.

/// For a model with a `pair: PairEncoder` and a `config: ModelConfig`: configuration, needs, item vectors, projections of frozen
/// embeddings, and the form of the loss.
macro_rules! shared_methods {
    () => {
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

        fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
            self.pair.project(kind, rows)
        }

        fn logits_loss(&self) -> bool {
            self.config.switches.logits_loss
        }
    };
}
