//! Times in the forms that logs have: numbers of any unit, dates of several countries.

use super::schema::TimeForm;

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;
/// The first second number that is not taken for one: the year 5138. Larger numbers have a finer unit.
const MOST_SECONDS: f64 = 1e11;

/// A time in microseconds since 1970, or `None` if the text is none.
pub(super) fn parse(text: &str, form: TimeForm) -> Option<i64> {
    if let Some(number) = plain(text) {
        return of_whole(number, form);
    }
    let text = text.trim();
    let (mut whole, mut fraction) = (text, None);
    if let Some((before, after)) = text.split_once('.') {
        (whole, fraction) = (before, Some(after));
    }
    let unit = said(form);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits(whole.strip_prefix('-').unwrap_or(whole))
        && fraction.is_none_or(|f| f.bytes().all(|b| b.is_ascii_digit()))
    {
        return exact(whole, fraction.unwrap_or(""), unit);
    }
    if let Ok(number) = text.parse::<f64>() {
        return of_float(number, unit);
    }
    match unit {
        Some(_) => None,
        None => date(text, form == TimeForm::DayFirst),
    }
}

/// The number of a text of a few digits and nothing else, as most times are.
fn plain(text: &str) -> Option<i64> {
    let digits = text.as_bytes();
    let few = (1..=18).contains(&digits.len());
    let add = |number: i64, digit: &u8| digit.is_ascii_digit().then(|| 10 * number + i64::from(digit - b'0'));
    if few { digits.iter().try_fold(0, add) } else { None }
}

/// The unit that was said, per second.
fn said(form: TimeForm) -> Option<f64> {
    match form {
        TimeForm::Seconds => Some(1.0),
        TimeForm::Milliseconds => Some(1e3),
        TimeForm::Microseconds => Some(1e6),
        TimeForm::Nanoseconds => Some(1e9),
        TimeForm::Auto | TimeForm::DayFirst => None,
    }
}

/// A whole number as a time.
pub(super) fn of_whole(number: i64, form: TimeForm) -> Option<i64> {
    let unit = said(form).unwrap_or_else(|| unit_of(number as f64));
    match unit > SECOND as f64 {
        true => Some(number.div_euclid((unit / SECOND as f64) as i64)),
        false => number.checked_mul((SECOND as f64 / unit) as i64),
    }
}

/// A number as a time.
pub(super) fn of_number(number: f64, form: TimeForm) -> Option<i64> {
    of_float(number, said(form))
}

fn of_float(number: f64, unit: Option<f64>) -> Option<i64> {
    let unit = unit.unwrap_or_else(|| unit_of(number));
    let micros = number * (SECOND as f64 / unit);
    (micros.is_finite() && micros.abs() < 9e18).then(|| micros.floor() as i64)
}

/// The unit that a number's size shows, per second.
fn unit_of(number: f64) -> f64 {
    [1.0, 1e3, 1e6].into_iter().find(|unit| number.abs() < MOST_SECONDS * unit).unwrap_or(1e9)
}

/// A whole number and the digits behind its point, without rounding.
fn exact(whole: &str, fraction: &str, unit: Option<f64>) -> Option<i64> {
    let number: i64 = whole.parse().ok()?;
    let unit = unit.unwrap_or_else(|| unit_of(number as f64));
    if unit > SECOND as f64 {
        return Some(number.div_euclid((unit / SECOND as f64) as i64));
    }
    let per_unit = (SECOND as f64 / unit) as i64;
    let mut micros = 0;
    let mut place = per_unit;
    for digit in fraction.bytes() {
        place /= 10;
        if place == 0 {
            break;
        }
        micros += i64::from(digit - b'0') * place;
    }
    let number = number.checked_mul(per_unit)?;
    if whole.starts_with('-') { number.checked_sub(micros) } else { number.checked_add(micros) }
}

/// A day as microseconds; `None` if there is no such day.
pub(super) fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = DAYS.get(usize::try_from(month.checked_sub(1)?).ok()?)? + i64::from(leap && month == 2);
    if !(1..=length).contains(&day) || !(-9999..=9999).contains(&year) {
        return None;
    }
    // Years begin in March: the leap day is the last of its year, and months have a regular rhythm.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 * SECOND)
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A month by its English name, or the first three letters of it.
fn month(word: &str) -> Option<i64> {
    let start = word.get(..3)?.to_ascii_lowercase();
    let found = MONTHS.iter().position(|&name| name == start)?;
    word.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(found as i64 + 1)
}

