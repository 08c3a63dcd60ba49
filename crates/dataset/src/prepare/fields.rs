//! Named fields of items: values numbered by name, numbers put into buckets.

use crate::event::ItemField;
use crate::ids::Vocabulary;
use crate::numbered::{Field, Numbered};
use crate::ragged::Ragged;

/// A value of an item as it was read: the field's number, and the value's provisional one.
pub(super) type Value = (u32, u32);

/// The values of one field, in the order of their first sight.
pub(crate) struct FieldValues {
    field: ItemField,
    seen: Vocabulary,
    /// Values that have a number already.
    known: Vec<String>,
}

impl FieldValues {
    /// A field of which `known` values are numbered.
    pub fn new(field: ItemField, known: &[String]) -> Self {
        let mut seen = Vocabulary::default();
        if field.buckets.is_none() {
            known.iter().for_each(|value| {
                seen.insert(value);
            });
        }
        Self { field, seen, known: known.to_vec() }
    }

    /// Whether no value was seen.
    pub fn is_empty(&self) -> bool {
        self.seen.len() == 0
    }

    /// Whether values are numbers, which are put into buckets.
    pub fn are_numbers(&self) -> bool {
        self.field.buckets.is_some()
    }

    /// The provisional number of a value; `None` for nothing, and in a field of numbers for what is none.
    pub fn insert(&mut self, value: &str) -> Option<u32> {
        let value = value.trim();
        let fits = !value.is_empty() && (self.field.buckets.is_none() || number(value).is_some());
        fits.then(|| self.seen.insert(value))
    }

    /// Numbers the values of all items, given in the order of items: each item's provisional numbers.
    pub fn finish(&self, items: &Ragged<u32>) -> Field {
        match self.field.buckets {
            None => self.names(items),
            Some(buckets) => self.buckets(buckets, items),
        }
    }

    fn names(&self, items: &Ragged<u32>) -> Field {
        let mut ids = vec![0u32; self.seen.len() + 1];
        let mut values = Ragged::default();
        for (id, value) in (1..).zip(&self.known) {
            values.push(value.bytes());
            ids[id as usize] = id;
        }
        let rows = items.rows().map(|own| {
            let mut row = Vec::with_capacity(own.len());
            for &value in own {
                let id = &mut ids[value as usize];
                if *id == 0 {
                    values.push(self.seen.key(value).iter().copied());
                    *id = values.len() as u32;
                }
                row.push(*id);
            }
            row
        });
        let items = rows.collect();
        Field { name: self.field.name.clone(), values, items }
    }

    /// Buckets are ranges of numbers, named by their lower ends. Ends that are known stay.
    fn buckets(&self, buckets: usize, items: &Ragged<u32>) -> Field {
        let of = |value: u32| str::from_utf8(self.seen.key(value)).ok().and_then(number).unwrap_or(0.0);
        let known: Vec<f64> =
            self.known.iter().filter_map(|label| number(label.strip_prefix("from ")?)).collect();
        let lower = match known.is_empty() {
            false => known,
            true => quantiles(items.values.iter().map(|&value| of(value)).collect(), buckets),
        };
        let bucket = |value: u32| lower.partition_point(|&end| end <= of(value)).max(1) as u32;
        let rows = items.rows().map(|own| {
            let mut row: Vec<u32> = own.iter().map(|&value| bucket(value)).collect();
            row.dedup();
            row
        });
        let items = rows.collect();
        let values = lower.iter().map(|end| format!("from {end}").into_bytes()).collect();
        Field { name: self.field.name.clone(), values, items }
    }
}

