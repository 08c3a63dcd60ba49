//! How a sound input is damaged. Every mutation is a function of the random stream alone.

use seminar_dataset::rng::Stream;

/// Bytes that parsers look for, or that numbers overflow at.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"\\u0000",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"null",
    b"NaN",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775807",
    b"4294967296",
    b"99999999999999999999999999999999999999",
    b"u'",
    b"((((((((((((((((((((((((((((((((",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// Numbers that sizes and offsets overflow at.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 60, i64::MAX as u64, u64::MAX];

/// Longest input made.
const LONGEST: usize = 1 << 16;

fn below(stream: &mut Stream, bound: usize) -> usize {
    stream.below(bound.max(1) as u64) as usize
}

/// A damaged copy of one of `seeds`, by one to four changes.
pub fn mutate(seeds: &[Vec<u8>], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = seeds[below(stream, seeds.len())].clone();
    for _ in 0..1 + below(stream, 4) {
        change(&mut bytes, seeds, stream);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], stream: &mut Stream) {
    let at = below(stream, bytes.len());
    let end = at + below(stream, 1 + (bytes.len() - at).min(64));
    match below(stream, 11) {
        // Flip a bit, or a byte.
        0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << below(stream, 8),
        2 if !bytes.is_empty() => bytes[at] = stream.below(256) as u8,
        // Cut the end, or a piece.
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..end)),
        // Repeat a piece.
        5 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece.repeat(1 + below(stream, 4)));
        }
        // The beginning of one, the end of another.
        6 => {
            let other = &seeds[below(stream, seeds.len())];
            let from = below(stream, other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        // Something that a parser looks for.
        7 | 8 => {
            let token = TOKENS[below(stream, TOKENS.len())];
            let replaced = if stream.below(2) == 0 { at..at } else { at..end };
            bytes.splice(replaced, token.iter().copied());
        }
        // A number where a size may stand.
        _ => {
            let width = [1, 2, 4, 8][below(stream, 4)];
            let at = if stream.below(2) == 0 { at - at % width } else { at };
            if let Some(place) = bytes.get_mut(at..at + width) {
                let number =
                    NUMBERS[below(stream, NUMBERS.len())].wrapping_add(stream.below(3)).wrapping_sub(1);
                place.copy_from_slice(&number.to_le_bytes()[..width]);
            }
        }
    }
}

/// Writes the right checksum into a container or index file: XXH3 of every byte but its own eight at 32. What is damaged
/// further on then reaches the code behind the check.
pub fn seal(file: &mut [u8]) {
    if file.len() >= 40 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&file[..32]);
        hash.update(&file[40..]);
        let digest = hash.digest();
        file[32..40].copy_from_slice(&digest.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_differ_and_repeat() {
        let seeds = vec![b"{\"asin\": \"B01\", \"overall\": 5.0}".to_vec(), vec![0; 64], Vec::new()];
        let many = || {
            let mut stream = Stream::new(&[1]);
            (0..10_000).map(|_| mutate(&seeds, &mut stream)).collect::<Vec<_>>()
        };
        let first = many();
        assert_eq!(first, many());
        let same = first.iter().filter(|mutant| seeds.contains(mutant)).count();
        assert!(same < 4_500, "{same} of 10,000 are no mutants");
        assert!(first.iter().any(Vec::is_empty) && first.iter().any(|mutant| mutant.len() > 100));
    }
}
