//! The settings that decide what given weights score, and their comparison.

use seminar_models::SequenceModel;
use serde_json::{Value, json};

use crate::config::TrainConfig;

/// The settings that weights were made with and have to be used with: a JSON object.
pub(crate) fn settings<M: SequenceModel>(model: &M, config: &TrainConfig) -> Value {
    json!({ "model": model.config(), "training": of_training(config) })
}

/// The settings of training that change the score of a given history.
pub(crate) fn of_training(config: &TrainConfig) -> Value {
    json!({
        "history_length": config.batches.history_length,
        "query_length": config.batches.query_length,
        "published_tables": config.published_tables,
        "width": config.width,
    })
}

/// A model's settings without those that only its training looks at.
pub(crate) fn of_model<M: SequenceModel>(settings: &Value) -> Value {
    match settings {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !M::training_only().contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), of_model::<M>(value))).collect()
        }
        other => other.clone(),
    }
}

/// Names the first setting in which two configurations differ.
pub(crate) fn compare(saved: &Value, now: &Value) -> Result<(), String> {
    if saved == now {
        return Ok(());
    }
    let (Some(fields), Some(own)) = (saved.as_object(), now.as_object()) else {
        return Err(format!("was made with {saved}, now it is {now}"));
    };
    let names = fields.keys().chain(own.keys().filter(|name| !fields.contains_key(*name)));
    for name in names {
        let [value, other] = [saved, now].map(|all| all.get(name).unwrap_or(&Value::Null));
        if value != other {
            return match (value, other) {
                (Value::Object(_), Value::Object(_)) => compare(value, other),
                _ => Err(format!("was made with {name} = {value}, now it is {other}")),
            };
        }
    }
    Ok(())
}
