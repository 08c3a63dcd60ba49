//! A review of either release.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::Refusal;
use super::super::loose::Loose;
use super::super::record::{Record, needed};

/// The note of a review that rates too low to count.
pub(super) const TOO_LOW: &str = "not above the rating threshold";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Review<'a> {
    #[serde(rename = "reviewerID", borrow)]
    user: Loose<'a>,
    #[serde(borrow)]
    asin: Loose<'a>,
    #[serde(borrow)]
    overall: Loose<'a>,
    #[serde(rename = "unixReviewTime", borrow)]
    time: Loose<'a>,
    #[serde(rename = "user_id", borrow)]
    user_2023: Loose<'a>,
    #[serde(borrow)]
    parent_asin: Loose<'a>,
    #[serde(borrow)]
    rating: Loose<'a>,
    #[serde(borrow)]
    timestamp: Loose<'a>,
    /// The time in the release's first form.
    #[serde(rename = "sortTimestamp", borrow)]
    sort_timestamp: Loose<'a>,
}

/// A review that can be used.
pub(super) struct Usable<'a> {
    pub user: Cow<'a, str>,
    pub item: Cow<'a, str>,
    pub rating: f64,
    /// In milliseconds.
    pub time: i64,
}

impl<'a> Review<'a> {
    /// The event, or the reason why there is none.
    pub fn usable(self) -> Result<Usable<'a>, Refusal> {
        let of_2023 =
            self.user == Loose::Null && (self.user_2023 != Loose::Null || self.parent_asin != Loose::Null);
        let [user, item, rating, time] = match of_2023 {
            false => [
                ("reviewerID", self.user),
                ("asin", self.asin),
                ("overall", self.overall),
                ("unixReviewTime", self.time),
            ],
            true => {
                let time = if self.timestamp == Loose::Null { self.sort_timestamp } else { self.timestamp };
                // `asin` there is a variant of the item; metadata knows items by their parents.
                [
                    ("user_id", self.user_2023),
                    ("parent_asin", self.parent_asin),
                    ("rating", self.rating),
                    ("timestamp", time),
                ]
            }
        };
        let id = |(name, value)| needed(name, value, "neither text nor a whole number", Loose::into_id);
        let finite = |value: Loose<'a>| value.as_f64().filter(|r| r.is_finite()).ok_or(value);
        let whole = |value: Loose<'a>| value.as_time().ok_or(value);
        let (user, item) = (id(user)?, id(item)?);
        let rating = needed(rating.0, rating.1, "no number", finite)?;
        let time = needed(time.0, time.1, "no whole number from 0 to 2^53", whole)?;
        Ok(Usable { user, item, rating, time: if of_2023 { time } else { time * 1_000 } })
    }
}

impl<'a> Record<'a> for Review<'a> {
    fn from_literal(mut map: Loose<'a>) -> Self {
        Self {
            user: map.take("reviewerID"),
            asin: map.take("asin"),
            overall: map.take("overall"),
            time: map.take("unixReviewTime"),
            user_2023: map.take("user_id"),
            parent_asin: map.take("parent_asin"),
            rating: map.take("rating"),
            timestamp: map.take("timestamp"),
            sort_timestamp: map.take("sortTimestamp"),
        }
    }
}
