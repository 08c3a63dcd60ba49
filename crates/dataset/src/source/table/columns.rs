//! Finding columns: by name, by number, or by the names that such columns usually have.

use std::path::Path;

use super::schema::Column;
use crate::error::{Error, Result};

/// Usual names of each kind of column: lower case, without what is no letter or digit. Earlier ones go first.
pub(super) const USERS: &[&str] = &[
    "userid",
    "user",
    "uid",
    "reviewerid",
    "username",
    "useridx",
    "userindex",
    "customerid",
    "customer",
    "memberid",
    "visitorid",
    "accountid",
    "clientid",
    "playerid",
    "personid",
    "sessionid",
];
pub(super) const ITEMS: &[&str] = &[
    "itemid",
    "item",
    "iid",
    "movieid",
    "parentasin",
    "asin",
    "productid",
    "product",
    "businessid",
    "videoid",
    "artistid",
    "songid",
    "trackid",
    "bookid",
    "isbn",
    "articleid",
    "newsid",
    "gameid",
    "recipeid",
    "poiid",
    "venueid",
    "locationid",
    "itemidx",
    "itemindex",
    "goodsid",
    "sku",
    "adid",
    "photoid",
    "movie",
    "artist",
    "song",
    "track",
    "book",
    "video",
];
pub(super) const TIMES: &[&str] = &[
    "timestamp",
    "time",
    "unixreviewtime",
    "timems",
    "timestampms",
    "unixtime",
    "unixtimestamp",
    "datetime",
    "date",
    "eventtime",
    "createdat",
    "ts",
    "stime",
    "sorttimestamp",
    "reviewtime",
    "clicktime",
    "eventtimestamp",
];
pub(super) const RATINGS: &[&str] = &["rating", "overall", "stars", "score", "reviewscore", "ratingvalue"];
pub(super) const IDS: &[&str] = &["id"];
pub(super) const TITLES: &[&str] =
    &["title", "name", "movietitle", "itemname", "productname", "titel", "caption"];
pub(super) const IMAGES: &[&str] =
    &["image", "imageurl", "imgurl", "picture", "pictureurl", "poster", "posterurl"];

/// A column that a reader asks for.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// What it is for.
    pub what: &'static str,
    /// What was said of it.
    pub column: Column,
    /// The names that it usually has; looked for where nothing was said.
    pub usual: Vec<&'static str>,
    /// Whether the file is useless without it.
    pub needed: bool,
}

impl Slot {
    pub fn new(what: &'static str, column: &Column) -> Self {
        Self { what, column: column.clone(), usual: Vec::new(), needed: !column.is_empty() }
    }

    /// Looks for these names where no other was said.
    pub fn usually(mut self, names: &[&'static str]) -> Self {
        self.usual.extend(names);
        self
    }

    pub fn needed(mut self) -> Self {
        self.needed = true;
        self
    }
}

/// The columns of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    /// Their names; empty where the file has no header.
    pub names: Vec<String>,
    /// Their types, as RecBole writes them; empty where there are none.
    pub types: Vec<String>,
    /// How many there are.
    pub width: usize,
}

impl Header {
    /// The cells of a first row that names columns. RecBole's form is `name:type`.
    pub fn of(cells: Vec<String>) -> Self {
        const TYPES: [&str; 4] = ["token", "token_seq", "float", "float_seq"];
        let width = cells.len();
        let typed = |cell: &String| {
            cell.rsplit_once(':').is_some_and(|(name, of)| !name.is_empty() && TYPES.contains(&of))
        };
        if !cells.is_empty() && cells.iter().all(typed) {
            let parts = cells.iter().filter_map(|cell| cell.rsplit_once(':'));
            let (names, types) = parts.map(|(name, of)| (name.to_owned(), of.to_owned())).unzip();
            return Self { names, types, width };
        }
        Self { names: cells, types: Vec::new(), width }
    }

    /// The column of a slot, from 0.
    pub fn find(&self, slot: &Slot) -> Option<usize> {
        let named = |name: &String| self.names.iter().position(|own| own == name);
        let numbered = |name: &String| {
            name.parse::<usize>().ok().filter(|n| (1..=self.width).contains(n)).map(|n| n - 1)
        };
        let given = slot.column.0.iter();
        given
            .clone()
            .find_map(named)
            .or_else(|| given.clone().find_map(numbered))
            .or_else(|| slot.column.is_empty().then(|| self.usual(&slot.usual)).flatten())
    }