/// A date, with or without a time of day.
fn date(text: &str, day_first: bool) -> Option<i64> {
    let between = |at: usize| {
        let digit =
            |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    // A `T` between digits parts the day from the time of day.
    let parted = text.find(['T', 't']).filter(|&at| between(at));
    let (day, rest) = parted.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let words = [day, rest].into_iter().flat_map(|part| part.split([' ', ',']));
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    let first: &str = words.peek()?;
    let named = text.split([' ', ',']).any(|word| month(word).is_some());
    let date = match numbers(first).filter(|_| !named) {
        Some(parts) => {
            words.next();
            let width = first.find(|c: char| !c.is_ascii_digit()).unwrap_or(first.len());
            parts_of_date(&parts, width, day_first, &mut words)?
        }
        None => named_month(text, &mut words)?,
    };
    let (mut of_day, mut zone) = (0, 0);
    for word in words {
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "AM" | "PM" => of_day = half_day(of_day, upper == "PM")?,
            "Z" | "UTC" | "GMT" => {}
            _ if word.contains(':') && !word.starts_with(['+', '-']) => (of_day, zone) = time_of_day(word)?,
            _ if word.starts_with(['+', '-']) => zone = offset(word)?,
            _ => return None,
        }
    }
    date.checked_add(of_day)?.checked_sub(zone)
}

/// The numbers of a word such as `2019-11-05`.
fn numbers(word: &str) -> Option<Vec<i64>> {
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    let whole = |part: &&str| if part.len() <= 4 { part.parse::<u16>().ok().map(i64::from) } else { None };
    (parts.len() <= 3).then_some(())?;
    parts.iter().map(whole).collect()
}

/// A date of three numbers; or of two words, as in `01 1, 2018`.
fn parts_of_date<'a>(
    parts: &[i64],
    width: usize,
    day_first: bool,
    words: &mut impl Iterator<Item = &'a str>,
) -> Option<i64> {
    match *parts {
        [year, month, of_month] if width == 4 => day(year, month, of_month),
        [first, second, year] if year > 99 => {
            let (of_month, month) = if day_first { (first, second) } else { (second, first) };
            day(year, month, of_month)
        }
        [month] => {
            let of_month = words.next()?.parse().ok()?;
            day(words.next()?.parse().ok()?, month, of_month)
        }
        _ => None,
    }
}

/// `Dec 17, 2017`, `17 December 2017`, `Tue Apr 03 18:00:09 +0000 2012`: takes the words of the date and leaves the others.
fn named_month<'a>(
    text: &'a str,
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> Option<i64> {
    let all: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let at = all.iter().position(|word| month(word).is_some() && word.len() >= 3 && all.len() >= 3)?;
    let number = |word: &&&str| word.bytes().all(|b| b.is_ascii_digit());
    let of_month: i64 = all.iter().filter(number).find(|word| word.len() <= 2)?.parse().ok()?;
    let year: i64 = all.iter().filter(number).find(|word| word.len() == 4)?.parse().ok()?;
    let date = day(year, month(all[at])?, of_month);
    // What is left is the time of day: the words are consumed here, as their order differs.
    let clock = all.iter().find(|word| word.contains(':'));
    let half = all.iter().find(|word| ["AM", "PM"].contains(&word.to_ascii_uppercase().as_str()));
    let zone = all.iter().find(|word| word.starts_with(['+', '-']));
    words.by_ref().for_each(drop);
    let (mut of_day, own_zone) = clock.map_or(Some((0, 0)), |word| time_of_day(word))?;
    if let Some(half) = half {
        of_day = half_day(of_day, half.eq_ignore_ascii_case("PM"))?;
    }
    let zone = zone.map_or(Some(own_zone), |word| offset(word))?;
    date?.checked_add(of_day)?.checked_sub(zone)
}

/// Twelve hours later, if in the afternoon; twelve o'clock begins each half.
fn half_day(of_day: i64, afternoon: bool) -> Option<i64> {
    const HALF: i64 = 43_200 * SECOND;
    match of_day {
        0..HALF => Some(if afternoon { of_day + HALF } else { of_day }),
        HALF.. if of_day < HALF + 3_600 * SECOND => Some(if afternoon { of_day } else { of_day - HALF }),
        _ => None,
    }
}

/// `11:30`, `11:30:54.123`, each with or without a zone: microseconds, and those of the zone.
fn time_of_day(word: &str) -> Option<(i64, i64)> {
    let word = word.strip_suffix(['Z', 'z']).unwrap_or(word);
    let (clock, zone) = match word.find(['+', '-']) {
        Some(at) => (&word[..at], offset(&word[at..])?),
        None => (word, 0),
    };
    let upper = clock.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(rest), _) => (rest, Some(false)),
        (_, Some(rest)) => (rest, Some(true)),
        _ => (upper.as_str(), None),
    };
    let mut parts = clock.split(':');
    let whole = |part: &str, end: i64| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>().ok().filter(|n| digits && *n < end)
    };
    let hour = whole(parts.next()?, 24)?;
    let minute = whole(parts.next()?, 60)?;
    let second = match parts.next() {
        None => 0,
        Some(second) => {
            let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
            // 60 is a leap second.
            let second = whole(second, 61)?;
            fraction.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
            exact(&second.to_string(), fraction, Some(1.0))?
        }
    };
    parts.next().is_none().then_some(())?;
    let of_day = (hour * 3_600 + minute * 60) * SECOND + second;
    let of_day = half.map_or(Some(of_day), |afternoon| half_day(of_day, afternoon))?;
    Some((of_day, zone))
}

