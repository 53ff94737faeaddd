//! Chips below a hwmon root, and the channels of energy and power that they show.
//!
//! A driver keeps its files in `hwmonN` or, where it is older, one level deeper in `hwmonN/device`; the name, the value
//! and its label may each be in either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One `hwmonN`.
#[derive(Debug)]
pub(super) struct Chip {
    /// What the driver calls itself: `power_meter`
    pub(super) driver: String,
    pub(super) channels: Vec<Channel>,
}

/// One meter of a chip.
#[derive(Debug)]
pub(super) struct Channel {
    /// What is written on it, else `energy1`, `power2`.
    pub(super) label: String,
    pub(super) is_power: bool,
    /// Where its value is, the better first: of a power the average that the chip itself takes.
    pub(super) files: Vec<PathBuf>,
    /// Of a chip that shows no power: where its amperes are; its value then is volts.
    pub(super) amperes: Option<PathBuf>,
}

/// Shows the volts and amperes of three rails, and no power. What is behind them, `in4_input` and `curr4_input`, is the
/// voltage over a shunt and the sum of all rails.
const OF_RAILS: &str = "ina3221";
const RAILS: std::ops::RangeInclusive<u32> = 1..=3;
/// How device trees call a rail that is not connected.
const UNCONNECTED: &str = "NC";

/// Every chip that has a name, in order of their numbers.
pub(super) fn chips(root: &Path) -> io::Result<Vec<Chip>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(root)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort_by_key(|folder| (number(folder), folder.clone()));
    Ok(folders.iter().filter_map(|folder| Chip::at(folder)).collect())
}

/// `hwmon10` comes after `hwmon9`.
fn number(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.strip_prefix("hwmon")?.parse().ok()
}

impl Chip {
    fn at(folder: &Path) -> Option<Self> {
        let places = [folder.to_owned(), folder.join("device")];
        let first = |name: &str| places.iter().find_map(|place| line(&place.join(name)));
        let driver = first("name")?;
        let mut found: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
        for (place, directory) in places.iter().enumerate() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Some((key, is_input)) = entry.file_name().to_str().and_then(parse) else { continue };
                found.entry(key).or_default().push(Value { is_input, place, path: entry.path() });
            }
        }
        let channel = |(Key { is_power, number }, mut values): (Key, Vec<Value>)| {
            values.sort_unstable();
            let key = format!("{}{number}", if is_power { "power" } else { "energy" });
            let written = ["label", "oem_info"].iter().find_map(|name| first(&format!("{key}_{name}")));
            let files = values.into_iter().map(|value| value.path).collect();
            Channel { label: written.unwrap_or(key), is_power, files, amperes: None }
        };
        let mut channels: Vec<Channel> = found.into_iter().map(channel).collect();
        if driver == OF_RAILS {
            channels.extend(RAILS.filter_map(|number| rail(&places, number)));
        }
        Some(Self { driver, channels })
    }
}

/// A rail of these volts and amperes.
fn rail(places: &[PathBuf], number: u32) -> Option<Channel> {
    let first = |name: &str| places.iter().map(|place| place.join(name)).find(|path| path.exists());
    let label = places.iter().find_map(|place| line(&place.join(format!("in{number}_label"))));
    let volts = first(&format!("in{number}_input"))?;
    let amperes = first(&format!("curr{number}_input"))?;
    let label = label.unwrap_or(format!("in{number}"));
    let is_connected = !label.eq_ignore_ascii_case(UNCONNECTED);
    is_connected.then(|| Channel { label, is_power: true, files: vec![volts], amperes: Some(amperes) })
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    is_power: bool,
    number: u32,
}

/// A file with a channel's value, in the order of their preference.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    is_input: bool,
    place: usize,
    path: PathBuf,
}

/// Of `power2_average`: power 2, no input.
fn parse(file: &str) -> Option<(Key, bool)> {
    let (key, kind) = file.split_once('_')?;
    let (is_power, number) = match (key.strip_prefix("energy"), key.strip_prefix("power")) {
        (Some(number), _) if kind == "input" => (false, number),
        (_, Some(number)) if kind == "average" || kind == "input" => (true, number),
        _ => return None,
    };
    Some((Key { is_power, number: number.parse().ok()? }, kind == "input"))
}

/// The first line of a file, trimmed, unless it is empty.
fn line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    fn channels(files: &[(&str, &str)]) -> Vec<(String, bool, Vec<String>)> {
        let root = tree(files);
        let [chip] = &chips(root.path()).unwrap()[..] else { panic!("one chip") };
        let relative = |path: &PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
        let told =
            |channel: &Channel| (channel.label.clone(), channel.is_power, channel.files.iter().map(relative).collect());
        chip.channels.iter().map(told).collect()
    }

    #[test]
    fn name_value_and_label_may_each_be_one_level_deeper() {
        let expected = [("Grace Power Socket 0".to_owned(), true, vec!["hwmon3/device/power1_average".to_owned()])];
        let value = ("hwmon3/device/power1_average", "1");
        for (name, label) in [
            ("hwmon3/name", "hwmon3/device/power1_oem_info"),
            ("hwmon3/device/name", "hwmon3/power1_label"),
            ("hwmon3/device/name", "hwmon3/device/power1_label"),
        ] {
            assert_eq!(channels(&[(name, "power_meter"), (label, "Grace Power Socket 0 \n"), value]), expected);
        }
    }

    #[test]
    fn of_a_power_the_chip_s_own_average_comes_first_and_the_chip_s_own_folder_before_its_device() {
        let files = [
            ("hwmon0/name", "x"),
            ("hwmon0/power12_input", "1"),
            ("hwmon0/device/power12_average", "1"),
            ("hwmon0/device/power12_input", "1"),
            ("hwmon0/power12_cap", "1"),
            ("hwmon0/energy12_input", "1"),
            ("hwmon0/energy12_average", "1"),
        ];
        let powers = ["hwmon0/device/power12_average", "hwmon0/power12_input", "hwmon0/device/power12_input"];
        let expected = [
            ("energy12".to_owned(), false, vec!["hwmon0/energy12_input".to_owned()]),
            ("power12".to_owned(), true, powers.map(str::to_owned).to_vec()),
        ];
        assert_eq!(channels(&files), expected);
    }

    #[test]
    fn a_rail_is_its_volts_with_its_amperes_and_sums_and_shunts_and_what_is_not_connected_are_none() {
        let rail = |number: u32| (format!("hwmon0/in{number}_input"), format!("hwmon0/curr{number}_input"));
        let all: Vec<_> = (1..=4).map(rail).collect();
        let mut files = vec![("hwmon0/name", OF_RAILS), ("hwmon0/in1_label", "VDD_IN"), ("hwmon0/in3_label", "NC")];
        files.extend(all.iter().flat_map(|(volts, amperes)| [(&**volts, "5000"), (&**amperes, "1000")]));
        files.extend([("hwmon0/in7_input", "3"), ("hwmon0/in7_label", "sum of shunt voltages")]);
        let expected: Vec<(String, bool, Vec<String>)> =
            [("VDD_IN", 1), ("in2", 2)].map(|(label, number)| (label.to_owned(), true, vec![rail(number).0])).to_vec();
        assert_eq!(channels(&files), expected);
    }

    #[test]
    fn chips_come_in_order_of_their_numbers_and_one_without_a_name_is_left_out() {
        let root =
            tree(&[("hwmon10/name", "c"), ("hwmon9/name", "b"), ("hwmon2/name", "a"), ("hwmon3/temp1_input", "1")]);
        let names: Vec<_> = chips(root.path()).unwrap().into_iter().map(|chip| chip.driver).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
