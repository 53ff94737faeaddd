//! What clients may take, and the numbers that make sense: options of the command line.

use std::time::Duration;

use clap::Args;

/// What clients may take.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Recordings that may run at once.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = parse_count)]
    pub most_recordings: usize,
    /// Recordings of one user that may run at once.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = parse_count)]
    pub most_per_user: usize,
    /// Recordings of one user that ended and wait to be fetched.
    #[arg(long, default_value_t = 512, value_name = "N")]
    pub most_kept: usize,
    /// MiB of memory for all traces that are being assembled at once; one gets half of it. Without it, half of what this
    /// machine or service has.
    #[arg(long, value_name = "MIB")]
    pub assembly_mib: Option<u64>,
    /// How long a recording that ended is kept for whoever has not fetched it.
    #[arg(long, default_value = "30d", value_parser = parse_duration)]
    pub keep: Duration,
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is no number from 1 on"))
}

/// The sampling periods that make sense: registers refresh every millisecond at best, and wrap within minutes.
const PERIODS: std::ops::RangeInclusive<Duration> = Duration::from_micros(500)..=Duration::from_secs(10);

/// Parses `4ms`, `500us`, `1s`.
///
/// # Errors
/// In words, where the text is no duration or lies outside 500us … 10s.
pub fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    validate_period(period)?;
    Ok(period)
}

const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Parses `500us`, `4ms`, `10s`, `2h`, `30d`.
///
/// # Errors
/// In words, where the text is no duration or longer than anything runs.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let none = || format!("`{text}` is no duration; write 500us, 4ms, 1s, 2h or 30d");
    let split = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(none()),
    };
    let number: f64 = number.trim().parse().map_err(|_| none())?;
    let duration = Duration::try_from_secs_f64(number * scale).map_err(|problem| format!("`{text}`: {problem}"))?;
    // Beyond that, clocks that it is added to overflow.
    if duration > LONGEST {
        Err(format!("`{text}` is longer than anything runs; at most 36500d"))
    } else {
        Ok(duration)
    }
}

/// # Errors
/// In words, where the period lies outside 500us … 10s.
pub fn validate_period(period: Duration) -> Result<(), String> {
    if PERIODS.contains(&period) {
        Ok(())
    } else {
        Err(format!("a period of {period:?} is not useful; choose between 500us and 10s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_with_their_unit() {
        assert_eq!(parse_period("4ms"), Ok(Duration::from_millis(4)));
        assert_eq!(parse_period("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_period("1.5s"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn days_and_hours_are_durations() {
        assert_eq!(parse_duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_duration("0.5h"), Ok(Duration::from_secs(1800)));
    }

    #[test]
    fn durations_and_counts_that_make_no_sense_are_refused_in_words() {
        for text in ["-1s", "1e18s", "36501d", "infs", "-0.1h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "99999999999999999999999", "many", ""] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert_eq!((parse_duration("0s"), parse_count("1")), (Ok(Duration::ZERO), Ok(1)));
    }

    #[test]
    fn a_period_without_unit_or_out_of_range_is_refused_in_words() {
        for text in ["4", "", "ms", "-4ms", "0ms", "1us", "1h", "1e300s", "NaNs"] {
            assert!(parse_period(text).is_err(), "{text}");
        }
    }
}
