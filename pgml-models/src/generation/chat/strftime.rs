//! The function `strftime_now`, which templates tell a model the date with.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The time now, in UTC, as C's `strftime` writes it.
pub(super) fn now(format: &str) -> Result<String, Error> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    written(seconds, format)
}

fn written(seconds: u64, format: &str) -> Result<String, Error> {
    let (day, time) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let (year, month, of_month, of_year) = date(day);
    let (month_name, day_name) = (MONTHS[month - 1], DAYS[((day + 3) % 7) as usize]);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut letter = letters.next();
        let unpadded = letter == Some('-');
        if unpadded {
            letter = letters.next();
        }
        let number = |n: u64, width: usize| if unpadded { n.to_string() } else { format!("{n:0width$}") };
        out.push_str(&match letter {
            Some('Y') => number(year, 4),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month as u64, 2),
            Some('d') => number(of_month, 2),
            Some('j') => number(of_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number((hour + 11) % 12 + 1, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('F') => format!("{year:04}-{month:02}-{of_month:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('Z') => "UTC".to_owned(),
            Some('%') => "%".to_owned(),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime_now does not know \"{format}\""),
                ));
            }
        });
    }
    Ok(out)
}

/// Year, month and day from 1 on, and the day of the year, of a day after 1970-01-01.
fn date(mut day: u64) -> (u64, usize, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let of_year = day + 1;
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1, of_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds, format| written(seconds, format).expect("known letters");
        assert_eq!(at(0, "%A %d %B %Y, %H:%M:%S %j"), "Thursday 01 January 1970, 00:00:00 001");
        // date -u -d '2024-02-29 13:05:09' +%s
        assert_eq!(at(1_709_211_909, "%a %-d %b %y %I:%M %p %j"), "Thu 29 Feb 24 01:05 PM 060");
        assert_eq!(at(1_735_689_599, "%F %T"), "2024-12-31 23:59:59");
        assert!(written(0, "%Q").is_err());
    }
}
