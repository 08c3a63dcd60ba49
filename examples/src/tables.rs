//! Flags of `prepare` that describe a table of events.

use std::path::PathBuf;

use clap::Args;
use seminar_dataset::{
    Column, Encoding, EventTable, FieldColumn, Form, ItemField, ItemTable, KindColumn, ListForm, Part,
    TableForm, TableSchema, TimeForm,
};
use strum::VariantArray;

use crate::args::one_of;

/// What the files of `--source table` look like.
#[derive(Args, Clone, Debug, Default)]
pub struct TableFlags {
    /// Files of events, in --input or the current folder; `*` stands for anything. Several are read one after another.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Tables")]
    pub events: Vec<String>,
    /// Column of the user: its name, or its number from 1. By default a column of a usual name, here and below.
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub user: Option<String>,
    /// Column of the item.
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub item: Option<String>,
    /// Column of the time: a number, whose size shows its unit, or a date.
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub time: Option<String>,
    /// There are no times: the order of the rows counts.
    #[arg(long, conflicts_with_all = ["time", "date"], help_heading = "Tables")]
    pub no_time: bool,
    /// What times are written as.
    #[arg(long, value_parser = one_of(TimeForm::VARIANTS), help_heading = "Tables")]
    pub time_form: Option<TimeForm>,
    /// Columns of day, month and year.
    #[arg(
        long,
        value_name = "DAY,MONTH,YEAR",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with = "time",
        help_heading = "Tables"
    )]
    pub date: Vec<String>,
    /// Column of the rating, for --rating-above.
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub rating: Option<String>,
    /// Column of the words of a request.
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub query: Option<String>,
    /// Column that tells searches from recommendations, and its values for them.
    #[arg(long, value_name = "COLUMN=SEARCH,RECOMMENDATION", help_heading = "Tables")]
    pub kind: Option<String>,
    /// Column of what the user did, and which actions are events; without values, all.
    #[arg(long, value_name = "COLUMN[=ACTION,…]", help_heading = "Tables")]
    pub action: Option<String>,
    /// Columns of which one has to hold a number above 0; the first such one is the action.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', help_heading = "Tables")]
    pub any_of: Vec<String>,
    /// The item's column holds a list, separated by this; lists in brackets are recognised.
    #[arg(long, value_name = "SEPARATOR", help_heading = "Tables")]
    pub list: Option<String>,
    /// Each row is a user and the items of the user's whole history.
    #[arg(long, help_heading = "Tables")]
    pub sequence: bool,
    /// A user with a list or a sequence may have several rows.
    #[arg(long, help_heading = "Tables")]
    pub repeated_users: bool,
    /// Files of the events to validate on, where --events are those to train on.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Tables")]
    pub valid: Vec<String>,
    /// Files of the events to test on.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Tables")]
    pub test: Vec<String>,
    /// Files that describe items.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Tables")]
    pub items: Vec<String>,
    /// Column of the item there.
    #[arg(long, value_name = "COLUMN", requires = "items", help_heading = "Tables")]
    pub item_id: Option<String>,
    /// Column of the title.
    #[arg(long, value_name = "COLUMN", requires = "items", help_heading = "Tables")]
    pub title: Option<String>,
    /// Column of the description.
    #[arg(long, value_name = "COLUMN", requires = "items", help_heading = "Tables")]
    pub description: Option<String>,
    /// Column of the address of a picture.
    #[arg(long, value_name = "COLUMN", requires = "items", help_heading = "Tables")]
    pub image: Option<String>,
    /// Columns of named fields; behind a colon what separates several values in a cell: `genres:|`. For s3rec members of the lines of
    /// NAME_items.jsonl, whose lists need no separator.
    #[arg(long, value_name = "COLUMN[:SEPARATOR],…", num_args = 1.., help_heading = "Tables")]
    pub fields: Vec<String>,
    /// Columns of numbers, which become fields of so many buckets: `price:10`.
    #[arg(long, value_name = "COLUMN[:BUCKETS]", num_args = 1.., help_heading = "Tables")]
    pub number_fields: Vec<String>,
    /// Form of the files. By default their first lines show it, here and below.
    #[arg(long, value_parser = one_of(Form::VARIANTS), help_heading = "Tables")]
    pub form: Option<Form>,
    /// What separates cells: one letter or more, such as `::`; `\t` is a tab.
    #[arg(long, value_name = "LETTERS", help_heading = "Tables")]
    pub separator: Option<String>,
    /// The first row names the columns.
    #[arg(long, conflicts_with = "no_header", help_heading = "Tables")]
    pub header: bool,
    /// The first row is data: columns have numbers.
    #[arg(long, help_heading = "Tables")]
    pub no_header: bool,
    /// Quotes in cells are letters like others.
    #[arg(long, help_heading = "Tables")]
    pub no_quotes: bool,
    /// How letters are stored.
    #[arg(long, value_parser = one_of(Encoding::VARIANTS), help_heading = "Tables")]
    pub encoding: Option<Encoding>,
}

