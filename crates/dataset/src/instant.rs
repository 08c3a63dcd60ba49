//! Times of logs as dates.

/// A time in the unit that its size shows, as a date of UTC; a number that is too small for a date as it is.
///
/// Seconds from 1973 on are dates; milliseconds, microseconds and nanoseconds have three digits more each.
pub(crate) fn instant(time: i64) -> String {
    const SMALLEST: i64 = 100_000_000;
    let unit = [1, 1_000, 1_000_000, 1_000_000_000].into_iter().rev().find(|unit| time / unit >= SMALLEST);
    let Some(unit) = unit else { return time.to_string() };
    second(time / unit)
}

/// A number of seconds as a date of UTC; a number that is too small for a date as it is.
pub(crate) fn of_seconds(time: i64) -> String {
    const SMALLEST: u64 = 100_000_000;
    // Years of more digits are no dates of a log.
    const LARGEST: u64 = 253_402_300_800;
    if !(SMALLEST..LARGEST).contains(&time.unsigned_abs()) || time < -62_000_000_000 {
        return time.to_string();
    }
    second(time)
}

/// A second since 1970 as a date and a time of day.
fn second(time: i64) -> String {
    let (year, month, day) = date(time.div_euclid(86_400));
    let of_day = time.rem_euclid(86_400);
    let [hour, minute, second] = [of_day / 3_600, of_day / 60 % 60, of_day % 60];
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day from the year 0 on.
fn date(days: i64) -> (i64, i64, i64) {
    // Years begin in March here: the leap day is the last of its year, and months have a regular rhythm.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_their_size() {
        assert_eq!(instant(1_529_193_600), "2018-06-17 00:00:00");
        assert_eq!(instant(1_684_742_002_500), "2023-05-22 07:53:22");
        assert_eq!(instant(1_684_742_002_500_000), "2023-05-22 07:53:22");
        assert_eq!(instant(1_684_742_002_500_000_000), "2023-05-22 07:53:22");
        assert_eq!(of_seconds(1_529_193_600), "2018-06-17 00:00:00");
        assert_eq!(of_seconds(253_402_214_400), "9999-12-31 00:00:00");
        assert_eq!((of_seconds(-441_849_600), of_seconds(-3)), ("1956-01-01 00:00:00".into(), "-3".into()));
        assert_eq!((instant(203), instant(0), instant(-5)), ("203".into(), "0".into(), "-5".into()));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let length = |year: i64, month: i64| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1970, 1, 1);
        for day in 0..200_000 {
            assert_eq!(date(day), expected, "day {day}");
            let (year, month, of_month) = expected;
            expected = match (month, of_month == length(year, month)) {
                (_, false) => (year, month, of_month + 1),
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
            };
        }
    }
}
