//! Amazon reviews and metadata: version 2 (2018, line JSON) and 2014 (Python literals), gzip or plain.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::lines::{FileReport, LineReader, ReadOptions};
use super::loose::Loose;
use super::{EventSource, python_literal};
use crate::error::{Error, Result};
use crate::event::{EventKind, RawEvent, RawItem};
use crate::output::check_name;

/// A review file and its metadata file.
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

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(rename = "reviewerID", borrow, default)]
    user: Loose<'a>,
    #[serde(borrow, default)]
    asin: Loose<'a>,
    #[serde(borrow, default)]
    overall: Loose<'a>,
    #[serde(rename = "unixReviewTime", borrow, default)]
    time: Loose<'a>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default)]
    asin: Loose<'a>,
    #[serde(borrow, default)]
    title: Loose<'a>,
    #[serde(borrow, default)]
    description: Loose<'a>,
    #[serde(borrow, default)]
    brand: Option<Loose<'a>>,
    #[serde(borrow, default)]
    category: Loose<'a>,
    #[serde(borrow, default)]
    categories: Loose<'a>,
    #[serde(rename = "imageURLHighRes", borrow, default)]
    high_resolution: Loose<'a>,
    #[serde(rename = "imageURL", borrow, default)]
    image: Loose<'a>,
    #[serde(rename = "imUrl", borrow, default)]
    image_2014: Loose<'a>,
}

impl AmazonReviews {
    /// A reader of these two files, with the default tolerance.
    pub fn new(reviews: impl Into<PathBuf>, meta: Option<PathBuf>) -> Self {
        let options = ReadOptions::default();
        Self { reviews: reviews.into(), meta, rating_above: 0.0, published_attributes: false, options }
    }

    /// Finds `NAME_5.json.gz` and `meta_NAME.json.gz` (or their plain and 2014 forms) in a folder.
    ///
    /// # Errors
    /// If no review file of that name is there; the message lists the names tried.
    pub fn locate(folder: &Path, name: &str) -> Result<Self> {
        check_name(name)?;
        let find = |names: &[String]| names.iter().map(|n| folder.join(n)).find(|p| p.is_file());
        let both = |stem: String| [format!("{stem}.json.gz"), format!("{stem}.json")];
        let reviews =
            [both(format!("{name}_5")), both(format!("reviews_{name}_5")), both(name.to_owned())].concat();
        let Some(path) = find(&reviews) else {
            let message = format!("no review file: looked for {}", reviews.join(", "));
            return Err(Error::format(folder, 0, 0, message));
        };
        Ok(Self::new(path, find(&both(format!("meta_{name}")))))
    }
}

impl EventSource for AmazonReviews {
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        let mut report = FileReport::new(&self.reviews);
        let mut lines = LineReader::open(&self.reviews, &self.options)?;
        let mut dialect = Dialect::default();
        while let Some(line) = lines.next_line()? {
            report.lines += 1;
            let review = dialect.parse::<Review<'_>>(&line.text);
            match review.as_ref().map_err(|reason| *reason).and_then(Review::rated_event) {
                Ok((rating, event)) if rating > self.rating_above => visit(event)?,
                Ok(_) => report.note("not above the rating threshold"),
                Err(reason) => report.skip(line.number, reason),
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
            match dialect.parse::<Meta<'_>>(&line.text) {
                Ok(meta) if meta.asin.as_str().is_some_and(|a| !a.is_empty()) => visit(self.item(meta))?,
                Ok(_) => report.skip(line.number, "`asin` missing or of the wrong type"),
                Err(reason) => report.skip(line.number, reason),
            }
        }
        Ok(vec![report.finish(path, &self.options)?])
    }
}

impl Review<'_> {
    /// The rating and the event, or the reason why there is none.
    fn rated_event(&self) -> std::result::Result<(f64, RawEvent<'_>), &'static str> {
        let key = |value: &Loose<'_>| value.as_str().is_some_and(|k| !k.is_empty());
        if !key(&self.user) {
            return Err("`reviewerID` missing or of the wrong type");
        }
        if !key(&self.asin) {
            return Err("`asin` missing or of the wrong type");
        }
        let rating = self.overall.as_f64().filter(|r| r.is_finite());
        let rating = rating.ok_or("`overall` missing or of the wrong type")?;
        let time =
            self.time.as_time().ok_or("`unixReviewTime` missing, of the wrong type or out of range")?;
        let (user, item) = (self.user.as_str().unwrap_or_default(), self.asin.as_str().unwrap_or_default());
        Ok((rating, RawEvent { user, item, query: &[], time, kind: EventKind::Recommendation }))
    }
}