/// Buckets of a field of numbers of which nothing else was said.
const BUCKETS: usize = 10;

fn column(name: &Option<String>) -> Column {
    Column::from(name.as_deref().unwrap_or_default())
}

impl TableFlags {
    /// The flags that were given, as they are written.
    pub fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--events", !self.events.is_empty()),
            ("--user", self.user.is_some()),
            ("--item", self.item.is_some()),
            ("--time", self.time.is_some()),
            ("--no-time", self.no_time),
            ("--time-form", self.time_form.is_some()),
            ("--date", !self.date.is_empty()),
            ("--rating", self.rating.is_some()),
            ("--query", self.query.is_some()),
            ("--kind", self.kind.is_some()),
            ("--action", self.action.is_some()),
            ("--any-of", !self.any_of.is_empty()),
            ("--list", self.list.is_some()),
            ("--sequence", self.sequence),
            ("--repeated-users", self.repeated_users),
            ("--valid", !self.valid.is_empty()),
            ("--test", !self.test.is_empty()),
            ("--items", !self.items.is_empty()),
            ("--fields", !self.fields.is_empty()),
            ("--number-fields", !self.number_fields.is_empty()),
            ("--form", self.form.is_some()),
            ("--separator", self.separator.is_some()),
            ("--header", self.header),
            ("--no-header", self.no_header),
            ("--no-quotes", self.no_quotes),
            ("--encoding", self.encoding.is_some()),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }

    /// Where the first file of events lies, for the name of the data set.
    pub fn first_file(&self) -> Option<PathBuf> {
        self.events.first().map(PathBuf::from)
    }

    /// What the flags describe.
    ///
    /// # Errors
    /// A flag whose value has not the form that it needs.
    pub fn schema(&self) -> anyhow::Result<TableSchema> {
        anyhow::ensure!(!self.events.is_empty(), "--source table needs --events FILE");
        anyhow::ensure!(
            !self.items.is_empty() || (self.fields.is_empty() && self.number_fields.is_empty()),
            "--fields and --number-fields name columns of item files: add --items FILE"
        );
        let format = TableForm {
            form: self.form.unwrap_or_default(),
            separator: self.separator.as_ref().map(|separator| separator.replace("\\t", "\t")),
            header: self.header.then_some(true).or(self.no_header.then_some(false)),
            quotes: self.no_quotes.then_some(false),
            encoding: self.encoding.unwrap_or_default(),
        };
        let (action, actions) = match &self.action {
            None => (Column::default(), Vec::new()),
            Some(said) => {
                let (name, values) = said.split_once('=').unwrap_or((said, ""));
                let values = values.split(',').filter(|value| !value.is_empty()).map(str::to_owned);
                (Column::from(name), values.collect())
            }
        };
        anyhow::ensure!(self.list.as_deref() != Some(""), "--list: the separator of the list is empty");
        let table = EventTable {
            files: self.events.clone(),
            format: format.clone(),
            user: column(&self.user),
            item: column(&self.item),
            list: self.list.clone().map(|separator| ListForm { separator, label: None }),
            sequence: self.sequence,
            repeated_users: self.repeated_users,
            time: column(&self.time),
            no_time: self.no_time,
            time_form: self.time_form.unwrap_or_default(),
            date: self.date.iter().map(|name| Column::from(name.as_str())).collect(),
            rating: column(&self.rating),
            query: column(&self.query),
            kind: self.kind.as_deref().map(kind).transpose()?,
            action,
            actions,
            any_of: self.any_of.iter().map(|name| Column::from(name.as_str())).collect(),
            ..EventTable::default()
        };
        let mut events = vec![table.clone()];
        for (part, files) in [(Part::Valid, &self.valid), (Part::Test, &self.test)] {
            if !files.is_empty() {
                events.push(EventTable { part, files: files.clone(), ..table.clone() });
            }
        }
        let items = ItemTable {
            files: self.items.clone(),
            format,
            id: column(&self.item_id),
            title: column(&self.title),
            description: column(&self.description),
            image: column(&self.image),
            fields: self.fields()?,
            ..ItemTable::default()
        };
        let items = if self.items.is_empty() { Vec::new() } else { vec![items] };
        Ok(TableSchema { events, items })
    }

    /// The named fields of items, for a source whose values need no separator.
    ///
    /// # Errors
    /// As for [`TableFlags::schema`], or a separator.
    pub fn item_fields(&self) -> anyhow::Result<Vec<ItemField>> {
        let field = |FieldColumn { name, separator, buckets, .. }| {
            let separator = separator.unwrap_or_default();
            anyhow::ensure!(
                separator.is_empty(),
                "--fields {name}:{separator}: lists of these files need no separator: leave it out"
            );
            Ok(ItemField { name, buckets })
        };
        self.fields()?.into_iter().map(field).collect()
    }

    fn fields(&self) -> anyhow::Result<Vec<FieldColumn>> {
        let names = self.fields.iter().flat_map(|said| said.split(','));
        let names = names.filter(|said| !said.is_empty()).map(|said| {
            let (name, separator) = said.split_once(':').unwrap_or((said, ""));
            let separator = Some(separator).filter(|separator| !separator.is_empty()).map(str::to_owned);
            Ok(FieldColumn { name: name.to_owned(), separator, ..FieldColumn::default() })
        });
        let numbers = self.number_fields.iter().flat_map(|said| said.split(','));
        let numbers = numbers.filter(|said| !said.is_empty()).map(|said| {
            let (name, buckets) = said.split_once(':').unwrap_or((said, ""));
            let buckets = match buckets {
                "" => BUCKETS,
                text => {
                    text.parse().ok().filter(|buckets| (1..=1000).contains(buckets)).ok_or_else(|| {
                        anyhow::anyhow!(
                            "--number-fields {said}: `{text}` is no number of buckets from 1 to 1000"
                        )
                    })?
                }
            };
            Ok(FieldColumn { name: name.to_owned(), buckets: Some(buckets), ..FieldColumn::default() })
        });
        let fields: Vec<FieldColumn> = names.chain(numbers).collect::<anyhow::Result<_>>()?;
        let twice =
            (1..fields.len()).find(|&at| fields[..at].iter().any(|other| other.name == fields[at].name));
        if let Some(at) = twice {
            anyhow::bail!("--fields, --number-fields: `{}` is named twice", fields[at].name);
        }
        Ok(fields)
    }
}

