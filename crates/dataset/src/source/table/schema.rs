//! What a table of events looks like: a description that a preset file holds and flags can make.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::event::Part;

/// A column of a table, or a field of a JSON object: its name, or in a table its number from 1. Of several names, the first that
/// is there. Fields within fields are joined by points, as `user.id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Column(pub Vec<String>);

impl Column {
    /// Whether no name is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self(if name.is_empty() { Vec::new() } else { vec![name.to_owned()] })
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Column;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column's name, its number from 1, or a list of names")
            }
            fn visit_str<E>(self, name: &str) -> Result<Column, E> {
                Ok(Column::from(name))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Column, E> {
                match number {
                    1.. => Ok(Column(vec![number.to_string()])),
                    _ => Err(E::custom(format!("columns count from 1, not from {number}"))),
                }
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Column, E> {
                self.visit_i64(i64::try_from(number).map_err(E::custom)?)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Column, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = names.next_element::<Column>()? {
                    all.extend(name.0);
                }
                Ok(Column(all))
            }
        }
        deserializer.deserialize_any(Names)
    }
}

/// The form of a file.
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
pub enum Form {
    /// By the first line: JSON if it begins with `{`, else the separator that it holds.
    #[default]
    Auto,
    /// Cells separated by commas, or by what `separator` says.
    Csv,
    /// Cells separated by tabs, or by what `separator` says.
    Tsv,
    /// A JSON object, or a Python dict, a line.
    JsonLines,
    /// Parquet; needs the crate's feature `parquet`.
    Parquet,
}

/// How the letters of a file are stored.
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
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    #[strum(serialize = "utf-8")]
    Utf8,
    /// ISO 8859-1: a byte a letter.
    #[serde(rename = "latin-1")]
    #[strum(serialize = "latin-1")]
    Latin1,
}

/// How the rows of a file are written. The default finds out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableForm {
    /// Form of the file.
    pub form: Form,
    /// What separates cells: one or more letters, such as `::`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Whether the first row names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Whether cells may stand in quotes. By default they may where the separator is one letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotes: Option<bool>,
    /// How letters are stored.
    pub encoding: Encoding,
}

/// What a time is written as.
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
pub enum TimeForm {
    /// A number, whose size shows its unit, or a date.
    #[default]
    Auto,
    /// Seconds since 1970, or since any other origin.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// A date with the day before the month, as `31/12/2019`; without this, `12/31/2019` is expected.
    DayFirst,
}

/// How a cell holds several values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListForm {
    /// What separates them. Lists in brackets, as JSON and Python write them, are recognised.
    pub separator: String,
    /// What stands between a value and its label, such as `-` in `N1-0`: values are events if their label is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Which column tells searches from recommendations, by which values. Rows with another value are no events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindColumn {
    /// The column.
    pub column: Column,
    /// The value of searches.
    pub search: String,
    /// The value of recommendations.
    pub recommendation: String,
}

/// Files of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventTable {
    /// Names of the files in the folder; `*` stands for anything, `{name}` for the name of the data set. Those that are there are
    /// read one after another; each may be `.gz` or `.zst`. A folder stands for the files in it.
    pub files: Vec<String>,
    /// Whether all of them may be absent.
    pub optional: bool,
    /// How they are written.
    pub format: TableForm,
    /// The user. By default a column of a usual name.
    pub user: Column,
    /// The item, or a list of them. By default a column of a usual name.
    pub item: Column,
    /// How the item's column holds several, which are events in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListForm>,
    /// Each row is a user's whole sequence: all cells behind the user are items.
    pub sequence: bool,
    /// Whether a user with a list or a sequence may have several rows.
    pub repeated_users: bool,
    /// A list is the user's history before all other rows: it is taken once per user, at the time of the user's first row.
    pub history: bool,
    /// The time. By default a column of a usual name, if there is one.
    pub time: Column,
    /// Whether there are no times whatever columns are called: the order of the rows counts.
    pub no_time: bool,
    /// What times are written as.
    pub time_form: TimeForm,
    /// Columns of day, month and year, instead of a time.
    pub date: Vec<Column>,
    /// The rating.
    pub rating: Column,
    /// The words of the user's request.
    pub query: Column,
    /// Which rows are searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindColumn>,
    /// What the user did: a column.
    pub action: Column,
    /// Which actions are events. By default all.
    pub actions: Vec<String>,
    /// Rows are events if one of these columns holds a number above 0; the first such column is the action.
    pub any_of: Vec<Column>,
    /// The part of a given split.
    pub part: Part,
}

/// A named field of items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldColumn {
    /// Its name.
    pub name: String,
    /// The column. By default the one of this name.
    pub column: Column,
    /// What separates several values in a cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// How many first values are left out, such as the top of a path of categories.
    pub skip: usize,
    /// Values that stand for none.
    pub none: Vec<String>,
    /// Whether the column may be absent.
    pub optional: bool,
    /// Values are numbers, which are put into so many buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<usize>,
    /// Columns of 0 and 1, each with the value that a 1 stands for.
    pub flags: Vec<(Column, String)>,
}

/// Files that describe items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ItemTable {
    /// Names of the files, as for events.
    pub files: Vec<String>,
    /// Whether all of them may be absent.
    pub optional: bool,
    /// How they are written.
    pub format: TableForm,
    /// The item. By default a column of a usual name.
    pub id: Column,
    /// The title. By default a column of a usual name, if there is one.
    pub title: Column,
    /// A description, of whose first words queries can be made.
    pub description: Column,
    /// The address of a picture, or a list of them. By default a column of a usual name, if there is one.
    pub image: Column,
    /// The words of the item's own query.
    pub query: Column,
    /// A list of attributes. By default the values of all fields of names are attributes.
    pub attributes: Column,
    /// Named fields.
    pub fields: Vec<FieldColumn>,
    /// Whether every other column is a field: in a RecBole header lists and names as values, numbers in buckets.
    pub other_fields: bool,
}
