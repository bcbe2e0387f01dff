//! Moments as RFC 3339 writes them, in UTC: `2026-11-22T17:20:00.123Z`. The calendar is the proleptic Gregorian one;
//! leap seconds do not show.

use crate::clock::Timestamp;

const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01. Years are counted from March here, so that a leap day ends one.
const TO_1970: u64 = 719_468;
/// Days of 400 years.
const ERA: u64 = 146_097;

/// The moment, with milliseconds.
pub(crate) fn written(at: Timestamp) -> [u8; 24] {
    let (seconds, millis) = (at.as_millis() / 1000, at.as_millis() % 1000);
    let (year, month, day) = date(seconds / DAY);
    let second = seconds % DAY;
    let ([c, d], [y, z], [m, n], [a, b]) = (two(year / 100), two(year % 100), two(month), two(day));
    let ([h, i], [j, k], [s, t]) = (two(second / 3600), two(second / 60 % 60), two(second % 60));
    let ([_, u], [v, w]) = (two(millis / 100), two(millis % 100));
    [c, d, y, z, b'-', m, n, b'-', a, b, b'T', h, i, b':', j, k, b':', s, t, b'.', u, v, w, b'Z']
}

/// The last two digits.
fn two(number: u64) -> [u8; 2] {
    [number / 10 % 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default())
}

/// Year, month and day of the day `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + TO_1970;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// Reads a moment in UTC: a date, or a date and a time with or without a fraction, as in `2026-11-22` and
/// `2026-11-22T17:20:00.123Z`. `None` for anything else.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_real = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1 && hour < 24 && minute < 60;
    let days = is_real.then(|| days(year, month, day))?;
    if second > 60 || self::date(days) != (year, month, day) || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(*b"000000").take(6).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(Timestamp::from_micros((days * DAY + hour * 3600 + minute * 60 + second) * 1_000_000 + micros))
}

fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    year / 400 * ERA + of_era - TO_1970
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|digit| digit.is_ascii_digit()));
        *number = part?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(millis: u64) -> String {
        String::from_utf8(written(Timestamp::from_millis(millis)).to_vec()).unwrap()
    }

    /// date -u -d @SECONDS
    #[test]
    fn known_moments_are_written_as_the_calendar_has_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_368_000_001, "2026-11-22T17:20:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(shown(millis), text);
            assert_eq!(read(text), Some(Timestamp::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn every_day_reads_back() {
        for day in 0..80_000 {
            let at = Timestamp::from_millis((day * DAY + 86_399) * 1000);
            assert_eq!(read(&shown(at.as_millis())), Some(at));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-02-30",
            "2026-13-01",
            "2026-11-22T17:20:00",
            "2026-11-22T24:00:00Z",
            "26-11-22",
            "2026-11-22T17:20Z",
            "2026-11-22T17:20:00.xZ",
            "2026-1-22",
            "2026-11-22T17:20:00+01:00",
            "1969-12-31",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("2026-11-22"), read("2026-11-22T00:00:00.000Z"));
        assert_eq!(read("2026-11-22 17:20:00.5Z"), read("2026-11-22T17:20:00.500Z"));
    }
}
