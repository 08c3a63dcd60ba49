//! Words of a text.

/// Ends a word of a text.
const WORD_END: char = ' ';

/// The words of a text, by the rule that makes queries of descriptions: split at each single space, and nothing else.
///
/// A search request whose words are found by this rule meets the words that the model was trained on. Letters keep their
/// case and punctuation stays with its word; of two spaces in a row, the second follows an empty word.
///
/// ```
/// let words: Vec<&str> = seminar_dataset::keywords("Nail polish, red").collect();
/// assert_eq!(words, ["Nail", "polish,", "red"]);
/// ```
pub fn keywords(text: &str) -> impl Iterator<Item = &str> {
    text.split(WORD_END)
}

/// The part of a text that holds its first `count` keywords, at least one.
pub(crate) fn first_words(text: &str, count: usize) -> &str {
    match text.match_indices(WORD_END).nth(count.saturating_sub(1)) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
