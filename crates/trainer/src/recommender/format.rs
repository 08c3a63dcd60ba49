//! Recommendations as lines of text.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::request::Hit;
use crate::error::{Error, Result};

/// How recommendations are written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HitFormat {
    /// `user,rank,item,score,title`: a line per item under a header; with explanations a further column `because` of `item weight`
    /// pairs, separated by semicolons.
    #[default]
    Csv,
    /// A JSON object per user and line: `{"user", "hits": [{"id", "score", "title", "because"}]}`.
    Json,
}

impl HitFormat {
    /// What stands above all lines.
    pub fn header(self, explained: bool) -> &'static str {
        match (self, explained) {
            (Self::Json, _) => "",
            (Self::Csv, false) => "user,rank,item,score,title\n",
            (Self::Csv, true) => "user,rank,item,score,title,because\n",
        }
    }

    /// The lines of one user.
    ///
    /// # Errors
    /// None that is known: writing csv to memory may fail by its interface.
    pub fn lines(self, user: &str, hits: &[Hit], explained: bool) -> Result<String> {
        match self {
            Self::Json => {
                let hits: Vec<Value> = hits.iter().map(json_of).collect();
                Ok(format!("{}\n", json!({ "user": user, "hits": hits })))
            }
            Self::Csv => {
                let fail = |message: String| Error::Config { field: "format", message };
                let mut rows = csv::Writer::from_writer(Vec::new());
                for (rank, hit) in hits.iter().enumerate() {
                    let (rank, score) = ((rank + 1).to_string(), hit.score.to_string());
                    let because: Vec<String> =
                        hit.because.iter().map(|event| format!("{} {:.4}", event.id, event.weight)).collect();
                    let because = because.join(";");
                    let row = [user, &rank, &hit.id, &score, &hit.title, &because];
                    let columns = if explained { &row[..] } else { &row[..5] };
                    rows.write_record(columns).map_err(|error| fail(error.to_string()))?;
                }
                let bytes = rows.into_inner().map_err(|error| fail(error.to_string()))?;
                String::from_utf8(bytes).map_err(|error| fail(error.to_string()))
            }
        }
    }
}

fn json_of(hit: &Hit) -> Value {
    let because: Vec<Value> = hit
        .because
        .iter()
        .map(|event| json!({ "id": event.id, "title": event.title, "weight": shortest(event.weight) }))
        .collect();
    json!({ "id": hit.id, "score": shortest(hit.score), "title": hit.title, "because": because })
}

/// The number with the fewest digits that reads back as the same `f32`.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