/// `+02:00`, `-0730`, `+2`: microseconds.
fn offset(word: &str) -> Option<i64> {
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let digits: String = word[1..].chars().filter(|c| *c != ':').collect();
    let number = |range: &str| range.parse::<u8>().ok().map(i64::from);
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number(&digits)?, 0),
        4 if digits.is_ascii() => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60) * SECOND)
}

/// A time that a person gives, in seconds since 1970; the same forms as in files.
///
/// ```
/// assert_eq!(seminar_dataset::parse_time("2018-06-17"), Some(1_529_193_600));
/// assert_eq!(seminar_dataset::parse_time("1628643414042"), Some(1_628_643_414));
/// assert_eq!(seminar_dataset::parse_time("soon"), None);
/// ```
pub fn parse_time(text: &str) -> Option<i64> {
    parse(text, TimeForm::Auto).map(|micros| micros.div_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::instant;

    fn auto(text: &str) -> Option<i64> {
        parse(text, TimeForm::Auto)
    }

    #[test]
    fn dates_of_several_countries() {
        let expected = 1_573_385_454 * SECOND;
        for text in [
            "2019-11-10 11:30:54",
            "2019-11-10T11:30:54Z",
            "2019-11-10T12:30:54+01:00",
            "2019-11-10 04:00:54 -0730",
            "2019/11/10 11:30:54",
            "11/10/2019 11:30:54 AM",
            "11/10/2019 11:30:54AM",
            " 2019-11-10  11:30:54 UTC ",
            "Sun Nov 10 11:30:54 +0000 2019",
            "Nov 10, 2019 11:30:54",
            "10 November 2019 11:30:54 am",
            "1573385454",
            "1573385454.0",
            "1.573385454e9",
            "1573385454000",
            "1573385454000000",
            "1573385454000000000",
        ] {
            assert_eq!(auto(text), Some(expected), "{text}");
        }
        assert_eq!(parse("10/11/2019 11:30:54", TimeForm::DayFirst), Some(expected));
        assert_eq!(auto("2019-11-10T11:30:54.25"), Some(expected + 250_000));
        assert_eq!(auto("11/10/2019 11:30:54 PM"), Some(expected + 43_200 * SECOND));
        assert_eq!(auto("11/10/2019 12:30:54 AM"), Some(expected - 39_600 * SECOND));
        assert_eq!(auto("2018-06-17"), auto("06 17, 2018"));
        assert_eq!(auto("1956-01-01").map(|t| t / SECOND), Some(-441_849_600));
        assert_eq!(auto("1.52309e+12"), Some(1_523_090_000 * SECOND));
        assert_eq!((auto("5.9"), auto("-1.5"), auto("0")), (Some(5_900_000), Some(-1_500_000), Some(0)));
        assert_eq!(parse("1573385454000", TimeForm::Milliseconds), Some(expected));
        assert_eq!(parse("7", TimeForm::Milliseconds), Some(7_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            " ",
            "x",
            "NaN",
            "inf",
            "2019-02-29",
            "2019-13-01",
            "13/13/2019",
            "2019-11-10 24:00",
            "11:30",
            "2019-11",
            "1e30",
            "99999999999999999999",
            "2019-11-10 11:30 XM",
            "1-2-3-4",
            "é",
            "2019-11-10 13:00 PM",
            "+",
            "May",
            "Nov 2019",
            "--1",
            "12/31/19",
        ] {
            assert_eq!(auto(text), None, "{text}");
        }
        assert_eq!(parse("2019-11-10", TimeForm::Seconds), None);
    }

    proptest::proptest! {
        #[test]
        fn every_unit_and_form_gives_the_same_second(seconds in 150_000_000i64..9_000_000_000, micros in 0i64..1_000_000) {
            let date = instant(seconds);
            assert_eq!(auto(&date), Some(seconds * SECOND), "{date}");
            let exact = Some(seconds * SECOND + micros);
            assert_eq!(auto(&format!("{}.{micros:06}", date)), exact);
            assert_eq!(auto(&format!("{seconds}.{micros:06}")), exact);
            assert_eq!(auto(&format!("{seconds}{:03}", micros / 1000)), Some(seconds * SECOND + micros / 1000 * 1000));
            assert_eq!(auto(&format!("{seconds}{micros:06}")), exact);
            assert_eq!(auto(&format!("{seconds}{micros:06}789")), exact);
            assert_eq!(parse_time(&date.replace(' ', "T")), Some(seconds));
        }

        #[test]
        fn nothing_panics(text in "[-+0-9:/.TZAPMapm, é]{0,24}") {
            let _ = (auto(&text), parse(&text, TimeForm::DayFirst), parse(&text, TimeForm::Nanoseconds));
        }
    }
}
