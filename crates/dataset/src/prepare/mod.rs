//! From raw events to a numbered data set: read, order, core filter, number, describe.

mod batch;
mod core_filter;
mod events;
mod fields;
mod folder;
mod items;
mod numbers;
mod repeats;
mod report;
mod sparse;
mod thin;
mod vocabulary;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

pub use core_filter::core_filter;
pub(crate) use fields::{FieldValues, add_to_attributes};
pub(crate) use folder::NEGATIVES_SEED;
pub use folder::write_folder;
pub(crate) use items::attribute_queries;
pub use numbers::Numbers;
pub use repeats::Repeats;
pub use report::{Counts, PrepareReport, Step};
pub(crate) use vocabulary::{VOCABULARY, write as write_vocabulary};

use crate::error::{Error, Result};
use crate::event::Times;
use crate::instant::instant;
use crate::numbered::Numbered;
use crate::source::EventSource;
use events::EventTable;

/// Where the query of an event comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Queries {
    /// No queries.
    None,
    /// The first words of the item's own description: a *dummy* query, the same at every event of the item.
    Description,
    /// The words that the log holds for the event.
    Logged,
    /// The item's first attributes, as keywords.
    Attributes,
}

/// The settings of [`PrepareConfig::prepare`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrepareConfig {
    /// Users with fewer events fall out, repeatedly.
    pub min_user_events: u32,
    /// Items with fewer events fall out, repeatedly.
    pub min_item_events: u32,
    /// Where queries come from.
    pub queries: Queries,
    /// How many words of a description, or attributes of an item, make a query.
    pub query_words: usize,
    /// Attributes that fewer items have are left out.
    pub min_attribute_items: u32,
    /// Keep the log's own keyword numbers, as the published runs do, instead of numbering words densely.
    pub raw_keyword_numbers: bool,
    /// Which events are dropped as repeats of an earlier one, before the core filter.
    pub drop_repeats: Repeats,
    /// Events before this time are left out; seconds since 1970.
    #[serde(default)]
    pub after: Option<i64>,
    /// Events from this time on are left out; seconds since 1970.
    #[serde(default)]
    pub before: Option<i64>,
    /// Of each user, only so many newest events are kept, before the core filter.
    #[serde(default)]
    pub max_user_events: Option<u32>,
    /// Split by time instead of leaving out each user's last two events. A split that comes with the data goes before this one.
    #[serde(default)]
    pub split: Option<SplitAt>,
}

/// A split of all users at the same instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitAt {
    /// Events from here on are not trained on; seconds since 1970.
    pub valid: i64,
    /// Events from here on are for the test; seconds since 1970.
    pub test: i64,
}

impl PrepareConfig {
    /// Amazon as published: 5-core, dummy queries of five words.
    pub fn amazon() -> Self {
        Self {
            min_user_events: 5,
            min_item_events: 5,
            queries: Queries::Description,
            query_words: 5,
            min_attribute_items: 0,
            raw_keyword_numbers: false,
            drop_repeats: Repeats::Keep,
            after: None,
            before: None,
            max_user_events: None,
            split: None,
        }
    }

    /// KuaiSAR as published: users with four events or more, attributes with three items or more.
    pub fn kuaisar() -> Self {
        Self {
            min_user_events: 4,
            min_item_events: 0,
            queries: Queries::Logged,
            min_attribute_items: 3,
            ..Self::amazon()
        }
    }

    /// Everything: no filter, no queries but those that the log holds.
    pub fn all() -> Self {
        Self { min_user_events: 1, min_item_events: 1, ..Self::table() }
    }

    /// Any table of events: 5-core, with the queries that it holds.
    pub fn table() -> Self {
        Self { queries: Queries::Logged, ..Self::amazon() }
    }

    /// Reads a source and numbers it.
    ///
    /// Users are numbered in order of their first event in the source, items from 1 as they appear along
    /// each user's events. Events of a user are ordered by time; equal times keep the source's order.
    ///
    /// # Errors
    /// What the source reports, or [`Error::NothingLeft`] with the step that left nothing, its settings, and a table of what was
    /// read and skipped.
    pub fn prepare(&self, source: &impl EventSource) -> Result<Prepared> {
        self.prepare_from(source, &Numbers::default())
    }

