//! JSON objects too large to be read whole: their entries, one at a time.

use std::cell::Cell;
use std::fmt;
use std::io::BufReader;
use std::path::Path;
use std::rc::Rc;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::error::{Error, Position, Result};
use crate::source::lines::{self, Metered, TooLong};

/// Longest entry accepted, in bytes.
const MAX_ENTRY: usize = 16 << 20;

/// Streams the entries of a JSON object in file order.
pub(super) fn for_each_entry<V: for<'de> Deserialize<'de>>(
    path: &Path,
    entry: impl FnMut(String, V) -> std::result::Result<(), String>,
) -> Result<()> {
    struct Entries<V, F>(F, Rc<Cell<usize>>, std::marker::PhantomData<V>);
    impl<'de, V: Deserialize<'de>, F: FnMut(String, V) -> std::result::Result<(), String>> Visitor<'de>
        for Entries<V, F>
    {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with item ids as keys")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry()? {
                (self.0)(key, value).map_err(serde::de::Error::custom)?;
                self.1.set(MAX_ENTRY);
            }
            Ok(())
        }
    }
    impl<'de, V: Deserialize<'de>, F: FnMut(String, V) -> std::result::Result<(), String>>
        DeserializeSeed<'de> for Entries<V, F>
    {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    let (inner, gzip) = lines::open(path)?;
    let (inner, left) = Metered::new(inner, MAX_ENTRY);
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, inner));
    let seed = Entries(entry, left, std::marker::PhantomData);
    let result = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    result.map_err(|e| {
        let at = Position { file: path.to_path_buf(), line: e.line() as u64, byte: e.column() as u64 };
        if !e.is_io() {
            return Error::Format { at, message: e.to_string() };
        }
        match std::io::Error::from(e).downcast::<TooLong>() {
            Ok(TooLong) => Error::TooLarge { at, what: "an entry's length", limit: MAX_ENTRY as u64 },
            Err(source) if gzip => Error::Gzip { at, source },
            Err(source) => Error::io(path, "cannot read")(source),
        }
    })
}
