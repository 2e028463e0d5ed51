//! Dates in front matter and in file names.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

/// An instant to the second, in UTC, in the years 1 to 9999: the range that both RFC 822 and RFC 3339 dates can
/// express.
pub type Timestamp = DateTime<Utc>;

/// Serializes instants as seconds since 1970.
pub(crate) mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Timestamp;

    #[expect(clippy::ref_option, reason = "serde asks for a reference")]
    pub(crate) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(|at| at.timestamp()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let seconds = Option::<i64>::deserialize(deserializer)?;
        Ok(seconds.and_then(|seconds| Timestamp::from_timestamp(seconds, 0)))
    }
}

/// A month of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// Returns the month of an instant.
    pub fn of(at: Timestamp) -> Self {
        Self { year: at.year(), month: at.month() }
    }

    /// Returns the number of months since another month, negative if this one is earlier.
    pub fn since(self, other: Self) -> i32 {
        (self.year - other.year) * 12 + self.month.cast_signed() - other.month.cast_signed()
    }

    /// Returns the first instant of the month.
    pub fn first_second(self) -> Timestamp {
        let day = NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default();
        day.and_time(NaiveTime::MIN).and_utc()
    }

    /// Returns the last instant of the month, to the second.
    pub fn last_second(self) -> Timestamp {
        self.first_second() + Months::new(1) - TimeDelta::seconds(1)
    }
}

impl FromStr for Month {
    type Err = ();

    /// Parses a month as it is displayed: `2024-03`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (year, month) = text.split_once('-').ok_or(())?;
        let number = |digits: &str, length| {
            let plain = digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_digit());
            if plain { digits.parse::<u32>().ok() } else { None }
        };
        let (year, month) = (number(year, 4).ok_or(())?, number(month, 2).ok_or(())?);
        let month = Self { year: i32::try_from(year).map_err(drop)?, month };
        NaiveDate::from_ymd_opt(month.year, month.month, 1).map(|_| month).ok_or(())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// A date that was parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedDate {
    pub(super) at: Timestamp,
    /// Set if a time without an offset was assumed to be UTC.
    pub(super) assumed_utc: bool,
}

/// Parses RFC 3339, `YYYY-MM-DD HH:MM:SS ±ZZZZ`, either without the offset, or a date alone.
pub(super) fn parse(text: &str) -> Option<ParsedDate> {
    let text = text.trim();
    let (at, assumed_utc) = if let Some(at) = with_offset(text) {
        (at, false)
    } else if let Some(at) = without_offset(text) {
        (at, true)
    } else {
        (NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN).and_utc(), false)
    };
    let at = at.with_nanosecond(0)?;
    (1..=9999).contains(&at.year()).then_some(ParsedDate { at, assumed_utc })
}

fn with_offset(text: &str) -> Option<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    // The name of a zone after its offset is redundant.
    let is_name = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let text = match text.rsplit_once(' ') {
        Some((before, name)) if is_name(name) && has_offset(before) => before,
        _ => text,
    };
    for zone in ["UTC", "GMT", "Z"] {
        if let Some(local) = text.strip_suffix(zone) {
            return without_offset(local.trim_end());
        }
    }
    ["%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M %#z", "%Y-%m-%dT%H:%M%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|at| at.to_utc())
}

fn has_offset(text: &str) -> bool {
    text.rsplit_once(' ').is_some_and(|(_, offset)| offset.starts_with(['+', '-']))
}

fn without_offset(text: &str) -> Option<Timestamp> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|at| at.and_utc())
}

/// Returns the date at the beginning of a name, `2024-03-26-a-name`, or the instant (`2024-03-26T08:00:23Z_a-name`).
pub(super) fn of_name(name: &str) -> Option<Timestamp> {
    split_date(name).map(|(at, ..)| at)
}

/// Returns a name without the date at its beginning.
pub(super) fn without_date(name: &str) -> &str {
    split_date(name).map(|(.., rest)| rest).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Returns the day at the beginning of a date or a name as it is written, which may be another day in UTC: the
/// addresses of pages have the written day.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let end = text.find([' ', 'T', 't']).unwrap_or(text.len());
    let alone = || NaiveDate::parse_from_str(&text[..end], "%Y-%m-%d").ok();
    split_date(text).map(|(_, day, _)| day).or_else(alone)
}

