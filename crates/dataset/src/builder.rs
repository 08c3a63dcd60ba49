//! A corpus from memory: events and items are pushed, and no file is written.

use std::borrow::Cow;

use crate::corpus::Corpus;
use crate::error::Result;
use crate::event::{EventKind, ItemField, RawEvent, RawItem, Times};
use crate::prepare::{Numbers, PrepareConfig, Prepared};
use crate::source::{EventSource, FileReport};

/// Events and items in memory.
///
/// ```
/// # fn main() -> seminar_dataset::Result<()> {
/// use seminar_dataset::{CorpusBuilder, PrepareConfig};
/// let mut log = CorpusBuilder::new();
/// for (user, item, time) in [("ann", "pen", 1_700_000_000), ("bob", "ink", 1_700_000_010), ("ann", "ink", 1_700_000_020)] {
///     log.event(user, item).time(time);
/// }
/// log.item("pen").title("A pen, blue").value("colour", "blue");
/// let corpus = log.build(&PrepareConfig::all())?;
/// assert_eq!(corpus.history(0).items, [1, 2]);
/// assert_eq!(corpus.title(1), Some("A pen, blue"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CorpusBuilder {
    events: Vec<BuiltEvent>,
    items: Vec<BuiltItem>,
    fields: Vec<ItemField>,
    has_times: bool,
}

#[derive(Clone, Debug, Default)]
struct BuiltEvent {
    user: String,
    item: String,
    time: i64,
    query: String,
    action: String,
    search: bool,
}

#[derive(Clone, Debug, Default)]
struct BuiltItem {
    item: String,
    title: Option<String>,
    description: Option<String>,
    image_urls: Vec<String>,
    values: Vec<(usize, String)>,
}

/// The event that was pushed last; what else is known of it can be said.
#[derive(Debug)]
pub struct EventMut<'a> {
    event: &'a mut BuiltEvent,
    has_times: &'a mut bool,
}

impl EventMut<'_> {
    /// Its time in seconds since 1970. Events without one are at 0 if any event has one.
    pub fn time(self, seconds: i64) -> Self {
        *self.has_times = true;
        self.event.time = seconds;
        self
    }

    /// The words of the request that led to it: it is a search.
    pub fn query(self, words: &str) -> Self {
        words.clone_into(&mut self.event.query);
        self.event.search = true;
        self
    }

    /// What the user did, such as `click`.
    pub fn action(self, name: &str) -> Self {
        name.clone_into(&mut self.event.action);
        self
    }
}

/// The item that was described last.
#[derive(Debug)]
pub struct ItemMut<'a> {
    item: &'a mut BuiltItem,
    fields: &'a mut Vec<ItemField>,
}

impl ItemMut<'_> {
    /// Its title.
    pub fn title(self, title: &str) -> Self {
        self.item.title = Some(title.to_owned());
        self
    }

    /// A description, of which queries can be made.
    pub fn description(self, text: &str) -> Self {
        self.item.description = Some(text.to_owned());
        self
    }

    /// The address of a picture, after those that were given before.
    pub fn image(self, address: &str) -> Self {
        self.item.image_urls.push(address.to_owned());
        self
    }

    /// A value of a named field, which is also an attribute.
    pub fn value(self, field: &str, value: &str) -> Self {
        let at = self.fields.iter().position(|known| known.name == field).unwrap_or_else(|| {
            self.fields.push(ItemField::names(field));
            self.fields.len() - 1
        });
        self.item.values.push((at, value.to_owned()));
        self
    }
}

impl CorpusBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pushes an event. Events of one time stay in the order in which they were pushed; without times, all do.
    pub fn event(&mut self, user: &str, item: &str) -> EventMut<'_> {
        let event = BuiltEvent { user: user.to_owned(), item: item.to_owned(), ..BuiltEvent::default() };
        self.events.push(event);
        let last = self.events.len() - 1;
        EventMut { event: &mut self.events[last], has_times: &mut self.has_times }
    }

    /// Describes an item; of two descriptions of an item, the last counts.
    pub fn item(&mut self, item: &str) -> ItemMut<'_> {
        self.items.push(BuiltItem { item: item.to_owned(), ..BuiltItem::default() });
        let last = self.items.len() - 1;
        ItemMut { item: &mut self.items[last], fields: &mut self.fields }
    }

    /// The corpus of what was pushed, in memory.
    ///
    /// # Errors
    /// As [`PrepareConfig::prepare`].
    pub fn build(&self, config: &PrepareConfig) -> Result<Corpus> {
        Corpus::in_memory(&config.prepare(self)?.data)
    }

    /// The same data, with the numbers that another corpus gave: see [`PrepareConfig::prepare_from`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare_from(&self, config: &PrepareConfig, numbers: &Numbers) -> Result<Prepared> {
        config.prepare_from(self, numbers)
    }
}

impl EventSource for CorpusBuilder {
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        for event in &self.events {
            visit(RawEvent {
                user: &event.user,
                item: &event.item,
                query_text: &event.query,
                time: event.time,
                kind: if event.search { EventKind::Search } else { EventKind::Recommendation },
                action: &event.action,
                ..RawEvent::default()
            })?;
        }
        Ok(Vec::new())
    }

    fn for_each_item(&self, visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        for item in &self.items {
            let value = |(field, value): &(usize, String)| (*field, Cow::Owned(value.clone()));
            let name = |field: usize| &self.fields[field].name;
            visit(RawItem {
                item: Cow::Borrowed(&item.item),
                title: item.title.as_deref().map(Cow::Borrowed),
                description: item.description.as_deref().map(Cow::Borrowed),
                image_urls: item.image_urls.iter().map(|url| Cow::Borrowed(url.as_str())).collect(),
                attributes: item
                    .values
                    .iter()
                    .map(|(field, value)| format!("{}:{value}", name(*field)).into())
                    .collect(),
                fields: item.values.iter().map(value).collect(),
                ..RawItem::default()
            })?;
        }
        Ok(Vec::new())
    }

    fn times(&self) -> Times {
        if self.has_times { Times::Seconds } else { Times::Order }
    }

    fn fields(&self) -> Vec<ItemField> {
        self.fields.clone()
    }
}
