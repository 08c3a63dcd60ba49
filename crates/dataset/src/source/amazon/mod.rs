//! Amazon reviews and metadata of 2014 (Python literals), 2018 (JSON lines) and 2023 (JSON lines of other fields), gzip or
//! plain. Each line shows its form.

mod locate;
mod meta;
mod review;

use std::path::PathBuf;

use super::input::{FileReport, LineReader, ReadOptions};
use super::record::{self, Dialect};
use super::{EventSource, MARKUP_TITLES};
use crate::error::Result;
use crate::event::{ItemField, RawEvent, RawItem, Times};
use meta::Meta;
use review::Review;

/// A review file and its metadata file.
///
/// | release | user | item | rating | time |
/// |---|---|---|---|---|
/// | 2014, 2018 | `reviewerID` | `asin` | `overall` | `unixReviewTime`, seconds |
/// | 2023 | `user_id` | `parent_asin` | `rating` | `timestamp`, milliseconds |
///
/// Ids are text or whole numbers. Titles that are cut markup are left out and counted.
#[derive(Clone, Debug)]
pub struct AmazonReviews {
    reviews: PathBuf,
    meta: Option<PathBuf>,
    /// Reviews count if they rate above this. The published runs use 0, which drops nothing.
    pub rating_above: f64,
    /// Read attributes as the published pipeline does: every letter but the first of each category name.
    pub published_attributes: bool,
    /// How tolerant the reader is.
    pub options: ReadOptions,
}

impl AmazonReviews {
    /// A reader of these two files, with the default tolerance.
    pub fn new(reviews: impl Into<PathBuf>, meta: Option<PathBuf>) -> Self {
        let options = ReadOptions::default();
        Self { reviews: reviews.into(), meta, rating_above: 0.0, published_attributes: false, options }
    }
}