fn kind(said: &str) -> anyhow::Result<KindColumn> {
    let parts = said.split_once('=').and_then(|(column, values)| Some((column, values.split_once(',')?)));
    let (column, (search, recommendation)) = parts.ok_or_else(|| {
        anyhow::anyhow!("--kind {said}: expected is COLUMN=SEARCH,RECOMMENDATION, the values that searches and recommendations have")
    })?;
    Ok(KindColumn {
        column: Column::from(column),
        search: search.to_owned(),
        recommendation: recommendation.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_a_description() {
        let flags = TableFlags {
            events: vec!["ratings.csv".into()],
            items: vec!["movies.csv".into()],
            fields: vec!["genres:|,brand".into(), "tags:::".into()],
            number_fields: vec!["price:4".into(), "year".into()],
            kind: Some("source=search,rec".into()),
            action: Some("event=view,buy".into()),
            ..TableFlags::default()
        };
        let schema = flags.schema().unwrap();
        let fields = &schema.items[0].fields;
        let told: Vec<_> =
            fields.iter().map(|f| (f.name.as_str(), f.separator.as_deref(), f.buckets)).collect();
        let expected = [
            ("genres", Some("|"), None),
            ("brand", None, None),
            ("tags", Some("::"), None),
            ("price", None, Some(4)),
            ("year", None, Some(10)),
        ];
        assert_eq!(told, expected);
        assert_eq!(schema.events[0].kind.as_ref().unwrap().search, "search");
        assert_eq!(schema.events[0].actions, ["view", "buy"]);
        assert!(kind("source").is_err());
        let refused = |change: fn(&mut TableFlags)| {
            let mut flags = TableFlags {
                events: vec!["a.csv".into()],
                items: vec!["b.csv".into()],
                ..TableFlags::default()
            };
            change(&mut flags);
            flags.schema().unwrap_err().to_string()
        };
        assert!(refused(|flags| flags.fields = vec!["brand,genres:|,brand".into()]).contains("`brand`"));
        let unused =
            |flags: &mut TableFlags| (flags.items, flags.fields) = (Vec::new(), vec!["brand".into()]);
        assert!(refused(unused).contains("--items"));
        assert!(refused(|flags| flags.list = Some(String::new())).contains("--list"));
        let none = TableFlags::default().schema().unwrap_err().to_string();
        assert!(none.contains("--events"), "{none}");
    }
}
