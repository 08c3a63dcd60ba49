//! Metrics in JSON: an undefined metric is null.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serializer};

use super::{Metrics, names};

/// Writes the metrics, and null under the name of each that is undefined.
pub(crate) fn serialize<S: Serializer>(metrics: &Metrics, serializer: S) -> Result<S::Ok, S::Error> {
    let mut all: BTreeMap<String, Option<f64>> = names().map(|name| (name, None)).collect();
    all.extend(metrics.iter().map(|(name, &value)| (name.clone(), Some(value))));
    serializer.collect_map(all)
}

/// Reads metrics without those that are null.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
    let all = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
