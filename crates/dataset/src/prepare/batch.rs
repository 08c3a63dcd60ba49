//! Events on their way from the thread that reads to the thread that numbers.

use std::sync::mpsc::{channel, sync_channel};

use super::events::EventTable;
use crate::error::{Error, Result};
use crate::event::{EventKind, Part, RawEvent};
use crate::source::{EventSource, FileReport};

/// Events of a batch.
const EVENTS: usize = 4096;
/// Bytes of text at which a batch ends, too.
const BYTES: usize = 1 << 20;
/// Batches that wait to be numbered.
const WAITING: usize = 4;

/// Some events, with their texts.
#[derive(Default)]
pub(super) struct Batch {
    text: String,
    /// Queries as numbers of words.
    words: Vec<u64>,
    events: Vec<Packed>,
}

struct Packed {
    /// Where user, item, query and action end in the text.
    ends: [usize; 4],
    words_end: usize,
    time: i64,
    kind: EventKind,
    part: Part,
}

impl Batch {
    fn add(&mut self, event: RawEvent<'_>) {
        let ends = [event.user, event.item, event.query_text, event.action].map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        self.words.extend_from_slice(event.query);
        let RawEvent { time, kind, part, .. } = event;
        self.events.push(Packed { ends, words_end: self.words.len(), time, kind, part });
    }

    fn is_full(&self) -> bool {
        self.events.len() >= EVENTS || self.text.len() >= BYTES
    }

    fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.events.clear();
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// The events, in their order.
    pub fn events(&self) -> impl Iterator<Item = RawEvent<'_>> {
        let (mut start, mut words_start) = (0, 0);
        self.events.iter().map(move |packed| {
            let [user, item, query_text, action] = packed.ends.map(|end| {
                let text = &self.text[start..end];
                start = end;
                text
            });
            let query = &self.words[words_start..packed.words_end];
            words_start = packed.words_end;
            let Packed { time, kind, part, .. } = *packed;
            RawEvent { user, item, query, query_text, time, kind, action, part }
        })
    }
}

/// Reads all events of a source into a table: while one thread reads, another numbers. Events of one batch are numbered at once.
pub(super) fn read(source: &impl EventSource, table: EventTable) -> Result<(EventTable, Vec<FileReport>)> {
    std::thread::scope(|scope| {
        let (to, batches) = sync_channel::<Batch>(WAITING);
        let (back, emptied) = channel::<Batch>();
        let mut idle = Some(move || {
            let mut table = table;
            for mut batch in batches {
                table.push_all(&batch)?;
                batch.clear();
                // The reader may be done and gone.
                let _ = back.send(batch);
            }
            Ok(table)
        });
        let mut numbering = None;
        let mut batch = Batch::default();
        let read = source.for_each_event(&mut |event| {
            batch.add(event);
            if batch.is_full() {
                if let Some(idle) = idle.take() {
                    numbering = Some(scope.spawn(idle));
                }
                let full = std::mem::replace(&mut batch, emptied.try_recv().unwrap_or_default());
                // Nobody takes it: numbering has failed, and says why below.
                to.send(full).map_err(|_| Error::Config { field: "events", message: String::new() })?;
            }
            Ok(())
        });
        let _ = to.send(batch);
        drop(to);
        let table: Result<EventTable> = match (idle, numbering) {
            (Some(work), _) => work(),
            (None, thread) => {
                let thread = thread.expect("the work was given to it");
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        Ok((table?, read?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_went_in() {
        let events = [
            RawEvent { user: "ann", item: "pen", time: 3, ..RawEvent::default() },
            RawEvent { user: "", item: "ü", query: &[1, 2], kind: EventKind::Search, ..RawEvent::default() },
            RawEvent {
                user: "bob",
                query_text: "a b",
                action: "like",
                part: Part::Test,
                ..RawEvent::default()
            },
        ];
        let mut batch = Batch::default();
        events.iter().for_each(|&event| batch.add(event));
        assert!(batch.events().eq(events));
        batch.clear();
        assert_eq!(batch.events().count(), 0);
    }
}
