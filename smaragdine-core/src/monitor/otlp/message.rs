//! What is counted, as OpenTelemetry's semantic conventions for hardware name it, which are still in development:
//! `hw.energy` and `hw.power`. They demand that a whole host's meter is called `hw.host.…`, so that nobody adds it to its
//! parts.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::clock::realtime_ns;
use crate::monitor::PERIOD;
use crate::monitor::totals::{Count, Totals};
use crate::trace::{Domain, WHOLE_NODE};

/// Makes one message after the other.
#[derive(Debug)]
pub(super) struct Messages {
    resource: Resource,
    /// By number of the domain.
    streams: Vec<Stream>,
    began_ns: i64,
}

/// The points of one domain.
#[derive(Debug)]
struct Stream {
    of_host: bool,
    attributes: Vec<KeyValue>,
    /// What was counted when power was last told.
    told: Option<Count>,
}

impl Messages {
    pub(super) fn new(domains: &[Domain], resource: Vec<(String, String)>) -> Self {
        let attributes = resource.into_iter().map(|(key, value)| attribute(&key, value)).collect();
        let streams = domains.iter().map(|domain| Stream {
            of_host: kind(domain).is_none(),
            attributes: attributes_of(domain),
            told: None,
        });
        Self {
            resource: Resource { attributes, ..Resource::default() },
            streams: streams.collect(),
            began_ns: realtime_ns(),
        }
    }

    /// `None` where nothing is counted yet.
    pub(super) fn next(&mut self, totals: &Totals, dropped: u64) -> Option<ExportMetricsServiceRequest> {
        let (mut energy, mut power) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (stream, count) in self.streams.iter_mut().zip(totals.counts()) {
            let Some(count) = count else { continue };
            let place = usize::from(stream.of_host);
            let from = stream.told.get_or_insert(Count { energy_j: 0.0, gaps_s: 0.0, end_ns: count.start_ns, ..count });
            energy[place].push(point(
                &stream.attributes,
                count.start_ns,
                count.end_ns,
                Value::AsDouble(count.energy_j),
            ));
            let length_ns = count.end_ns - from.end_ns;
            if length_ns >= PERIOD.as_nanos() as i64 {
                // Where energy is missing the mean would be too low: there is none.
                if count.gaps_s == from.gaps_s {
                    let power_w = (count.energy_j - from.energy_j) / (length_ns as f64 * 1e-9);
                    power[place].push(point(&stream.attributes, from.end_ns, count.end_ns, Value::AsDouble(power_w)));
                }
                *from = count;
            }
        }
        let [energy, host_energy] = energy;
        let [power, host_power] = power;
        let dropped = Value::AsInt(i64::try_from(dropped).unwrap_or(i64::MAX));
        let lost = vec![point(&[], self.began_ns, realtime_ns().max(self.began_ns), dropped)];
        let metrics = [
            ("hw.energy", "J", "Energy consumed by the component", sum(energy)),
            ("hw.host.energy", "J", "Energy consumed by the whole host", sum(host_energy)),
            ("hw.power", "W", "Mean power of the component since it was last told", gauge(power)),
            ("hw.host.power", "W", "Mean power of the whole host since it was last told", gauge(host_power)),
        ];
        let mut metrics: Vec<Metric> = metrics.into_iter().filter_map(named).collect();
        if metrics.is_empty() {
            return None;
        }
        let lost = ("smaragdine.otlp.dropped", "{export}", "Exports that no receiver took", sum(lost));
        metrics.extend(named(lost));
        let scope = InstrumentationScope {
            name: "smaragdine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let resource_metrics = vec![ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }];
        Some(ExportMetricsServiceRequest { resource_metrics })
    }
}

/// `hw.type`; `None`: the domain meters the whole host.
fn kind(domain: &Domain) -> Option<&'static str> {
    let name = domain.name.as_str();
    match name.split('-').next().unwrap_or_default() {
        "psys" => None,
        _ if name == WHOLE_NODE => None,
        _ if domain.is_of_gpu() => Some("gpu"),
        "dram" | "memory" => Some("memory"),
        _ if domain.is_of_cpu() => Some("cpu"),
        // A CPU and a GPU together: the conventions have no word for it, and leave others to whoever needs them.
        _ => Some("module"),
    }
}

