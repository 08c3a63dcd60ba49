//! What is varied: flags of `train`, each with the values that it may take.

use anyhow::{Context, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is varied where nothing is said.
pub const RANGES: [&str; 7] = [
    "learning-rate=0.0003..0.003:log",
    "tower-dropout=0.1,0.2,0.3,0.4,0.5",
    "id-dropout=0,0.25,0.5,0.75",
    "tower-layers=1,2,3",
    "shared-negatives=512,2048,4096",
    "batch-size=64,128,256",
    "distance-bias=0,512",
];

/// A flag and what it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The flag without its dashes.
    pub flag: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<String>),
    /// From the first number to the second; evenly spread, or their logarithms are.
    Between {
        low: f64,
        high: f64,
        log: bool,
        whole: bool,
    },
}

impl Range {
    /// Reads `flag=a,b,c`, `flag=low..high` or `flag=low..high:log`. Between two whole numbers only whole ones are drawn.
    ///
    /// # Errors
    /// If it has none of these forms.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong =
            || format!("--vary {text}: `FLAG=A,B,C`, `FLAG=LOW..HIGH` or `FLAG=LOW..HIGH:log` is expected");
        let (flag, values) = text.split_once('=').with_context(wrong)?;
        let flag = flag.trim().trim_start_matches("--").to_owned();
        ensure!(!flag.is_empty() && !values.trim().is_empty(), wrong());
        let Some((low, rest)) = values.split_once("..") else {
            let list: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
            ensure!(list.iter().all(|value| !value.is_empty()), wrong());
            return Ok(Self { flag, values: Values::List(list) });
        };
        let (high, log) = match rest.split_once(':') {
            Some((high, "log")) => (high, true),
            Some(_) => bail!(wrong()),
            None => (rest, false),
        };
        let number =
            |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite()).with_context(wrong);
        let whole = [low, high].iter().all(|end| end.trim().parse::<i64>().is_ok());
        let (low, high) = (number(low)?, number(high)?);
        ensure!(low <= high, "--vary {text}: {low} is more than {high}");
        ensure!(!log || low > 0.0, "--vary {text}: logarithms need numbers above 0");
        Ok(Self { flag, values: Values::Between { low, high, log, whole } })
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> String {
        match &self.values {
            Values::List(list) => list[rng.random_range(0..list.len())].clone(),
            &Values::Between { low, high, log, whole } => {
                let share: f64 = rng.random();
                let value = if log {
                    (low.ln() + share * (high / low).ln()).exp()
                } else {
                    low + share * (high - low)
                };
                match whole {
                    true => format!("{}", value.round().clamp(low, high)),
                    // Three digits are more than validation can tell apart.
                    false => format!("{}", three_digits(value).clamp(low, high)),
                }
            }
        }
    }
}

/// Rounded to three digits that count.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// What trial `number` of a search sets, as `--flag=value`. The first one, number 0, changes nothing.
pub fn flags_of(ranges: &[Range], seed: u64, number: u64) -> Vec<String> {
    if number == 0 {
        return Vec::new();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    ranges.iter().map(|range| format!("--{}={}", range.flag, range.draw(&mut rng))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_their_ranges_and_follow_the_seed() {
        let ranges: Vec<Range> = ["a=1..9", "--b=0.5..2:log", "c=x,y", "d=-1.5..1.5"]
            .iter()
            .map(|text| Range::parse(text).unwrap())
            .collect();
        assert_eq!(flags_of(&ranges, 7, 0), Vec::<String>::new());
        let mut seen = std::collections::HashSet::new();
        let mut below_one = 0;
        for number in 1..400 {
            let flags = flags_of(&ranges, 7, number);
            assert_eq!(flags, flags_of(&ranges, 7, number));
            let value = |at: usize| flags[at].split_once('=').unwrap().1.to_owned();
            let a: i64 = value(0).parse().unwrap();
            let b: f64 = value(1).parse().unwrap();
            assert!((1..=9).contains(&a) && (0.5..=2.0).contains(&b), "{flags:?}");
            assert!(flags[1].starts_with("--b=") && ["x", "y"].contains(&&*value(2)));
            assert!(value(3).parse::<f64>().unwrap().abs() <= 1.5);
            below_one += usize::from(b < 1.0);
            seen.insert((a, value(2)));
        }
        assert_eq!(seen.len(), 18, "every pair is drawn");
        assert!((150..250).contains(&below_one), "half of the logarithms lie below 0: {below_one}");
        assert_ne!(flags_of(&ranges, 7, 1), flags_of(&ranges, 8, 1));
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for text in
            ["", "a", "a=", "=1", "a=1,,2", "a=1..x", "a=2..1", "a=0..1:log", "a=1..2:exp", "a=1..inf"]
        {
            let error = Range::parse(text).unwrap_err().to_string();
            assert!(error.contains("--vary"), "{text}: {error}");
        }
        RANGES.iter().for_each(|text| assert!(Range::parse(text).is_ok(), "{text}"));
    }
}
