//! The table of metrics that an AMD card's firmware fills (`gpu_metrics`), of which there are many forms.

use std::io;

/// What is read of a table; `None`: this card does not tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Table {
    /// In [`UNIT_UJ`], as documented.
    pub(super) energy: Option<u64>,
    /// Whole watts.
    pub(super) power_w: Option<f64>,
    /// When the driver took it, of `CLOCK_BOOTTIME`.
    pub(super) at_ns: Option<i64>,
}

/// 2⁻¹⁶ J.
pub(super) const UNIT_UJ: (u64, u64) = (15_625, 1_024);

/// No table is longer.
pub(super) const LONGEST: usize = 4_096;

/// Where a form keeps what is read of it.
struct Form {
    power: usize,
    energy: usize,
    energy_bytes: usize,
    clock: usize,
}

const fn form(power: usize, energy: usize, clock: usize) -> Form {
    Form { power, energy, energy_bytes: 8, clock }
}

impl Form {
    /// By its content revision: those of cards have format 1. From 1.9 on a table names its own fields.
    fn of(content: u8) -> Option<Self> {
        Some(match content {
            0 => Self { energy_bytes: 4, ..form(34, 36, 8) },
            1..=3 => form(22, 24, 32),
            4 => form(10, 24, 32),
            5 => form(10, 88, 96),
            6 => form(10, 16, 24),
            7 | 8 => form(10, 24, 32),
            _ => return None,
        })
    }
}

impl Table {
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let [low, high, format, content, ..] = *bytes else { return Err(invalid("the table is cut short".into())) };
        let form = (format == 1).then(|| Form::of(content)).flatten();
        let form = form.ok_or_else(|| invalid(format!("a table of the unknown form {format}.{content}")))?;
        let size = usize::from(u16::from_le_bytes([low, high])).min(bytes.len());
        let field = |at: usize, length: usize| {
            let mut number = [0; 8];
            number[..length].copy_from_slice(bytes[..size].get(at..at + length)?);
            let told = bytes[at..at + length].iter().any(|byte| *byte != u8::MAX);
            Some((u64::from_le_bytes(number), told))
        };
        let (Some(energy), Some(power), Some(clock)) =
            (field(form.energy, form.energy_bytes), field(form.power, 2), field(form.clock, 8))
        else {
            return Err(invalid("the table is cut short".into()));
        };
        // Drivers fill what a card does not tell with ones.
        let told = |(number, told): (u64, bool)| told.then_some(number);
        Ok(Self {
            energy: told(energy),
            power_w: told(power).map(|power_w| power_w as f64),
            at_ns: told(clock).and_then(|at_ns| i64::try_from(at_ns).ok()).filter(|at_ns| *at_ns > 0),
        })
    }

    /// Whether it is that of a processor with graphics.
    pub(super) fn is_of_processor(bytes: &[u8]) -> bool {
        matches!(bytes, [_, _, format, ..] if *format >= 2)
    }

    /// At which value an accumulator of this form starts again at 0, where that is known.
    pub(super) fn range_uj(bytes: &[u8]) -> Option<u64> {
        matches!(bytes, [_, _, 1, 0, ..]).then_some((1 << 32) * UNIT_UJ.0 / UNIT_UJ.1)
    }

    pub(super) fn energy_uj(&self) -> Option<u64> {
        let energy_uj = u128::from(self.energy?) * u128::from(UNIT_UJ.0) / u128::from(UNIT_UJ.1);
        u64::try_from(energy_uj).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of this form whose fields hold their numbers, and everything else ones.
    fn table(content: u8, size: u16, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xff; usize::from(size)];
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        (bytes[2], bytes[3]) = (1, content);
        for (at, value) in fields {
            bytes[*at..at + value.len()].copy_from_slice(value);
        }
        bytes
    }

    #[test]
    fn every_form_of_a_card_keeps_its_energy_where_the_kernel_s_header_has_it() {
        // By hand from kgd_pp_interface.h: power, energy, the driver's clock, size.
        for (content, power, energy, clock, size) in [
            (1, 22, 24, 32, 96),
            (2, 22, 24, 32, 104),
            (3, 22, 24, 32, 120),
            (4, 10, 24, 32, 296),
            (5, 10, 88, 96, 368),
            (6, 10, 16, 24, 400),
            (7, 10, 24, 32, 400),
            (8, 10, 24, 32, 400),
        ] {
            let (watts, units, ns) = (250_u16.to_le_bytes(), (1_u64 << 33).to_le_bytes(), 77_u64.to_le_bytes());
            let bytes = table(content, size, &[(power, &watts), (energy, &units), (clock, &ns)]);
            let told = Table { energy: Some(1 << 33), power_w: Some(250.0), at_ns: Some(77) };
            assert_eq!(Table::parse(&bytes).unwrap(), told, "1.{content}");
            // 2^33 units of 2^-16 J.
            assert_eq!(told.energy_uj(), Some(131_072_000_000));
            assert_eq!(Table::range_uj(&bytes), None);
        }
    }

    #[test]
    fn the_first_form_counts_to_32_bits() {
        let fields: [(usize, &[u8]); 3] =
            [(34, &9_u16.to_le_bytes()), (36, &65_536_u32.to_le_bytes()), (8, &5_u64.to_le_bytes())];
        let bytes = table(0, 80, &fields);
        let told = Table { energy: Some(65_536), power_w: Some(9.0), at_ns: Some(5) };
        assert_eq!((Table::parse(&bytes).unwrap(), told.energy_uj()), (told, Some(1_000_000)));
        assert_eq!(Table::range_uj(&bytes), Some(65_536_000_000));
    }

    #[test]
    fn what_a_card_does_not_tell_is_nothing_and_what_is_no_table_is_an_error() {
        let silent = Table { energy: None, power_w: None, at_ns: None };
        assert_eq!(Table::parse(&table(3, 120, &[])).unwrap(), silent);
        let short = table(4, 30, &[]);
        // It says to be longer than it is, shorter than it is, or is of a form that nobody knows.
        let mut long = table(3, 120, &[]);
        long.truncate(20);
        for bytes in [&short, &long, &table(9, 400, &[]), &Vec::new(), &vec![1, 2, 3]] {
            assert!(Table::parse(bytes).is_err(), "{bytes:?}");
        }
        assert!(Table::is_of_processor(&[0, 0, 2, 4]) && !Table::is_of_processor(&[0, 0, 1, 3]));
    }
}
