//! Parquet files as rows of cells.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::sync_channel;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::input::FileReport;
use super::super::loose::Loose;
use super::columns::Header;
use super::rows::{Row, Visit};
use super::shape::Shape;
use crate::error::{Error, Result};

/// Rows that are decoded together.
const BATCH: usize = 8192;
/// Decoded batches that wait to be looked at.
const IN_FLIGHT: usize = 2;

fn damaged(path: &Path, told: impl std::fmt::Display) -> Error {
    Error::damaged(path, format!("Parquet data that cannot be read: {told}"))
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    guarded(path, || ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(path, error)))
}

/// The decoder panics on some damaged files: that is an error of the file.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded,
        Err(_) => Err(damaged(path, "the decoder gave up")),
    }
}

/// The columns of a file.
pub(super) fn header(path: &Path) -> Result<Header> {
    let builder = open(path)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok(Header { width: names.len(), names, types: Vec::new() })
}

/// Hands over the rows of a file.
pub(super) fn for_each_row(shape: &Shape, report: &mut FileReport, visit: Visit<'_>) -> Result<()> {
    let path = &shape.path;
    let builder = open(path)?;
    let mut wanted: Vec<usize> = shape.bound.iter().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
    let mut batches = guarded(path, || {
        let reader = builder.with_projection(mask).with_batch_size(BATCH).build();
        reader.map_err(|error| damaged(path, error))
    })?;
    // The place of each slot's column among those that are read.
    let places: Vec<Option<usize>> = shape
        .bound
        .iter()
        .map(|column| column.and_then(|column| wanted.binary_search(&column).ok()))
        .collect();
    // While one batch is looked at, the next ones are decoded.
    std::thread::scope(|scope| {
        let (to, decoded) = sync_channel::<Result<RecordBatch>>(IN_FLIGHT);
        scope.spawn(move || {
            loop {
                let next = guarded(path, || batches.next().transpose().map_err(|error| damaged(path, error)));
                let Some(batch) = next.transpose() else { return };
                let failed = batch.is_err();
                if to.send(batch).is_err() || failed {
                    return;
                }
            }
        });
        decoded.into_iter().try_for_each(|batch| rows(&batch?, &places, report, visit))
    })
}

fn rows(
    batch: &RecordBatch,
    places: &[Option<usize>],
    report: &mut FileReport,
    visit: Visit<'_>,
) -> Result<()> {
    let columns: Vec<Column<'_>> =
        places.iter().map(|place| place.map_or(Column::None, |at| Column::of(batch.column(at)))).collect();
    let mut cells: Vec<Loose<'_>> = Vec::with_capacity(columns.len());
    for row in 0..batch.num_rows() {
        report.lines += 1;
        cells.clear();
        cells.extend(columns.iter().map(|column| column.cell(row)));
        visit(Row { line: report.lines, cells: &mut cells, rest: &mut Vec::new() }, report)?;
    }
    Ok(())
}

/// A column of a batch. The usual types are told apart once, not in each row.
enum Column<'a> {
    /// There is none.
    None,
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Whole(&'a Int64Array),
    Other(&'a dyn Array),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string()),
            DataType::Utf8View => Self::TextView(array.as_string_view()),
            DataType::Int64 => Self::Whole(array.as_primitive()),
            _ => Self::Other(array.as_ref()),
        }
    }

    fn cell(&self, row: usize) -> Loose<'a> {
        let text = |text| Loose::Str(Cow::Borrowed(text));
        match *self {
            Self::Text(array) if array.is_valid(row) => text(array.value(row)),
            Self::LargeText(array) if array.is_valid(row) => text(array.value(row)),
            Self::TextView(array) if array.is_valid(row) => text(array.value(row)),
            Self::Whole(array) if array.is_valid(row) => Loose::Int(array.value(row)),
            Self::Other(array) => cell(array, row),
            _ => Loose::Null,
        }
    }
}

/// A value of a column. Times with a unit become microseconds, dates seconds.
fn cell(array: &dyn Array, row: usize) -> Loose<'_> {
    if array.is_null(row) {
        return Loose::Null;
    }
    let text = |text| Loose::Str(Cow::Borrowed(text));
    macro_rules! number {
        ($kind:ty, $into:expr) => {
            $into(array.as_primitive::<$kind>().value(row).into())
        };
    }
    match array.data_type() {
        DataType::Boolean => Loose::Bool(array.as_boolean().value(row)),
        DataType::Int8 => number!(Int8Type, Loose::Int),
        DataType::Int16 => number!(Int16Type, Loose::Int),
        DataType::Int32 => number!(Int32Type, Loose::Int),
        DataType::Int64 => number!(Int64Type, Loose::Int),
        DataType::UInt8 => number!(UInt8Type, Loose::Int),
        DataType::UInt16 => number!(UInt16Type, Loose::Int),
        DataType::UInt32 => number!(UInt32Type, Loose::Int),
        DataType::UInt64 => {
            let number = array.as_primitive::<UInt64Type>().value(row);
            i64::try_from(number).map_or(Loose::Large(number), Loose::Int)
        }
        DataType::Float32 => number!(Float32Type, Loose::Float),
        DataType::Float64 => number!(Float64Type, Loose::Float),
        DataType::Utf8 => text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(array.as_string_view().value(row)),
        DataType::Date32 => Loose::Int(i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400),
        DataType::Timestamp(unit, _) => micros(array, *unit, row),
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match cell(dictionary.keys(), row) {
                Loose::Int(key) => usize::try_from(key)
                    .ok()
                    .filter(|&key| key < dictionary.values().len())
                    .map_or(Loose::Null, |key| owned(cell(dictionary.values().as_ref(), key))),
                _ => Loose::Null,
            }
        }
        _ => Loose::Null,
    }
}

fn micros<'a>(array: &dyn Array, unit: TimeUnit, row: usize) -> Loose<'a> {
    let micros = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).checked_mul(1_000_000),
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1_000)
        }
        TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => {
            Some(array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000))
        }
    };
    micros.map_or(Loose::Null, Loose::Int)
}

fn list<'a>(values: &dyn Array) -> Loose<'a> {
    Loose::List((0..values.len()).map(|at| owned(cell(values, at))).collect())
}

/// A value that borrows nothing.
fn owned<'a>(value: Loose<'_>) -> Loose<'a> {
    match value {
        Loose::Null => Loose::Null,
        Loose::Bool(value) => Loose::Bool(value),
        Loose::Int(value) => Loose::Int(value),
        Loose::Large(value) => Loose::Large(value),
        Loose::Float(value) => Loose::Float(value),
        Loose::Str(text) => Loose::Str(Cow::Owned(text.into_owned())),
        Loose::List(values) => Loose::List(values.into_iter().map(owned).collect()),
        Loose::Map(entries) => Loose::Map(
            entries.into_iter().map(|(key, value)| (Cow::Owned(key.into_owned()), owned(value))).collect(),
        ),
    }
}
