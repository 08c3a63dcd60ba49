//! An item of the metadata of either release.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::Refusal;
use super::super::loose::Loose;
use super::super::record::{Record, needed};
use super::super::title_words;
use crate::event::RawItem;

/// Named fields of an item.
pub(super) const FIELDS: [&str; 2] = ["brand", "category"];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta<'a> {
    #[serde(borrow)]
    asin: Loose<'a>,
    #[serde(borrow)]
    parent_asin: Loose<'a>,
    #[serde(borrow)]
    title: Loose<'a>,
    #[serde(borrow)]
    description: Loose<'a>,
    #[serde(borrow)]
    brand: Loose<'a>,
    /// The brand, as the release of 2023 calls it.
    #[serde(borrow)]
    store: Loose<'a>,
    /// 2018: one path of names.
    #[serde(borrow)]
    category: Loose<'a>,
    /// 2014: several paths; 2023: one.
    #[serde(borrow)]
    categories: Loose<'a>,
    #[serde(rename = "imageURLHighRes", borrow)]
    high_resolution: Loose<'a>,
    #[serde(rename = "imageURL", borrow)]
    image_url: Loose<'a>,
    /// The first files of 2018.
    #[serde(borrow)]
    image: Loose<'a>,
    #[serde(rename = "imUrl", borrow)]
    image_2014: Loose<'a>,
    #[serde(borrow)]
    images: Loose<'a>,
}

impl<'a> Meta<'a> {
    /// The item, and its title if that is markup; or why there is none.
    pub fn item(self, published: bool) -> Result<(RawItem<'a>, Option<Cow<'a, str>>), Refusal> {
        let attributes = if published { self.published_attributes() } else { self.attributes() };
        let fields = self.fields();
        let image_urls = self.image_urls();
        let (name, id) = match self.parent_asin {
            Loose::Null => ("asin", self.asin),
            parent => ("parent_asin", parent),
        };
        let item = needed(name, id, "neither text nor a whole number", Loose::into_id)?;
        let title = text(self.title).filter(|title| !title.trim().is_empty());
        let (title, markup) = match title.map(words_or_markup) {
            Some(Ok(words)) => (Some(words), None),
            Some(Err(markup)) => (None, Some(markup)),
            None => (None, None),
        };
        let description = match self.description {
            Loose::List(mut parts) if !parts.is_empty() => text(parts.swap_remove(0)),
            other => text(other),
        };
        Ok((
            RawItem { item, title, description, image_urls, attributes, fields, ..RawItem::default() },
            markup,
        ))
    }

    /// The addresses of the first field that has any, best first.
    fn image_urls(&self) -> Vec<Cow<'a, str>> {
        let fields = [&self.high_resolution, &self.image_url, &self.image, &self.image_2014];
        let plain =
            fields.into_iter().map(|field| field.strings().filter(|u| !u.is_empty()).collect::<Vec<_>>());
        let urls = plain.chain(std::iter::once_with(|| pictures(&self.images))).find(|urls| !urls.is_empty());
        urls.unwrap_or_default().into_iter().map(|url| Cow::Owned(url.to_owned())).collect()
    }

    /// Brand and categories: whole names, without the first (the shop's department), each once.
    fn attributes(&self) -> Vec<Cow<'a, str>> {
        let mut kept: Vec<Cow<'_, str>> = Vec::new();
        for name in self.brand().into_iter().chain(self.categories()) {
            if !kept.iter().any(|k| k == name) {
                kept.push(Cow::Owned(name.to_owned()));
            }
        }
        kept
    }

    /// The same by field.
    fn fields(&self) -> Vec<(usize, Cow<'a, str>)> {
        let brand = self.brand().map(|brand| (0, brand));
        let categories = self.categories().map(|name| (1, name));
        brand
            .into_iter()
            .chain(categories)
            .map(|(field, name)| (field, Cow::Owned(name.to_owned())))
            .collect()
    }

    fn brand(&self) -> Option<&str> {
        self.brand.as_str().or(self.store.as_str()).filter(|name| !name.is_empty())
    }

    /// Names of categories, without the first.
    fn categories(&self) -> impl Iterator<Item = &str> {
        let paths = match &self.categories {
            Loose::List(names) if names.first().is_some_and(|name| name.as_str().is_some()) => {
                std::slice::from_ref(&self.categories)
            }
            Loose::List(paths) => paths.as_slice(),
            _ => &[],
        };
        let names = std::iter::once(&self.category).chain(paths).flat_map(|path| path.strings().skip(1));
        names.filter(|name| !name.is_empty())
    }

    /// The published loop expects lists of lists, so it walks the letters of each flat name.
    fn published_attributes(&self) -> Vec<Cow<'a, str>> {
        let letters = self.category.strings().flat_map(|name| name.chars().skip(1).map(String::from));
        self.brand.as_str().map(str::to_owned).into_iter().chain(letters).map(Cow::Owned).collect()
    }
}

/// The pictures of an item of 2023, each in its best size, the main one first: a list of objects, or one object of lists.
fn pictures<'b>(images: &'b Loose<'_>) -> Vec<&'b str> {
    const SIZES: [&str; 3] = ["hi_res", "large", "thumb"];
    let address = |value: &'b Loose<'_>| value.as_str().filter(|url| !url.is_empty());
    let mut found: Vec<(bool, &str)> = match images {
        Loose::List(each) => {
            let best = |picture: &'b Loose<'_>| {
                let url =
                    address(picture).or_else(|| SIZES.iter().find_map(|size| address(picture.get(size))))?;
                Some((picture.get("variant").as_str() != Some("MAIN"), url))
            };
            each.iter().filter_map(best).collect()
        }
        Loose::Map(_) => {
            let at = |field: &str, index: usize| match images.get(field) {
                Loose::List(values) => values.get(index),
                _ => None,
            };
            let best = |index| SIZES.iter().find_map(|size| address(at(size, index)?));
            let count = SIZES.map(|size| if let Loose::List(v) = images.get(size) { v.len() } else { 0 });
            let other = |index| at("variant", index).and_then(Loose::as_str) != Some("MAIN");
            (0..count.into_iter().max().unwrap_or(0)).filter_map(|n| Some((other(n), best(n)?))).collect()
        }
        _ => Vec::new(),
    };
    found.sort_by_key(|&(other, _)| other);
    found.into_iter().map(|(_, url)| url).collect()
}

/// The words of a title, or the title itself if it is markup.
fn words_or_markup(title: Cow<'_, str>) -> Result<Cow<'_, str>, Cow<'_, str>> {
    match title_words(&title) {
        None => Err(title),
        Some(Cow::Borrowed(_)) => Ok(title),
        Some(Cow::Owned(words)) => Ok(Cow::Owned(words)),
    }
}

fn text(value: Loose<'_>) -> Option<Cow<'_, str>> {
    match value {
        Loose::Str(text) => Some(text),
        _ => None,
    }
}

impl<'a> Record<'a> for Meta<'a> {
    fn from_literal(mut map: Loose<'a>) -> Self {
        Self {
            asin: map.take("asin"),
            parent_asin: map.take("parent_asin"),
            title: map.take("title"),
            description: map.take("description"),
            brand: map.take("brand"),
            store: map.take("store"),
            category: map.take("category"),
            categories: map.take("categories"),
            high_resolution: map.take("imageURLHighRes"),
            image_url: map.take("imageURL"),
            image: map.take("image"),
            image_2014: map.take("imUrl"),
            images: map.take("images"),
        }
    }
}
