//! The ablations of the published scripts: SEMINAR with one setting changed at a time.

use clap::ValueEnum;
use seminar_models::{ModalityKind, SoftSearch};
use strum::VariantArray;

use crate::run::{Experiment, modality_names};

/// A group of ablations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ablation {
    /// No pretraining, each pretraining loss alone, each left out.
    Pretraining,
    /// Tables, or the projections of text and image, frozen after pretraining; projections G trained after it.
    Frozen,
    /// Weight of the query in a pair: 0, 0.25, 0.75, 1.
    QueryWeight,
    /// The general search unit with hash bits, with product quantisation.
    SoftSearch,
    /// Each modality left out.
    Modalities,
}

/// An ablation: its name, and the changed run.
pub type Variant = (String, Experiment);

/// The runs of a group of ablations. The unchanged run is not among them.
pub fn variants(ablation: Ablation, base: &Experiment) -> Vec<Variant> {
    match ablation {
        Ablation::Pretraining => pretraining(base),
        Ablation::Frozen => vec![
            with("tables frozen", base, |run| run.train.freeze_tables = true),
            with("projections G free", base, |run| run.config.model.freeze_projections = false),
            with("projections of text and image frozen", base, |run| {
                run.config.model.freeze_modal_projections = true;
            }),
        ],
        Ablation::QueryWeight => [0.0, 0.25, 0.5, 0.75, 1.0]
            .into_iter()
            .filter(|&weight| weight != base.config.model.query_weight)
            .map(|weight| {
                with(&format!("query weight {weight}"), base, |run| run.config.model.query_weight = weight)
            })
            .collect(),
        Ablation::SoftSearch => SoftSearch::VARIANTS
            .iter()
            .copied()
            .filter(|&search| search != base.config.model.soft_search)
            .map(|search| {
                with(&format!("search by {}", <&str>::from(search)), base, |run| {
                    run.config.model.soft_search = search;
                })
            })
            .collect(),
        Ablation::Modalities => modalities(base),
    }
}

fn with(name: &str, base: &Experiment, change: impl FnOnce(&mut Experiment)) -> Variant {
    let mut run = base.clone();
    change(&mut run);
    (name.to_owned(), run)
}

fn pretraining(base: &Experiment) -> Vec<Variant> {
    let mut variants = vec![with("no pretraining", base, |run| run.pretrain_epochs = 0)];
    for (task, name) in ["next pair", "alignment", "relevance"].into_iter().enumerate() {
        if name == "alignment" && base.config.model.item_modalities() < 2 {
            tracing::warn!("ablations of alignment left out: nothing to align: one modality");
            continue;
        }
        variants.push(with(&format!("{name} alone"), base, |run| {
            let weights = &mut run.config.model.pretrain_weights;
            (0..3).filter(|&other| other != task).for_each(|other| weights[other] = 0.0);
        }));
        variants.push(with(&format!("no {name}"), base, |run| run.config.model.pretrain_weights[task] = 0.0));
    }
    variants
}

fn modalities(base: &Experiment) -> Vec<Variant> {
    let all = &base.config.model.modalities;
    let items = all.iter().filter(|&&kind| kind != ModalityKind::Query).count();
    let kept = |&&kind: &&ModalityKind| kind == ModalityKind::Query || items > 1;
    let without = |&kind: &ModalityKind| {
        with(&format!("no {}", modality_names(&[kind])), base, |run| {
            run.config.model.modalities.retain(|&other| other != kind);
        })
    };
    all.iter().filter(kept).map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seminar_models::{AnyConfig, ModelConfig, ModelKind};
    use seminar_trainer::TrainConfig;

    #[test]
    fn alignment_is_no_task_where_there_is_nothing_to_align() {
        let base = Experiment {
            config: AnyConfig { kind: ModelKind::Seminar, model: ModelConfig::default() },
            train: TrainConfig::default(),
            pretrain_epochs: 1,
            dataset: "toy".into(),
        };
        let variants = variants(Ablation::Pretraining, &base);
        assert_eq!(variants.len(), 5);
        for (name, run) in variants.iter().filter(|(_, run)| run.pretrain_epochs > 0) {
            run.config.model.validate_pretraining().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn each_variant_differs_from_the_base_and_from_the_others() {
        let base = Experiment {
            config: AnyConfig {
                kind: ModelKind::Seminar,
                model: ModelConfig {
                    modalities: vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Text],
                    ..ModelConfig::default()
                },
            },
            train: TrainConfig::default(),
            pretrain_epochs: 1,
            dataset: "toy".into(),
        };
        let json = |run: &Experiment| serde_json::to_string(run).unwrap();
        let mut seen = vec![(String::new(), json(&base))];
        for ablation in Ablation::value_variants() {
            for (name, run) in variants(*ablation, &base) {
                run.config.model.validate(100).unwrap_or_else(|error| panic!("{name}: {error}"));
                let run = json(&run);
                assert!(seen.iter().all(|(known, other)| *known != name && *other != run), "{name}");
                seen.push((name, run));
            }
        }
        assert_eq!(seen.len(), 1 + 7 + 3 + 4 + 2 + 3);
    }
}
