//! Numbers that are given already: of an older corpus that a log has outgrown, or of one that was written as tables.

use crate::corpus::Corpus;
use crate::error::Result;

/// Names by their numbers. Preparing keeps all of them and appends what is new.
///
/// Users count from 0, everything else from 1: entry `i` has the number `i + 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Users, in their order.
    pub users: Vec<String>,
    /// The number that text files write for each user; empty where it is the place in the order.
    pub user_numbers: Vec<u32>,
    /// Items.
    pub items: Vec<String>,
    /// Query words.
    pub words: Vec<String>,
    /// Attributes.
    pub attributes: Vec<String>,
    /// Actions.
    pub actions: Vec<String>,
    /// Fields of items by name, each with its values.
    pub fields: Vec<(String, Vec<String>)>,
}

impl Numbers {
    /// The numbers of a corpus.
    ///
    /// # Errors
    /// If two of its users or items have the same name: they could not be told apart in a log.
    pub fn of(corpus: &Corpus) -> Result<Self> {
        let numbers = Self {
            users: (0..corpus.user_count()).map(|user| corpus.user_name(user).to_owned()).collect(),
            user_numbers: (0..corpus.user_count()).map(|user| corpus.user_number(user)).collect(),
            items: (1..=corpus.item_count() as u32).map(|item| corpus.item_name(item).to_owned()).collect(),
            words: (1..).map_while(|word| corpus.word(word)).map(str::to_owned).collect(),
            attributes: (1..).map_while(|id| corpus.attribute_name(id)).map(str::to_owned).collect(),
            actions: corpus.actions().map(str::to_owned).collect(),
            fields: corpus
                .fields()
                .map(|field| (field.name().to_owned(), field.values().map(str::to_owned).collect()))
                .collect(),
        };
        numbers.check()?;
        Ok(numbers)
    }

    /// Checks that no name has two numbers.
    ///
    /// # Errors
    /// Names the first that has.
    pub(crate) fn check(&self) -> Result<()> {
        let lists = [("user", &self.users), ("item", &self.items)];
        for (what, names) in lists {
            let mut seen = hashbrown::HashSet::new();
            if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
                let message = format!("{what} `{name}` is there twice: numbers need names that differ");
                return Err(crate::error::Error::Config { field: "numbers", message });
            }
        }
        Ok(())
    }

    /// The numbers that text files write for users, and the largest of them.
    pub(super) fn text_numbers(&self) -> (Vec<u32>, u32) {
        let numbers: Vec<u32> = match self.user_numbers.len() == self.users.len() {
            true => self.user_numbers.clone(),
            false => (1..=self.users.len() as u32).collect(),
        };
        let largest = numbers.iter().max().copied().unwrap_or(0);
        (numbers, largest)
    }
}
