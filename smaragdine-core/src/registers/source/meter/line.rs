//! Lines of a stream: CSV with a header that names units, or InfluxDB's line protocol.

use super::feed::Told;

/// One value with its stamp, in nanoseconds since 1970, where the line has one.
type Stamped = (Option<i64>, Told);

/// A column of a value: its name, whether it is an energy, and its unit in joules or watts.
const VALUES: [(&str, bool, f64); 8] = [
    ("energy_j", true, 1.0),
    ("joules", true, 1.0),
    ("energy_wh", true, 3_600.0),
    ("energy_kwh", true, 3_600_000.0),
    ("power_w", false, 1.0),
    ("watts", false, 1.0),
    ("power_mw", false, 1e-3),
    ("power_kw", false, 1e3),
];
/// A column of time, and its unit in nanoseconds.
const TIMES: [(&str, f64); 4] = [("time_s", 1e9), ("time_ms", 1e6), ("time_us", 1e3), ("time_ns", 1.0)];
/// 2262, where nanoseconds end.
const LAST_NS: f64 = 9.2e18;

/// Reads one stream's lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    header: Option<Header>,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    /// Which column, and its unit in nanoseconds.
    time: Option<(usize, f64)>,
    /// Which column, whether it is an energy, its unit.
    value: (usize, bool, f64),
}

impl Lines {
    /// What a line tells; `None`: nothing, as a header, a comment, an empty one.
    pub(super) fn read(&mut self, line: &str) -> Option<Result<Stamped, String>> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        if let Some(header) = Header::of(line) {
            self.header = Some(header);
            return None;
        }
        let told = match self.header {
            Some(header) => header.row(line),
            None => protocol(line),
        };
        Some(told.ok_or_else(|| {
            let start: String = line.chars().take(80).collect();
            format!("{start:?} is neither a row below a header such as time_s,power_w nor line protocol")
        }))
    }
}

impl Header {
    /// A line that names columns. Of several values the first of [`VALUES`] is taken: energy before power.
    fn of(line: &str) -> Option<Self> {
        let names: Vec<String> = line.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let value = VALUES.iter().find_map(|(name, is_energy, unit)| Some((place(name)?, *is_energy, *unit)))?;
        Some(Self { time: TIMES.iter().find_map(|(name, unit)| Some((place(name)?, *unit))), value })
    }

    fn row(self, line: &str) -> Option<Stamped> {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let (place, is_energy, unit) = self.value;
        let value = told(is_energy, number(cells.get(place)?)? * unit);
        match self.time {
            Some((place, unit)) => Some((Some(stamp_ns(cells.get(place)?, unit)?), value)),
            None => Some((None, value)),
        }
    }
}

/// `power,host=n1 power_w=212.5 1764374400000000000`
fn protocol(line: &str) -> Option<Stamped> {
    let mut words = line.split_ascii_whitespace();
    let (_, fields, stamp) = (words.next()?, words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let fields: Vec<(&str, &str)> = fields.split(',').filter_map(|field| field.split_once('=')).collect();
    let value = VALUES.iter().find_map(|(name, is_energy, unit)| {
        let (_, text) = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(told(*is_energy, number(text.trim_end_matches(['i', 'u']))? * unit))
    })?;
    let stamp = match stamp {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some((stamp, value))
}

fn told(is_energy: bool, value: f64) -> Told {
    if is_energy { Told::Energy(value) } else { Told::Power(value) }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Digits before the point are kept to the nanosecond, which no double holds.
fn stamp_ns(text: &str, unit_ns: f64) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok().filter(|whole| *whole >= 0)?;
    let rest = if rest.is_empty() { 0.0 } else { number(&format!("0.{rest}"))? };
    if whole as f64 * unit_ns > LAST_NS {
        return None;
    }
    whole.checked_mul(unit_ns as i64)?.checked_add((rest * unit_ns) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<Option<Stamped>> {
        let mut stream = Lines::default();
        lines.iter().filter_map(|line| stream.read(line)).map(Result::ok).collect()
    }

    #[test]
    fn a_header_names_columns_and_units_whatever_else_there_is() {
        let told = read(&["# a strip", "volts,Time_S,power_w", "", "230, 1764374400.25 ,212.5"]);
        assert_eq!(told, [Some((Some(1_764_374_400_250_000_000), Told::Power(212.5)))]);
        assert_eq!(read(&["power_w,energy_wh", "1,2"]), [Some((None, Told::Energy(7_200.0)))]);
        assert_eq!(
            read(&["time_ns,energy_j", "1764374400000000007,3"]),
            [Some((Some(1_764_374_400_000_000_007), Told::Energy(3.0)))]
        );
    }

    #[test]
    fn line_protocol_tells_its_own_units_and_nanoseconds() {
        let told = read(&["power,host=n1 volts=230,watts=212.5 1764374400000000000", "m energy_kwh=2i"]);
        let expected =
            [(Some(1_764_374_400_000_000_000), Told::Power(212.5)), (None, Told::Energy(7_200_000.0))].map(Some);
        assert_eq!(told, expected);
    }

    #[test]
    fn whatever_else_is_no_value() {
        for line in ["212.5", "m volts=3", "m watts=nan", "m watts=3 x", "a b c d", "\u{0}\u{fffd}", "m watts=1e999"] {
            assert_eq!(read(&[line]), [None], "{line:?}");
        }
        for row in ["", "1", "x,5", "-1,5", "99999999999999999999,5", "1e3,5"] {
            let told = read(&["time_s,power_w", row]);
            assert!(told.is_empty() || told == [None], "{row:?}");
        }
    }
}