impl EventSource for AmazonReviews {
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        let mut report = FileReport::new(&self.reviews);
        let mut lines = LineReader::open(&self.reviews, &self.options)?;
        let mut dialect = Dialect::default();
        while let Some(line) = lines.next_line()? {
            report.lines += 1;
            match dialect.parse::<Review<'_>>(&line.text).and_then(Review::usable) {
                Ok(review) if review.rating > self.rating_above => visit(RawEvent {
                    user: &review.user,
                    item: &review.item,
                    time: review.time,
                    ..RawEvent::default()
                })?,
                Ok(review) => report.note(line.number, review::TOO_LOW, &review.rating.to_string()),
                Err((cause, value)) => {
                    report.form = report.form.or(record::form_of(&line));
                    report.skip(line.number, &cause, &value);
                }
            }
        }
        Ok(vec![report.finish(&self.reviews, &self.options)?])
    }

    fn for_each_item(&self, visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        let Some(path) = &self.meta else { return Ok(Vec::new()) };
        let mut report = FileReport::new(path);
        let mut lines = LineReader::open(path, &self.options)?;
        let mut dialect = Dialect::default();
        while let Some(line) = lines.next_line()? {
            report.lines += 1;
            match dialect.parse::<Meta<'_>>(&line.text).and_then(|meta| meta.item(self.published_attributes))
            {
                Ok((item, markup)) => {
                    if let Some(markup) = markup {
                        report.note(line.number, MARKUP_TITLES, &markup);
                    }
                    visit(item)?;
                }
                Err((cause, value)) => {
                    report.form = report.form.or(record::form_of(&line));
                    report.skip(line.number, &cause, &value);
                }
            }
        }
        Ok(vec![report.finish(path, &self.options)?])
    }

    fn times(&self) -> Times {
        Times::Milliseconds
    }

    fn fields(&self) -> Vec<ItemField> {
        meta::FIELDS.map(ItemField::names).to_vec()
    }

    fn settings(&self) -> &'static [&'static str] {
        &["rating_above"]
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::error::Error;

    fn items(line: &str, published: bool) -> RawItem<'static> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta.json");
        std::fs::write(&path, line).unwrap();
        let mut source = AmazonReviews::new("absent", Some(path));
        source.published_attributes = published;
        let mut found = None;
        source
            .for_each_item(&mut |item| {
                let own = |texts: Vec<Cow<'_, str>>| {
                    texts.into_iter().map(|t| Cow::Owned(t.into_owned())).collect()
                };
                found = Some(RawItem {
                    item: item.item.into_owned().into(),
                    title: item.title.map(|t| t.into_owned().into()),
                    description: item.description.map(|t| t.into_owned().into()),
                    image_urls: own(item.image_urls),
                    attributes: own(item.attributes),
                    ..RawItem::default()
                });
                Ok(())
            })
            .unwrap();
        found.unwrap()
    }

    #[test]
    fn attributes_by_both_rules() {
        let line = r#"{"asin":"a","brand":"Sony","category":["Movies & TV","Art","TV","Art"],"rank":[1],"imageURL":["u"]}"#;
        assert_eq!(items(line, false).attributes, ["Sony", "Art", "TV"]);
        let letters = ["Sony", "o", "v", "i", "e", "s", " ", "&", " ", "T", "V", "r", "t", "V", "r", "t"];
        assert_eq!(items(line, true).attributes, letters);
        assert_eq!(items(line, false).image_urls, ["u"]);
    }

    #[test]
    fn odd_and_missing_fields_are_empty() {
        let line =
            r#"{"asin":"a","title":7,"description":"whole text","category":{"x":1},"imageURLHighRes":[]}"#;
        let item = items(line, false);
        assert_eq!((item.title, item.description.as_deref()), (None, Some("whole text")));
        assert!(item.attributes.is_empty() && item.image_urls.is_empty());
    }

    #[test]
    fn the_2014_form_is_recognised() {
        let line = "{'asin': 'a', 'imUrl': 'u', 'categories': [['Movies', 'Art'], ['Movies', 'TV']], 'description': 'd'}";
        let item = items(line, false);
        assert_eq!(item.attributes, ["Art", "TV"]);
        assert_eq!((item.image_urls[0].as_ref(), item.description.as_deref()), ("u", Some("d")));
    }

    #[test]
    fn unusable_reviews_are_counted_by_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let good = r#"{"reviewerID":"u","asin":"i","overall":"4","unixReviewTime":5.0}"#;
        let bad = [
            "{",
            "[1]",
            r#"{"asin":"i","overall":5,"unixReviewTime":5}"#,
            r#"{"reviewerID":"u","asin":3.5,"overall":5,"unixReviewTime":5}"#,
            r#"{"reviewerID":"u","asin":"i","overall":5,"unixReviewTime":-5}"#,
        ];
        std::fs::write(&path, format!("{good}\n{}\n", bad.join("\n"))).unwrap();
        let source = AmazonReviews::new(&path, None);
        let mut seen = 0;
        let report = source
            .for_each_event(&mut |_| {
                seen += 1;
                Ok(())
            })
            .unwrap()
            .remove(0);
        assert_eq!((seen, report.lines, report.bad()), (1, 6, 5));
        let seen: Vec<(&str, u64, &str)> = report
            .skipped
            .iter()
            .map(|(cause, seen)| (cause.as_str(), seen.first_line, seen.first_value.as_str()))
            .collect();
        let expected = [
            ("`asin` is neither text nor a whole number", 5, "3.5"),
            ("`reviewerID` is missing", 4, ""),
            ("`unixReviewTime` is no whole number from 0 to 2^53", 6, "-5"),
            ("not a JSON object", 2, "{"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(report.skipped["not a JSON object"].count, 2);

        std::fs::write(&path, format!("{good}\n{}", "{\n".repeat(11))).unwrap();
        let error = source.for_each_event(&mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::TooManyBadLines { bad: 11, lines: 12, allowed: 10, .. }), "{error}");
    }
}