    /// As [`prepare`](Self::prepare), but everything that `numbers` names keeps its number, and only what is new is numbered.
    ///
    /// The source is the whole log, with what was in it before: so a corpus of a log that has grown is what
    /// [`prepare`](Self::prepare) makes of it, up to the numbers. What was numbered and does not occur any more keeps its number too;
    /// such users have no events.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_from(&self, source: &impl EventSource, numbers: &Numbers) -> Result<Prepared> {
        self.check()?;
        let times = source.times();
        if self.split.is_some() && times == Times::Order {
            return Err(Error::Config { field: "split", message: "the source has no times".into() });
        }
        let (mut table, files) = batch::read(source, EventTable::from_numbers(numbers))?;
        let mut report = PrepareReport { files, before: table.counts(), ..PrepareReport::default() };
        report.steps.push(Step::new("reading", source.settings().join(", "), report.before));
        if table.is_empty() {
            return Err(report.nothing_left("reading events", source.settings()));
        }
        self.filter(&mut table, times, &mut report)?;
        let kept = core_filter(&table.users, &table.items, self.min_user_events, self.min_item_events);
        let (mut data, item_ids) = table.number(&kept, self, times, numbers)?;
        drop(kept);
        report.numbers_without_events = data.without_events(numbers);
        if !numbers.users.is_empty()
            && report.numbers_without_events == [numbers.users.len() as u64, numbers.items.len() as u64]
        {
            let message =
                "no user and no item of the older corpus is in this log: they belong to different data sets";
            return Err(Error::Config { field: "grow", message: message.into() });
        }
        let left = data.counts();
        let core =
            format!("min_user_events {}, min_item_events {}", self.min_user_events, self.min_item_events);
        report.steps.push(Step::new("the core filter", core, left));
        if left.events == 0 {
            return Err(report.nothing_left("the core filter", &["min_user_events", "min_item_events"]));
        }
        let mut catalogue =
            items::Catalogue::new(data.item_count(), self.query_words, source.fields(), numbers);
        for file in source.for_each_item(&mut |item| catalogue.add(item, &table, &item_ids))? {
            report.item_file(file);
        }
        let joined = catalogue.finish(self, &mut data);
        // A file of few items may be a sample that happens to hold none of these.
        let whole = joined.foreign_items * 10 >= data.item_count() as u64;
        if report.item_files > 0 && joined.items_with_meta == 0 && whole {
            let example = String::from_utf8_lossy(data.texts.items.row(0)).into_owned();
            let other = joined.first_foreign_item.unwrap_or_default();
            let before = format!(
                "no item of the events (such as `{example}`) is in the item file (such as `{other}`): they belong to different \
                 data sets; take the item file away to go on without"
            );
            return Err(Error::Empty { step: "joining the item file", before });
        }
        report.items_without_meta = data.item_count() as u64 - joined.items_with_meta;
        report.items_described_twice = joined.described_twice;
        report.attributes_before_core = joined.attributes_before_core;
        Ok(Prepared { data, report })
    }

    /// The filters before the core filter, each a step of the report.
    fn filter(&self, table: &mut EventTable, times: Times, report: &mut PrepareReport) -> Result<()> {
        if self.after.is_some() || self.before.is_some() {
            let Some(units) = times.per_second() else {
                let field = if self.after.is_some() { "after" } else { "before" };
                return Err(Error::Config { field, message: "the source has no times".into() });
            };
            let [after, before] = [self.after, self.before].map(|time| time.map(|t| t.saturating_mul(units)));
            table.keep_times(after, before);
            let told = [("after", self.after), ("before", self.before)]
                .into_iter()
                .filter_map(|(name, time)| Some(format!("{name} {}", instant(time?))));
            let told = told.collect::<Vec<_>>().join(", ");
            report.filtered("the range of times", &["after", "before"], told, table.counts())?;
        }
        if self.drop_repeats != Repeats::Keep {
            let dropped = table.drop_repeats(self.drop_repeats, times != Times::Order);
            let rule: &str = self.drop_repeats.into();
            report.filtered(
                "dropping repeats",
                &["drop_repeats"],
                format!("drop_repeats {rule}"),
                table.counts(),
            )?;
            report.repeats_dropped = dropped;
        }
        if let Some(most) = self.max_user_events {
            table.keep_newest(most);
            let told = format!("max_user_events {most}");
            report.filtered("keeping the newest events", &["max_user_events"], told, table.counts())?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let fail = |field, message: String| Err(Error::Config { field, message });
        if let (Some(after), Some(before)) = (self.after, self.before)
            && after >= before
        {
            return fail("before", format!("{} is not after {}", instant(before), instant(after)));
        }
        if let Some(SplitAt { valid, test }) = self.split
            && valid > test
        {
            return fail(
                "split",
                format!("the test begins at {}, before validation at {}", instant(test), instant(valid)),
            );
        }
        if self.max_user_events == Some(0) {
            return fail("max_user_events", "must be at least 1".into());
        }
        Ok(())
    }
}

/// A numbered data set and how it came about.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The data.
    pub data: Numbered,
    /// What was seen and left out.
    pub report: PrepareReport,
}
