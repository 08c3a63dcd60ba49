//! The description that lies beside exported tables, by which they are read back.

use super::ExportForm;
use super::cells::{EventColumns, parts};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::prepare::{Queries, Repeats, VOCABULARY};
use crate::preset::{Defaults, Preset};
use crate::source::{Column, EventTable, FieldColumn, Form, ItemTable, KindColumn, TableForm};

/// The text of the file.
pub(super) fn text(corpus: &Corpus, name: &str, form: ExportForm) -> Result<String> {
    let columns = EventColumns::of(corpus);
    let recbole = form == ExportForm::Recbole;
    let (table_form, user, item) = match form {
        ExportForm::Recbole => ("\t", "user_id", "item_id"),
        _ => (",", "user", "item"),
    };
    let format = match form {
        ExportForm::Parquet => TableForm { form: Form::Parquet, ..TableForm::default() },
        _ => TableForm {
            separator: Some(table_form.to_owned()),
            header: Some(true),
            quotes: Some(!recbole),
            ..TableForm::default()
        },
    };
    let ending = if form == ExportForm::Parquet { "parquet" } else { "csv" };
    let column = |there: bool, name: &str| Column::from(if there { name } else { "" });
    let events = parts(corpus).into_iter().map(|(stem, part)| EventTable {
        files: vec![match recbole {
            true => format!("{name}{}.inter", stem.strip_prefix("events").unwrap_or_default()),
            false => format!("{stem}.{ending}"),
        }],
        // A part may hold no event.
        optional: true,
        format: format.clone(),
        user: Column::from(user),
        item: Column::from(item),
        time: column(columns.times, "timestamp"),
        time_form: crate::source::TimeForm::Seconds,
        no_time: !columns.times,
        query: column(columns.queries, "query"),
        kind: columns.kinds.then(|| KindColumn {
            column: Column::from("kind"),
            search: "search".into(),
            recommendation: "recommendation".into(),
        }),
        action: column(columns.actions, "action"),
        part: part.unwrap_or_default(),
        ..EventTable::default()
    });
    let fields = corpus.fields().map(|field| FieldColumn {
        name: field.name().to_owned(),
        column: Column::from(
            match recbole {
                true => format!("field_{}", field.name().replace(['\t', '\n', '\r'], " ")),
                false => format!("field:{}", field.name()),
            }
            .as_str(),
        ),
        separator: recbole.then(|| " ".to_owned()),
        ..FieldColumn::default()
    });
    let items = ItemTable {
        files: vec![if recbole { format!("{name}.item") } else { format!("items.{ending}") }],
        format: format.clone(),
        id: Column::from(item),
        title: Column::from("title"),
        image: Column::from("image"),
        query: Column::from("query"),
        attributes: Column::from("attributes"),
        fields: fields.collect(),
        ..ItemTable::default()
    };
    let preset = Preset {
        name: name.to_owned(),
        title: format!("{name}, exported"),
        numbers: Some(VOCABULARY.to_owned()),
        defaults: Defaults {
            min_user_events: Some(1),
            min_item_events: Some(1),
            queries: Some(Queries::Logged),
            drop_repeats: Some(Repeats::Keep),
            query_words: None,
        },
        events: events.collect(),
        items: vec![items],
        ..Preset::default()
    };
    toml::to_string(&preset).map_err(|error| Error::Config { field: "preset", message: error.to_string() })
}