    /// The first column with one of these names, whatever their case and punctuation.
    fn usual(&self, usual: &[&str]) -> Option<usize> {
        let plain: Vec<String> = self.names.iter().map(|name| plain(name)).collect();
        usual.iter().find_map(|usual| plain.iter().position(|name| name == usual))
    }

    /// Whether names of this row are asked for: then it is a header.
    pub fn answers(&self, slots: &[Slot]) -> bool {
        let asked = |slot: &Slot| match slot.column.is_empty() {
            true => slot.needed && self.usual(&slot.usual).is_some(),
            false => {
                slot.column.0.iter().any(|name| self.names.contains(name) && name.parse::<u64>().is_err())
            }
        };
        !self.types.is_empty() || slots.iter().any(asked)
    }

    /// The columns of all slots.
    ///
    /// # Errors
    /// Names the first needed one that is not there, and those that are.
    pub fn bind(&self, slots: &[Slot], file: &Path) -> Result<Vec<Option<usize>>> {
        slots
            .iter()
            .map(|slot| match self.find(slot) {
                None if slot.needed => Err(self.missing(slot, file)),
                found => Ok(found),
            })
            .collect()
    }

    /// Takes up paths such as `user.id` that were said, where the first part is a field.
    pub fn add_paths(&mut self, slots: &[Slot]) {
        for name in slots.iter().flat_map(|slot| &slot.column.0) {
            let first = name.split_once('.').map(|(first, _)| first);
            if first.is_some_and(|first| self.names.iter().any(|own| own == first))
                && !self.names.contains(name)
            {
                self.names.push(name.clone());
                self.width += 1;
            }
        }
    }

    fn missing(&self, slot: &Slot, file: &Path) -> Error {
        let column = match slot.column.is_empty() {
            true => format!("{} (say which: no usual name of one is there)", slot.what),
            false => slot.column.to_string(),
        };
        let found = match self.names.is_empty() {
            true => {
                format!("no header, and {} columns, which have the numbers 1 to {}", self.width, self.width)
            }
            false => self.told(),
        };
        Error::MissingColumn { file: file.to_path_buf(), column, found }
    }

    /// The names, as a message shows them.
    pub fn told(&self) -> String {
        let more = if self.names.len() > 40 { ", …" } else { "" };
        self.names.iter().take(40).map(String::as_str).collect::<Vec<_>>().join(", ") + more
    }
}

/// A name in lower case, without what is no letter or digit.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Header {
        Header::of(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn columns_by_name_number_and_habit() {
        let user = Slot::new("user", &Column::default()).usually(USERS).needed();
        let given = |name: &str| Slot::new("user", &Column::from(name)).usually(USERS).needed();
        let own = header(&["Item-ID", "2", "User Id", "time"]);
        assert_eq!((own.find(&user), own.find(&given("time"))), (Some(2), Some(3)));
        // A name goes before a number.
        assert_eq!(
            (own.find(&given("2")), own.find(&given("3")), own.find(&given("5"))),
            (Some(1), Some(2), None)
        );
        let both = Slot::new("user", &Column(vec!["absent".into(), "time".into()]));
        assert_eq!(own.find(&both), Some(3));
        let error = own.bind(&[given("who")], Path::new("f.csv")).unwrap_err().to_string();
        assert!(error.contains("`who`") && error.contains("Item-ID, 2, User Id, time"), "{error}");
        let bare = Header { width: 3, ..Header::default() };
        assert_eq!(bare.bind(&[given("3")], Path::new("f")).unwrap(), [Some(2)]);
        let error = bare.bind(&[user], Path::new("f")).unwrap_err().to_string();
        assert!(error.contains("no header") && error.contains("1 to 3"), "{error}");
    }

    #[test]
    fn recbole_headers_have_types() {
        let typed = header(&["user_id:token", "item_id:token", "timestamp:float", "a:b:token_seq"]);
        assert_eq!(typed.names, ["user_id", "item_id", "timestamp", "a:b"]);
        assert_eq!(typed.types[3], "token_seq");
        assert!(header(&["a:token", "b"]).types.is_empty());
    }
}
