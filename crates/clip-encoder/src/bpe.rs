//! CLIP's tokenizer: byte-pair encoding over lower-cased words (Sennrich, Haddow, Birch 2016; Radford et al. 2021).

use std::collections::HashMap;
use std::io::Read;
use std::sync::OnceLock;

use regex::Regex;

use crate::clean::clean_text;

/// Merge rules that follow the vocabulary of single bytes; the published file holds more, which CLIP does not use.
const MERGES: usize = 49_152 - 256 - 2;
/// Ids of the single bytes, inside a word and at its end.
const BYTES: u32 = 256;
/// Number of ids.
pub(crate) const VOCABULARY: usize = 512 + MERGES + 2;
/// Id of the start token.
const START: u32 = VOCABULARY as u32 - 2;
/// Id of the end token, the largest of all.
pub(crate) const END: u32 = VOCABULARY as u32 - 1;

static PUBLISHED: &[u8] = include_bytes!("../data/bpe_simple_vocab_16e6.txt.gz");

/// Turns texts into token ids.
#[derive(Debug)]
pub struct Tokenizer {
    /// Rank of the rule that joins two ids; the joined id is `512 + rank`.
    ranks: HashMap<(u32, u32), u32>,
    words: Regex,
}

impl Tokenizer {
    /// The published vocabulary, unpacked once.
    pub fn published() -> &'static Self {
        static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
        TOKENIZER.get_or_init(|| {
            let mut text = String::new();
            let unpacked = flate2::read::GzDecoder::new(PUBLISHED).read_to_string(&mut text);
            unpacked.expect("the bundled vocabulary is whole, as a test shows");
            Self::parse(&text)
        })
    }

    /// A header line, then one rule per line: two symbols that are joined.
    fn parse(text: &str) -> Self {
        let mut ids: HashMap<String, u32> = HashMap::new();
        for (id, symbol) in (0u32..).zip(byte_symbols()) {
            ids.insert(symbol.to_string(), id);
            ids.insert(format!("{symbol}</w>"), BYTES + id);
        }
        let mut ranks = HashMap::with_capacity(MERGES);
        for (rank, line) in (0u32..).zip(text.lines().skip(1).take(MERGES)) {
            if let Some((left, right)) = line.split_once(' ')
                && let (Some(&first), Some(&second)) = (ids.get(left), ids.get(right))
            {
                ranks.insert((first, second), rank);
                ids.insert(format!("{left}{right}"), 2 * BYTES + rank);
            }
        }
        let words = Regex::new(
            r"(?i)<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",
        );
        Self { ranks, words: words.expect("the pattern is a constant that compiles") }
    }

    /// Start token, the text's tokens, end token; of a longer text the first `context - 2` tokens. The text is cleaned as
    /// OpenAI's code does it: `ftfy.fix_text`, `html.unescape` twice, white space, small letters.
    ///
    /// The words `<|startoftext|>` and `<|endoftext|>` in a text become these tokens, as published; [`Clip`](crate::Clip) reads a
    /// text at its first end token.
    ///
    /// ```
    /// let tokens = seminar_clip_encoder::Tokenizer::published().encode("a photo of a cat", 77);
    /// assert_eq!(tokens, [49406, 320, 1125, 539, 320, 2368, 49407]);
    /// ```
    pub fn encode(&self, text: &str, context: usize) -> Vec<u32> {
        let clean = clean_text(text);
        let mut tokens = vec![START];
        for word in self.words.find_iter(&clean) {
            match word.as_str() {
                "<|startoftext|>" => tokens.push(START),
                "<|endoftext|>" => tokens.push(END),
                word => self.join(word, &mut tokens),
            }
            if tokens.len() >= context {
                break;
            }
        }
        tokens.truncate(context.saturating_sub(1));
        tokens.push(END);
        tokens
    }

    /// Joins neighbouring symbols of a word, always by the rule of lowest rank, until none applies.
    fn join(&self, word: &str, tokens: &mut Vec<u32>) {
        let mut symbols: Vec<u32> = word.bytes().map(byte_id).collect();
        if let Some(last) = symbols.last_mut() {
            *last += BYTES;
        }
        loop {
            let pairs = symbols.windows(2).filter_map(|pair| self.ranks.get(&(pair[0], pair[1])));
            let Some(&rank) = pairs.min() else { break };
            let mut joined = Vec::with_capacity(symbols.len());
            let mut at = 0;
            while at < symbols.len() {
                let pair = symbols.get(at + 1).map(|&second| (symbols[at], second));
                if pair.is_some_and(|pair| self.ranks.get(&pair) == Some(&rank)) {
                    joined.push(2 * BYTES + rank);
                    at += 2;
                } else {
                    joined.push(symbols[at]);
                    at += 1;
                }
            }
            symbols = joined;
        }
        tokens.extend(symbols);
    }
}

/// Whether a byte is written as itself in the vocabulary file.
fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The characters that stand for bytes in the vocabulary file, in the order of their ids: first the bytes that print,
/// then the others, moved to where characters print.
fn byte_symbols() -> impl Iterator<Item = char> {
    let moved = (0..=255u8).filter(|&b| !printable(b)).count() as u32;
    let printing = (0..=255u8).filter(|&b| printable(b)).map(char::from);
    printing.chain((0..moved).filter_map(|n| char::from_u32(256 + n)))
}

/// The id of a byte inside a word.
fn byte_id(byte: u8) -> u32 {
    let printing = (0..byte).filter(|&b| printable(b)).count() as u32;
    if printable(byte) { printing } else { 188 + u32::from(byte) - printing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_distinct_ids_in_the_published_order() {
        let mut ids: Vec<u32> = (0..=255).map(byte_id).collect();
        assert_eq!((ids[usize::from(b'!')], ids[usize::from(b'a')], ids[0]), (0, 64, 188));
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..256));
        assert_eq!(Tokenizer::published().ranks.len(), MERGES);
    }

    #[test]
    fn long_texts_keep_the_end_token() {
        let tokens = Tokenizer::published().encode(&"word ".repeat(200), 77);
        assert_eq!((tokens.len(), tokens[0], tokens[76]), (77, START, END));
        assert_eq!(Tokenizer::published().encode("", 77), [START, END]);
    }
}
