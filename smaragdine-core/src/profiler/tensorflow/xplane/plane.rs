//! One plane of an XSpace: a device's lines, and what the numbers in them mean.

use prost::Message as _;
use rustc_hash::FxHashMap;

use super::fields::{Fields, Malformed};
use super::hlo::Programs;
use crate::wire::tensorflow::profiler::{XEventMetadata, XStat, XStatMetadata, x_stat};

/// A plane with its lines still serialised: their events name metadata that comes after them.
pub(super) struct Plane<'a> {
    pub(super) name: &'a str,
    pub(super) lines: Vec<&'a [u8]>,
    pub(super) events: FxHashMap<i64, XEventMetadata>,
    pub(super) stats: FxHashMap<i64, String>,
    facts: Vec<XStat>,
}

impl<'a> Plane<'a> {
    pub(super) fn scan(plane: &'a [u8]) -> Result<Self, Malformed> {
        let mut scanned = Self {
            name: "",
            lines: Vec::new(),
            events: FxHashMap::default(),
            stats: FxHashMap::default(),
            facts: Vec::new(),
        };
        let mut fields = Fields::of(plane);
        while let Some((number, value)) = fields.next_field()? {
            let Some(bytes) = value.bytes() else { continue };
            match number {
                2 => scanned.name = value.text().unwrap_or(""),
                3 => scanned.lines.push(bytes),
                4 => {
                    if let Some((id, metadata)) = entry::<XEventMetadata>(bytes)? {
                        scanned.events.insert(id, metadata);
                    }
                }
                5 => {
                    if let Some((id, metadata)) = entry::<XStatMetadata>(bytes)? {
                        scanned.stats.insert(id, metadata.name);
                    }
                }
                6 => scanned.facts.push(XStat::decode(bytes).map_err(|_| Malformed)?),
                _ => {}
            }
        }
        Ok(scanned)
    }

    pub(super) fn session_start_ns(&self) -> Option<i64> {
        let fact = |stat: &XStat| self.stats.get(&stat.metadata_id).is_some_and(|name| name == "profile_start_time");
        match self.facts.iter().find(|stat| fact(stat))?.value {
            Some(x_stat::Value::Uint64Value(start)) => i64::try_from(start).ok(),
            Some(x_stat::Value::Int64Value(start)) => Some(start),
            _ => None,
        }
    }

    /// It holds the threads of the host.
    pub(super) fn is_host(&self) -> bool {
        self.name == "/host:CPU"
    }

    /// The device whose work this plane holds. Every CPU of TensorFlow's is `CPU:0`.
    pub(super) fn device(&self) -> Option<String> {
        if self.is_host() {
            return Some("CPU:0".into());
        }
        let (kind, number) = self.name.strip_prefix("/device:")?.split_once(':')?;
        let number: u16 = number.split(' ').next()?.parse().ok()?;
        (matches!(kind, "GPU" | "TPU") && number < 999).then(|| format!("{kind}:{number}"))
    }

    /// It holds the cores of a TPU.
    pub(super) fn is_tpu(&self) -> bool {
        self.name.starts_with("/device:TPU:")
    }

    pub(super) fn programs(&self, programs: &mut Programs) {
        for (&id, metadata) in &self.events {
            for stat in &metadata.stats {
                if let Some(x_stat::Value::BytesValue(program)) = &stat.value {
                    let id = program_id(&metadata.name).unwrap_or(id.cast_unsigned());
                    programs.add(id, &metadata.name, program);
                }
            }
        }
    }

    pub(super) fn stat_named(&self, name: &str) -> Option<i64> {
        self.stats.iter().find(|(_, known)| *known == name).map(|(&id, _)| id)
    }
}

/// `a_step(12)` → 12: newer profilers number the metadata of programs on their own.
fn program_id(name: &str) -> Option<u64> {
    name.strip_suffix(')')?.rsplit_once('(')?.1.parse().ok()
}

/// An entry of a map from int64 to a message.
fn entry<M: prost::Message + Default>(bytes: &[u8]) -> Result<Option<(i64, M)>, Malformed> {
    let (mut key, mut message) = (0, None);
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => key = value.int().ok_or(Malformed)?,
            2 => message = Some(M::decode(value.bytes().ok_or(Malformed)?).map_err(|_| Malformed)?),
            _ => {}
        }
    }
    Ok(message.map(|message| (key, message)))
}
