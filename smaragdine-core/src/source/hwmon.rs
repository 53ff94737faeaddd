//! Meters that Linux shows as hardware monitors: `energyN_input` in microjoules, `powerN_average` and `powerN_input`
//! in microwatts.
//!
//! What such a meter measures is written nowhere in the machine: a rail, a socket, a whole board. Only chips that are
//! known to meter whole sockets or modules are counted; all others keep their readings, visible. Beside powercap or NVML
//! the same energy would be counted again: see [`Hwmon::beside`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::power::Integral;
use super::{Observation, Source, Unavailable, Value};
use crate::clock::monotonic_ns;
use crate::trace::{Domain, Flags};

/// Reads the energy and power meters below a hwmon root.
#[derive(Debug)]
pub struct Hwmon {
    domains: Vec<Domain>,
    meters: Vec<Meter>,
}

#[derive(Debug)]
struct Meter {
    file: File,
    path: PathBuf,
    is_power: bool,
    power: Integral,
}

impl Hwmon {
    /// Opens every readable meter below `root`, mostly `/sys/class/hwmon`.
    ///
    /// # Errors
    /// Where there is no meter of energy or power, or none may be read.
    pub fn open(root: &Path) -> Result<Self, Unavailable> {
        let mut chips: Vec<PathBuf> = std::fs::read_dir(root)
            .map_err(|error| none(&format!("cannot list {}: {error}", root.display())))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        chips.sort();
        let mut hwmon = Self { domains: Vec::new(), meters: Vec::new() };
        let mut refused = None;
        for chip in chips {
            let Some(name) = line(&chip.join("name")) else { continue };
            for channel in channels(&chip) {
                let label = line(&chip.join(format!("{}_label", channel.key))).unwrap_or_else(|| channel.key.clone());
                let domain = domain(&name, &label);
                match File::open(&channel.path).and_then(|file| {
                    let (path, is_power) = (channel.path.clone(), channel.is_power);
                    let meter = Meter { file, path, is_power, power: Integral::within(domain.limit()) };
                    meter.shows::<f64>().map(|_| meter)
                }) {
                    Ok(meter) => hwmon.add(domain, meter),
                    Err(error) => refused = Some((channel.path, error)),
                }
            }
        }
        // Where the Grace is metered apart, so is its GPU, by NVML; the module is both once more.
        if hwmon.domains.iter().any(|domain| domain.counted && domain.name.contains("-grace-")) {
            hwmon = hwmon.without_modules("the Grace and its GPU are metered apart");
        }
        match refused {
            _ if !hwmon.meters.is_empty() => Ok(hwmon),
            Some((path, error)) => Err(Unavailable {
                problem: format!("cannot read {}: {error}", path.display()),
                hint: format!("ask the administrator for read access to {}", path.display()),
            }),
            None => Err(none(&format!("no chip below {} meters energy or power", root.display()))),
        }
    }

    fn without_modules(mut self, because: &str) -> Self {
        for domain in self.domains.iter_mut().filter(|domain| domain.device.starts_with("MODULE")) {
            domain.counted = false;
            domain.not_counted_because = Some(because.to_owned());
        }
        self
    }

    /// Stops counting what other sources hold, too: sockets beside powercap's packages, modules beside either.
    #[must_use]
    pub fn beside(mut self, powercap: bool, nvml: bool) -> Self {
        for domain in self.domains.iter_mut().filter(|domain| powercap && domain.counted) {
            domain.counted = false;
            domain.not_counted_because = Some("powercap meters what it holds".to_owned());
        }
        if nvml && !powercap { self.without_modules("NVML meters its GPU") } else { self }
    }

    /// Two chips of one kind may repeat their labels; the second and later ones are told apart by a number.
    fn add(&mut self, mut domain: Domain, meter: Meter) {
        let plain = domain.name.clone();
        let mut count = 1;
        while self.domains.iter().any(|other| other.name == domain.name) {
            count += 1;
            domain.name = format!("{plain}-{count}");
        }
        self.domains.push(domain);
        self.meters.push(meter);
    }
}

impl Source for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        for (domain, meter) in (0..).zip(&mut self.meters) {
            out.extend(meter.read().map(|observation| Observation { domain, ..observation }));
        }
    }
}

impl Meter {
    /// Reads once. The first read of a power has no interval yet, so there is nothing to observe.
    fn read(&mut self) -> Option<Observation> {
        let read_start_ns = monotonic_ns();
        // Power may be below 0, which is a value, if none that can be.
        let shown = if self.is_power { self.shows().map(Shown::Power) } else { self.shows().map(Shown::Energy) };
        let read_end_ns = monotonic_ns();
        let (value, flags) = match shown {
            Ok(Shown::Energy(energy_uj)) => (Value::Counter { energy_uj }, Flags::NONE),
            Ok(Shown::Power(power_uw)) => {
                self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_uw / 1e6)?
            }
            Err(error) => {
                self.power.fail(read_end_ns);
                (Value::Failed { problem: format!("cannot read {}: {error}", self.path.display()) }, Flags::NONE)
            }
        };
        Some(Observation { domain: 0, read_start_ns, read_end_ns, value, flags })
    }

    fn shows<N: FromStr>(&self) -> io::Result<N> {
        let mut text = [0; 32];
        let length = self.file.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..length]);
        text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no number")))
    }
}