/// Splits a name that begins with a date into the instant, the day, and the rest, by the rules of Jekyll and Zola:
/// month and day may have one digit, and a hyphen or an underscore ends the date.
fn split_date(name: &str) -> Option<(Timestamp, NaiveDate, &str)> {
    let number = |from: usize, most: usize| -> Option<(u32, usize)> {
        let rest = name.get(from..)?;
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        Some((rest[..digits].parse().ok()?, from + digits))
    };
    let sign = |at: usize| name.as_bytes().get(at).copied();
    let (year, month_at) =
        number(0, 4).filter(|(year, end)| *year > 0 && *end == 4 && sign(4) == Some(b'-'))?;
    let (month, day_at) = number(month_at + 1, 2).filter(|(_, end)| sign(*end) == Some(b'-'))?;
    let (day, end) = number(day_at + 1, 2)?;
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    match sign(end)? {
        b'-' | b'_' => Some((day.and_time(NaiveTime::MIN).and_utc(), day, &name[end + 1..])),
        b'T' => name[end..].match_indices(['-', '_']).find_map(|(at, _)| {
            let at = end + at;
            let instant = DateTime::parse_from_rfc3339(&name[..at]).ok()?.to_utc().with_nanosecond(0)?;
            (1..=9999).contains(&instant.year()).then_some((instant, day, &name[at + 1..]))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_forms_of_dates_are_parsed() {
        for (text, expected, assumed_utc) in [
            ("2024-03-26T08:00:23Z", "2024-03-26T08:00:23Z", false),
            ("2024-03-26T08:00:23.987+02:00", "2024-03-26T06:00:23Z", false),
            ("2024-03-26 08:00:23 -0800", "2024-03-26T16:00:23Z", false),
            ("2024-03-26 08:00:23 +01:00", "2024-03-26T07:00:23Z", false),
            ("2001-12-14 21:59:43.10 -05", "2001-12-15T02:59:43Z", false),
            ("2024-03-26 08:00 -0800", "2024-03-26T16:00:00Z", false),
            ("2024-03-26 08:00:23 -0700 MST", "2024-03-26T15:00:23Z", false),
            ("2024-03-26 08:00:23 UTC", "2024-03-26T08:00:23Z", false),
            ("2024-03-26T08:00:23", "2024-03-26T08:00:23Z", true),
            ("2024-03-26 08:00", "2024-03-26T08:00:00Z", true),
            (" 2024-03-26 ", "2024-03-26T00:00:00Z", false),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", false),
        ] {
            let parsed = parse(text).unwrap_or_else(|| panic!("{text}"));
            let written = parsed.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            assert_eq!((written.as_str(), parsed.assumed_utc), (expected, assumed_utc), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2024-13-01",
            "2024-02-30",
            "26/03/2024",
            "0000-01-01",
            "12024-01-01",
            "9999-12-31T23:59:59-01:00",
            "1711440023",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn date_at_the_beginning_of_a_name_is_parsed() {
        let date = |name| of_name(name).map(|at| at.format("%F").to_string());
        assert_eq!(date("2024-03-26-a").as_deref(), Some("2024-03-26"));
        assert_eq!(without_date("2024-03-26-a"), "a");
        for (name, expected, rest) in [
            ("2024-03-26_a", "2024-03-26", "a"),
            ("2024-3-6-a", "2024-03-06", "a"),
            ("2024-03-26T23:11:12Z-a", "2024-03-26", "a"),
            ("2024-03-26T23:11:12-05:00_a_b", "2024-03-27", "a_b"),
            ("2024-03-26-", "2024-03-26", "2024-03-26-"),
        ] {
            assert_eq!((date(name).as_deref(), without_date(name)), (Some(expected), rest), "{name}");
        }
        for name in [
            "2024-03-26",
            "a-2024-03-26-b",
            "2024-99-26-b",
            "2024-03-261-b",
            "24-03-26-b",
            "2024-03-26T1-b",
            "x",
            "0000-01-01-x",
            "机器学习-x",
        ] {
            assert_eq!((date(name), without_date(name)), (None, name));
        }
    }

    #[test]
    fn day_is_the_written_one() {
        for text in ["2024-03-26", "2024-03-26T23:59:59-08:00", "2024-03-26 00:00 +0200", "2024-03-26-a T"] {
            assert_eq!(day(text).map(|day| day.to_string()).as_deref(), Some("2024-03-26"), "{text}");
        }
        assert_eq!(day("a name"), None);
    }
}
