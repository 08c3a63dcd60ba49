//! Raw data sets of any size with planted interests, in the form of either log.
//!
//! Each user has a few long-lived interests. Runs of events follow one interest, then another; inside an
//! interest the next item often continues the series that the user left off there, perhaps hundreds of
//! events ago. Titles, descriptions, image vectors and search words agree with the interest. So a model that
//! searches the whole history, reads queries, or sees more than ids has something to gain, by construction.

mod amazon;
mod kuaisar;
mod s3rec;
mod tables;
mod world;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use amazon::{AmazonRelease, write_amazon, write_amazon_release};
pub use kuaisar::write_kuaisar;
pub use s3rec::{s3rec_files, write_s3rec};
pub use tables::write_tables;
pub use world::{Planted, World};

use crate::error::{Error, Result};
use crate::output::check_name;

/// Size and shape of a synthetic data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyntheticConfig {
    /// Users.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Events of all users together, met exactly.
    pub events: u64,
    /// Seed of everything.
    pub seed: u64,
    /// Interests per user.
    pub interests: u64,
    /// Mean number of events before the user turns to another interest.
    pub mean_run: f64,
    /// Share of events that continue the series left off in the current interest.
    pub continuation: f64,
    /// Share of events that follow no interest.
    pub noise: f64,
    /// Mean words of a review; only the volume of text depends on it.
    pub review_words: f64,
    /// Width of the image vectors.
    pub image_dim: usize,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self {
            users: 1_000,
            items: 800,
            events: 20_000,
            seed: 42,
            interests: 6,
            mean_run: 3.0,
            continuation: 0.6,
            noise: 0.1,
            review_words: 90.0,
            image_dim: 64,
        }
    }
}

/// Fewest events of a user, so that nobody falls to the 5-core.
pub(crate) const MIN_EVENTS: u64 = 5;
/// Most events: sums over them stay far from the end of the numbers.
const MOST_EVENTS: u64 = 1 << 48;
/// Most events of a user, which lie in memory together.
const MOST_OF_A_USER: u64 = 1 << 24;
/// Most interests of a user: each is drawn for each user.
const MOST_INTERESTS: u64 = 4096;
/// Most numbers of an image vector.
const MOST_NUMBERS: usize = 1 << 16;

/// Checks settings and the name that names of files hold, if they do; makes the folder, and the world that is written into it.
fn begin(config: &SyntheticConfig, folder: &Path, name: Option<&str>) -> Result<World> {
    config.validate()?;
    name.map_or(Ok(()), check_name)?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    Ok(World::new(config))
}

impl SyntheticConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the field that cannot work.
    pub fn validate(&self) -> Result<()> {
        let fail = |field, message: String| Err(Error::Config { field, message });
        if self.users == 0 || self.users > u64::from(u32::MAX) {
            return fail("users", format!("{} is not between 1 and 2^32", self.users));
        }
        if self.items < 8 || self.items > u64::from(u32::MAX) {
            return fail("items", format!("{} is not between 8 and 2^32", self.items));
        }
        if self.events < MIN_EVENTS * self.users || self.events > MOST_EVENTS {
            let message =
                format!("{} is not between {MIN_EVENTS} for each user and {MOST_EVENTS}", self.events);
            return fail("events", message);
        }
        if self.events / self.users > MOST_OF_A_USER {
            let message = format!("{} is over {MOST_OF_A_USER} for each user", self.events);
            return fail("events", message);
        }
        if !(1..=MOST_INTERESTS).contains(&self.interests) {
            return fail("interests", format!("{} is not between 1 and {MOST_INTERESTS}", self.interests));
        }
        if !(1..=MOST_NUMBERS).contains(&self.image_dim) {
            return fail("image_dim", format!("{} is not between 1 and {MOST_NUMBERS}", self.image_dim));
        }
        for (field, value) in [("continuation", self.continuation), ("noise", self.noise)] {
            if !(0.0..=1.0).contains(&value) {
                return fail(field, format!("{value} is no probability"));
            }
        }
        if !(self.mean_run >= 1.0 && self.mean_run.is_finite()) {
            return fail("mean_run", format!("{} is not a number from 1", self.mean_run));
        }
        if !(self.review_words >= 0.0 && self.review_words < 1e5) {
            return fail("review_words", format!("{} is not between 0 and 100,000", self.review_words));
        }
        Ok(())
    }
}