/// What a meter shows.
enum Shown {
    /// Microjoules.
    Energy(u64),
    /// Microwatts.
    Power(f64),
}

struct Channel {
    /// `energy1`, `power2`
    key: String,
    path: PathBuf,
    is_power: bool,
}

/// The chip's meters in order; of a power channel with both files, the average that the chip itself takes.
fn channels(chip: &Path) -> Vec<Channel> {
    let files = std::fs::read_dir(chip).into_iter().flatten().flatten();
    let mut channels: Vec<(u32, bool, Channel)> = files
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let (key, kind) = file.split_once('_')?;
            let (is_power, number) = match (key.strip_prefix("energy"), key.strip_prefix("power")) {
                (Some(number), _) if kind == "input" => (false, number),
                (_, Some(number)) if kind == "average" || kind == "input" => (true, number),
                _ => return None,
            };
            let channel = Channel { key: key.to_owned(), path: entry.path(), is_power };
            Some((number.parse().ok()?, kind == "input", channel))
        })
        .collect();
    channels.sort_by_key(|(number, is_input, channel)| (channel.is_power, *number, *is_input));
    channels.dedup_by_key(|(number, _, channel)| (channel.is_power, *number));
    channels.into_iter().map(|(_, _, channel)| channel).collect()
}

/// What a meter measures, as far as its chip's kind and label tell.
fn domain(chip: &str, label: &str) -> Domain {
    let socket = (chip == "amd_energy").then(|| label.strip_prefix("Esocket")?.parse::<u32>().ok()).flatten();
    // Grace superchips: a module is a Grace and its GPU together; "CPU" and "SysIO" are parts of the Grace.
    let numbered = |kind: &str| label.strip_prefix(kind)?.strip_prefix(" Power Socket ")?.parse::<u32>().ok();
    let (module, grace) = (numbered("Module"), numbered("Grace"));
    let because = match (socket.or(module).or(grace), chip) {
        (Some(_), _) => None,
        _ if numbered("CPU").or(numbered("SysIO")).is_some() => Some("the Grace's meter holds its energy"),
        (None, "amd_energy") => Some("the socket's meter holds its energy"),
        _ => Some("what this meter measures, and whether another holds it, is not known"),
    };
    let slug: String = label
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' })
        .collect();
    let device = module.map_or("CPU:0".to_owned(), |number| format!("MODULE:{number}"));
    let scope = format!("socket:{}", socket.or(module).or(grace).unwrap_or(0));
    let domain = Domain::new(&format!("hwmon-{chip}-{slug}"), &device, "hwmon", &scope);
    Domain { counted: because.is_none(), not_counted_because: because.map(str::to_owned), ..domain }
}