/// Adds an item's values of fields to its attributes, as `FIELD:VALUE`, without those of fewer than `least` items. What the
/// attributes were is kept; where they are numbers alone, these become their names.
pub(crate) fn add_to_attributes(fields: &[&Field], least: u32, data: &mut Numbered) {
    if fields.is_empty() {
        return;
    }
    let numbered = data.item_attributes.values.iter().max().map_or(0, |&largest| largest as usize);
    let mut names = Vocabulary::default();
    data.texts.attributes.rows().for_each(|name| {
        names.insert(name);
    });
    for number in names.len() + 1..=numbered {
        names.insert(number.to_string().as_bytes());
    }
    let mut lists = vec![None; data.item_count()];
    for (slot, &item) in data.attribute_items.iter().enumerate() {
        lists[item as usize - 1] = Some(data.item_attributes.row(slot).to_vec());
    }
    let mut order = std::mem::take(&mut data.attribute_items);
    for field in fields {
        let mut count = vec![0u32; field.values.len() + 1];
        field.items.values.iter().for_each(|&value| count[value as usize] += 1);
        for (row, (item, list)) in field.items.rows().zip((1..).zip(&mut lists)) {
            for &value in row.iter().filter(|&&value| count[value as usize] >= least) {
                let list = list.get_or_insert_with(|| {
                    order.push(item);
                    Vec::new()
                });
                let name = [field.name.as_bytes(), b":", field.values.row(value as usize - 1)].concat();
                let attribute = names.insert(&name);
                if !list.contains(&attribute) {
                    list.push(attribute);
                }
            }
        }
    }
    data.item_attributes =
        order.iter().map(|&item| lists[item as usize - 1].take().unwrap_or_default()).collect();
    data.attribute_items = order;
    data.texts.attributes = (1..=names.len() as u32).map(|id| names.key(id).iter().copied()).collect();
}

/// The lower ends of at most so many ranges that hold about equally many of the numbers.
fn quantiles(mut numbers: Vec<f64>, buckets: usize) -> Vec<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let count = numbers.len();
    let mut ends: Vec<f64> =
        (0..buckets.max(1)).filter_map(|n| numbers.get(n * count / buckets.max(1)).copied()).collect();
    ends.dedup();
    ends
}

/// A finite number; 0 has one sign.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite()).map(|n| if n == 0.0 { 0.0 } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(field: &Field, item: usize) -> Vec<String> {
        let row = field.items.row(item);
        row.iter().map(|&id| String::from_utf8(field.values.row(id as usize - 1).to_vec()).unwrap()).collect()
    }

    proptest::proptest! {
        #[test]
        fn buckets_are_ranges_of_about_equal_size(numbers in proptest::collection::vec(-50i32..50, 1..60), buckets in 1usize..8) {
            let mut values = FieldValues::new(ItemField::numbers("price", buckets), &[]);
            let rows: Ragged<u32> = numbers.iter().map(|n| values.insert(&format!("{n}.5"))).collect();
            let field = values.finish(&rows);
            assert!(field.values.len() <= buckets);
            let bucket = |item: usize| field.items.row(item)[0];
            for (a, &left) in numbers.iter().enumerate() {
                for (b, &right) in numbers.iter().enumerate() {
                    // A naive oracle: the order of buckets is that of numbers, and equal numbers share one.
                    assert!(left > right || bucket(a) <= bucket(b), "{left} {right}");
                }
            }
            let distinct: std::collections::HashSet<i32> = numbers.iter().copied().collect();
            if distinct.len() == numbers.len() {
                let share = numbers.len().div_ceil(buckets);
                for id in 1..=field.values.len() as u32 {
                    assert!((0..numbers.len()).filter(|&item| bucket(item) == id).count() <= share);
                }
            }
        }
    }

    #[test]
    fn known_values_keep_their_numbers() {
        let mut values = FieldValues::new(ItemField::names("genre"), &["b".into(), "a".into()]);
        let rows = [vec![values.insert("c").unwrap(), values.insert("a").unwrap()], vec![]];
        let field = values.finish(&rows.into_iter().collect());
        assert_eq!(field.items.row(0), [3, 2]);
        assert_eq!((text(&field, 0), field.items.row(1).len()), (vec!["c".into(), "a".into()], 0));

        let mut first = FieldValues::new(ItemField::numbers("price", 2), &[]);
        let rows = ["1", "2", "3", "4"].map(|n| first.insert(n)).into_iter().collect();
        let field = first.finish(&rows);
        assert_eq!((text(&field, 0), text(&field, 3)), (vec!["from 1".into()], vec!["from 3".into()]));
        let names: Vec<String> =
            field.values.rows().map(|v| String::from_utf8(v.to_vec()).unwrap()).collect();
        let mut grown = FieldValues::new(ItemField::numbers("price", 2), &names);
        let rows = ["0", "2.9", "100"].map(|n| grown.insert(n)).into_iter().collect();
        let field = grown.finish(&rows);
        assert_eq!((0..3).map(|item| field.items.row(item)[0]).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!((grown.insert("cheap"), grown.insert(" ")), (None, None));
    }
}