impl AmazonReviews {
    fn item<'a>(&self, meta: Meta<'a>) -> RawItem<'a> {
        let attributes = self.attributes(&meta);
        let images = [&meta.high_resolution, &meta.image, &meta.image_2014];
        let image_urls = images.iter().find_map(|urls| {
            let urls: Vec<_> =
                urls.strings().filter(|u| !u.is_empty()).map(|u| Cow::Owned(u.to_owned())).collect();
            (!urls.is_empty()).then_some(urls)
        });
        RawItem {
            item: text(meta.asin).unwrap_or_default(),
            title: text(meta.title).filter(|t| !t.is_empty()),
            description: match meta.description {
                Loose::List(mut parts) if !parts.is_empty() => text(parts.swap_remove(0)),
                other => text(other),
            },
            image_urls: image_urls.unwrap_or_default(),
            attributes,
        }
    }

    /// Brand and categories. Repaired: whole names, without the first (the shop's department), each once.
    fn attributes<'a>(&self, meta: &Meta<'_>) -> Vec<Cow<'a, str>> {
        let brand = meta.brand.as_ref().and_then(Loose::as_str);
        if self.published_attributes {
            // The published loop expects lists of lists, so it walks the letters of each flat name.
            let letters = meta.category.strings().flat_map(|name| name.chars().skip(1).map(String::from));
            return brand.map(str::to_owned).into_iter().chain(letters).map(Cow::Owned).collect();
        }
        let flat = meta.category.strings().skip(1);
        let nested = match &meta.categories {
            Loose::List(paths) => paths.as_slice(),
            _ => &[],
        };
        let names = flat.chain(nested.iter().flat_map(|path| path.strings().skip(1)));
        let mut kept: Vec<Cow<'a, str>> = Vec::new();
        for name in brand.into_iter().chain(names).filter(|name| !name.is_empty()) {
            if !kept.iter().any(|k| k == name) {
                kept.push(Cow::Owned(name.to_owned()));
            }
        }
        kept
    }
}

fn text(value: Loose<'_>) -> Option<Cow<'_, str>> {
    match value {
        Loose::Str(text) => Some(text),
        _ => None,
    }
}

/// A record that both dialects can make.
trait Record<'a>: Deserialize<'a> {
    fn from_literal(map: Loose<'a>) -> Self;
}

impl<'a> Record<'a> for Review<'a> {
    fn from_literal(mut map: Loose<'a>) -> Self {
        Self {
            user: map.take("reviewerID"),
            asin: map.take("asin"),
            overall: map.take("overall"),
            time: map.take("unixReviewTime"),
        }
    }
}

impl<'a> Record<'a> for Meta<'a> {
    fn from_literal(mut map: Loose<'a>) -> Self {
        Self {
            asin: map.take("asin"),
            title: map.take("title"),
            description: map.take("description"),
            brand: Some(map.take("brand")),
            category: map.take("category"),
            categories: map.take("categories"),
            high_resolution: map.take("imageURLHighRes"),
            image: map.take("imageURL"),
            image_2014: map.take("imUrl"),
        }
    }
}

/// Which of the two forms a file has: its first line decides.
#[derive(Default)]
struct Dialect {
    python: Option<bool>,
}

impl Dialect {
    fn parse<'a, R: Record<'a>>(&mut self, line: &'a str) -> std::result::Result<R, &'static str> {
        let is_python = || {
            serde_json::from_str::<serde::de::IgnoredAny>(line).is_err()
                && python_literal::parse(line).is_ok()
        };
        if !*self.python.get_or_insert_with(is_python) {
            return serde_json::from_str(line).map_err(|_| "not a JSON object");
        }
        match python_literal::parse(line) {
            Ok(map @ Loose::Map(_)) => Ok(R::from_literal(map)),
            _ => Err("not a Python dict"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            r#"{"reviewerID":"u","asin":3,"overall":5,"unixReviewTime":5}"#,
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
        assert_eq!(report.first_skipped, [2, 3, 4, 5, 6]);

        std::fs::write(&path, format!("{good}\n{}", "{\n".repeat(11))).unwrap();
        let error = source.for_each_event(&mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::TooManyBadLines { bad: 11, lines: 12, allowed: 10, .. }), "{error}");
    }
}