/// The first line of a file, trimmed, unless it is empty.
fn line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn none(problem: &str) -> Unavailable {
    Unavailable {
        problem: problem.to_owned(),
        hint: "few machines show energy here; powercap is the usual source of CPUs".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::trace::Flag;

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        root
    }

    fn read(hwmon: &mut Hwmon) -> Vec<Observation> {
        let mut out = Vec::new();
        hwmon.read(&mut out);
        out
    }

    #[test]
    fn sockets_of_amd_energy_are_counted_and_their_cores_are_not_added_again() {
        let root = tree(&[
            ("hwmon0/name", "amd_energy"),
            ("hwmon0/energy1_label", "Ecore000"),
            ("hwmon0/energy1_input", "100"),
            ("hwmon0/energy10_label", "Esocket1"),
            ("hwmon0/energy10_input", "987654321012"),
            ("hwmon1/name", "nvme"),
            ("hwmon1/temp1_input", "40000"),
        ]);
        let mut hwmon = Hwmon::open(root.path()).unwrap();
        let names: Vec<_> =
            hwmon.domains().iter().map(|domain| (&*domain.name, &*domain.scope, domain.counted)).collect();
        let expected =
            [("hwmon-amd_energy-ecore000", "socket:0", false), ("hwmon-amd_energy-esocket1", "socket:1", true)];
        assert_eq!(names, expected);
        assert_eq!(read(&mut hwmon)[1].value, Value::Counter { energy_uj: 987_654_321_012 });
    }

    #[test]
    fn power_is_integrated_flagged_and_taken_from_the_average_where_there_is_one() {
        let root = tree(&[
            ("hwmon0/name", "power_meter"),
            ("hwmon0/power1_label", "Module Power Socket 0"),
            ("hwmon0/power1_average", "250000000"),
            ("hwmon0/power1_input", "1"),
            ("hwmon0/power1_average_interval", "50"),
            ("hwmon0/power2_input", "7000000"),
        ]);
        let mut hwmon = Hwmon::open(root.path()).unwrap();
        let devices: Vec<_> =
            hwmon.domains().iter().map(|domain| (&*domain.name, &*domain.device, domain.counted)).collect();
        let expected = [
            ("hwmon-power_meter-module-power-socket-0", "MODULE:0", true),
            ("hwmon-power_meter-power2", "CPU:0", false),
        ];
        assert_eq!(devices, expected);
        assert!(read(&mut hwmon).is_empty());
        let observations = read(&mut hwmon);
        let Value::Interval { start_ns, end_ns, energy_j } = observations[0].value else { panic!("an interval") };
        assert!((energy_j - 250.0 * (end_ns - start_ns) as f64 / 1e9).abs() < 1e-9);
        assert!(observations[0].flags.has(Flag::Integrated));
    }

    #[test]
    fn power_that_a_socket_cannot_draw_is_a_failed_read_and_a_rail_may_draw_nothing() {
        let root = tree(&[
            ("hwmon0/name", "power_meter"),
            ("hwmon0/power1_label", "Grace Power Socket 0"),
            ("hwmon0/power1_average", "90000000"),
            ("hwmon1/name", "ina226"),
            ("hwmon1/power1_input", "0"),
        ]);
        let mut hwmon = Hwmon::open(root.path()).unwrap();
        assert!(read(&mut hwmon).is_empty());
        let kinds = |hwmon: &mut Hwmon| read(hwmon).into_iter().map(|one| (one.domain, one.value, one.flags));
        for impossible in ["4294967295000", "4900000000", "0", "-90000000"] {
            fs::write(root.path().join("hwmon0/power1_average"), impossible).unwrap();
            let [(0, Value::Failed { problem }, flags), (1, Value::Interval { energy_j: 0.0, .. }, _)] =
                &kinds(&mut hwmon).collect::<Vec<_>>()[..]
            else {
                panic!("{impossible} is no power of a socket")
            };
            assert!(flags.has(Flag::Impossible) && problem.contains(" W are not"), "{problem}");
            fs::write(root.path().join("hwmon0/power1_average"), "90000000").unwrap();
            let [(0, Value::Interval { energy_j: 0.0, .. }, flags), _] = &kinds(&mut hwmon).collect::<Vec<_>>()[..]
            else {
                panic!("no gap after {impossible}")
            };
            assert!(flags.has(Flag::Lost));
        }
    }

    #[test]
    fn a_superchip_is_counted_once() {
        let labels = ["Module Power Socket 0", "Grace Power Socket 0", "CPU Power Socket 0", "SysIO Power Socket 0"];
        let files: Vec<(String, &str)> = (1..)
            .zip(labels)
            .flat_map(|(n, label)| {
                [(format!("hwmon{n}/name"), "power_meter"), (format!("hwmon{n}/power1_label"), label)]
                    .into_iter()
                    .chain([(format!("hwmon{n}/power1_average"), "90000000")])
            })
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
        let counted =
            |hwmon: Hwmon| hwmon.domains.into_iter().filter(|domain| domain.counted).map(|domain| domain.name);
        let open = |files| Hwmon::open(tree(files).path()).unwrap();
        assert_eq!(counted(open(&files)).collect::<Vec<_>>(), ["hwmon-power_meter-grace-power-socket-0"]);
        assert_eq!(counted(open(&files[..3])).collect::<Vec<_>>(), ["hwmon-power_meter-module-power-socket-0"]);
        assert_eq!(counted(open(&files[..3]).beside(false, true)).count(), 0);
        assert_eq!(counted(open(&files).beside(true, false)).count(), 0);
    }

    #[test]
    fn chips_that_repeat_their_labels_are_told_apart() {
        let root = tree(&[
            ("hwmon0/name", "ina226"),
            ("hwmon0/power1_input", "1"),
            ("hwmon1/name", "ina226"),
            ("hwmon1/power1_input", "1"),
        ]);
        let hwmon = Hwmon::open(root.path()).unwrap();
        let names: Vec<_> = hwmon.domains().iter().map(|domain| &*domain.name).collect();
        assert_eq!(names, ["hwmon-ina226-power1", "hwmon-ina226-power1-2"]);
        assert!(hwmon.domains().iter().all(|domain| !domain.counted && domain.not_counted_because.is_some()));
    }

    #[test]
    fn a_meter_that_stops_answering_fails_and_keeps_its_reason() {
        let root = tree(&[("hwmon0/name", "amd_energy"), ("hwmon0/energy1_input", "5")]);
        let mut hwmon = Hwmon::open(root.path()).unwrap();
        fs::write(root.path().join("hwmon0/energy1_input"), "").unwrap();
        let Value::Failed { problem } = &read(&mut hwmon)[0].value else { panic!("a failure") };
        assert!(problem.contains("energy1_input"), "{problem}");
    }

    #[test]
    fn without_a_meter_it_is_unavailable_with_a_hint() {
        let root = tree(&[("hwmon0/name", "coretemp"), ("hwmon0/temp1_input", "40000")]);
        let unavailable = Hwmon::open(root.path()).unwrap_err();
        assert!(unavailable.problem.contains("meters energy or power") && !unavailable.hint.is_empty());
        let missing = Hwmon::open(&root.path().join("nowhere")).unwrap_err();
        assert!(missing.problem.contains("nowhere"));
    }
}