fn attributes_of(domain: &Domain) -> Vec<KeyValue> {
    let kind = kind(domain).map(|kind| attribute("hw.type", kind.to_owned()));
    let id = attribute("hw.id", domain.name.clone());
    let basis = attribute("smaragdine.basis", domain.basis.name().to_owned());
    let device = attribute("smaragdine.device", domain.device.clone());
    [id].into_iter().chain(kind).chain([basis, device]).collect()
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn point(attributes: &[KeyValue], start_ns: i64, end_ns: i64, value: Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes.to_vec(),
        start_time_unix_nano: start_ns.max(0) as u64,
        time_unix_nano: end_ns.max(0) as u64,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn sum(data_points: Vec<NumberDataPoint>) -> metric::Data {
    let aggregation_temporality = AggregationTemporality::Cumulative as i32;
    metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
}

fn gauge(data_points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Gauge(Gauge { data_points })
}

/// `None` where it has no points.
fn named((name, unit, description, data): (&str, &str, &str, metric::Data)) -> Option<Metric> {
    let is_empty = match &data {
        metric::Data::Sum(sum) => sum.data_points.is_empty(),
        metric::Data::Gauge(gauge) => gauge.data_points.is_empty(),
        _ => false,
    };
    (!is_empty).then(|| Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{registry, totals};
    use crate::trace::{Flag, Flags, Reading};

    const SECOND_NS: i64 = 1_000_000_000;

    fn reading(domain: u16, start_ns: i64, end_ns: i64, energy_j: f64, flags: Flags) -> Reading {
        Reading { start_ns, end_ns, ..totals::tests::reading(domain, energy_j, flags) }
    }

    /// By name and `hw.id`: from when, until when, in seconds, and how much.
    fn points(message: &ExportMetricsServiceRequest) -> Vec<(String, String, f64, f64, f64)> {
        let mut found = Vec::new();
        for metric in &message.resource_metrics[0].scope_metrics[0].metrics {
            let points = match metric.data.as_ref().unwrap() {
                metric::Data::Sum(sum) => {
                    assert!(sum.is_monotonic);
                    assert_eq!(sum.aggregation_temporality, AggregationTemporality::Cumulative as i32);
                    &sum.data_points
                }
                metric::Data::Gauge(gauge) => &gauge.data_points,
                other => panic!("{other:?}"),
            };
            for point in points.iter().filter(|_| metric.name.starts_with("hw.")) {
                let Some(Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
                let Some(any_value::Value::StringValue(id)) = point.attributes[0].value.clone().unwrap().value else {
                    panic!("{point:?}")
                };
                let seconds = |ns: u64| ns as f64 * 1e-9;
                let (start_s, end_s) = (seconds(point.start_time_unix_nano), seconds(point.time_unix_nano));
                found.push((metric.name.clone(), id, start_s, end_s, value));
            }
        }
        found
    }

    fn found(name: &str, id: &str, start_s: f64, end_s: f64, value: f64) -> (String, String, f64, f64, f64) {
        (name.to_owned(), id.to_owned(), start_s, end_s, value)
    }

    #[test]
    fn energy_is_a_sum_since_it_was_counted_and_power_its_mean_over_a_second_or_more() {
        let domains = [Domain::new("package-0", "CPU:0", "powercap", "socket:0")];
        let mut totals = Totals::new(&domains, &mut registry());
        let mut messages = Messages::new(&domains, Vec::new());
        assert_eq!(messages.next(&totals, 0), None);
        let half = SECOND_NS / 2;
        totals.add(&[reading(0, 10 * SECOND_NS, 10 * SECOND_NS + half, 5.0, Flags::NONE)]);
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), [found("hw.energy", "package-0", 10.0, 10.5, 5.0)]);
        totals.add(&[reading(0, 10 * SECOND_NS + half, 12 * SECOND_NS, 3.0, Flags::NONE)]);
        let told = [found("hw.energy", "package-0", 10.0, 12.0, 8.0), found("hw.power", "package-0", 10.0, 12.0, 4.0)];
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), told);
        // Nothing new: the same sum, and no power of no time.
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), [found("hw.energy", "package-0", 10.0, 12.0, 8.0)]);
    }

    #[test]
    fn there_is_no_power_where_energy_is_missing() {
        let domains = [Domain::new("package-0", "CPU:0", "powercap", "socket:0")];
        let mut totals = Totals::new(&domains, &mut registry());
        let mut messages = Messages::new(&domains, Vec::new());
        totals.add(&[reading(0, 0, 2 * SECOND_NS, 0.0, Flags::NONE.with(Flag::Lost))]);
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), [found("hw.energy", "package-0", 0.0, 2.0, 0.0)]);
        totals.add(&[reading(0, 2 * SECOND_NS, 4 * SECOND_NS, 8.0, Flags::NONE)]);
        let told = [found("hw.energy", "package-0", 0.0, 4.0, 8.0), found("hw.power", "package-0", 2.0, 4.0, 4.0)];
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), told);
    }

    #[test]
    fn only_what_is_counted_is_told_and_a_whole_host_by_its_own_name() {
        let part = Domain { counted: false, ..Domain::new("core-0", "CPU:0", "powercap", "socket:0") };
        let domains = [part, Domain::new("psys", "CPU:0", "powercap", "socket:0")];
        let mut totals = Totals::new(&domains, &mut registry());
        let mut messages = Messages::new(&domains, Vec::new());
        totals.add(&[reading(0, 0, SECOND_NS, 3.0, Flags::NONE), reading(1, 0, SECOND_NS, 9.0, Flags::NONE)]);
        let told = [found("hw.host.energy", "psys", 0.0, 1.0, 9.0), found("hw.host.power", "psys", 0.0, 1.0, 9.0)];
        assert_eq!(points(&messages.next(&totals, 0).unwrap()), told);
    }

    #[test]
    fn each_kind_of_domain_has_the_word_of_the_conventions() {
        let kind_of = |name: &str, device: &str| kind(&Domain::new(name, device, "any", "any"));
        let words = [("package-0", "CPU:0"), ("dram-1", "CPU:0"), ("gpu-0", "GPU:0"), ("module-0", "MODULE:0")];
        assert_eq!(words.map(|(name, device)| kind_of(name, device).unwrap()), ["cpu", "memory", "gpu", "module"]);
        assert_eq!((kind_of("psys", "CPU:0"), kind_of(WHOLE_NODE, "CPU:0")), (None, None));
    }
}
