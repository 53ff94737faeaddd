//! What management controllers answer: Redfish's JSON, and what the programs of IPMI print.

use serde::Deserialize;

use super::feed::Told;

/// The resources of Redfish that tell power or energy: `Power`, `EnvironmentMetrics`, and a sensor's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    power_control: Option<Vec<PowerControl>>,
    energy_joules: Option<Excerpt>,
    power_watts: Option<Excerpt>,
    #[serde(rename = "EnergykWh")]
    energy_kwh: Option<Excerpt>,
    reading: Option<f64>,
    reading_units: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PowerControl {
    power_consumed_watts: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Excerpt {
    reading: Option<f64>,
}

/// The value of a resource. Of several power controls the first is the chassis; kilowatt-hours, of which a step is
/// minutes long, come last.
pub(super) fn redfish(body: &[u8]) -> Result<Told, String> {
    let resource: Resource =
        serde_json::from_slice(body).map_err(|error| format!("its answer is no resource: {error}"))?;
    let reading = |excerpt: &Option<Excerpt>| excerpt.as_ref().and_then(|excerpt| excerpt.reading);
    let control = resource.power_control.as_ref().and_then(|controls| controls.first()?.power_consumed_watts);
    let sensor = resource.reading.zip(resource.reading_units.as_deref()).and_then(|(reading, units)| match units {
        "W" => Some(Told::Power(reading)),
        "J" => Some(Told::Energy(reading)),
        "kW.h" | "kWh" => Some(Told::Energy(reading * 3_600_000.0)),
        _ => None,
    });
    reading(&resource.energy_joules)
        .map(Told::Energy)
        .or(reading(&resource.power_watts).map(Told::Power))
        .or(control.map(Told::Power))
        .or(sensor)
        .or(reading(&resource.energy_kwh).map(|kwh| Told::Energy(kwh * 3_600_000.0)))
        .ok_or_else(|| {
            "its answer tells neither PowerConsumedWatts nor PowerWatts, EnergyJoules, EnergykWh or a Reading"
                .to_owned()
        })
}

/// `Instantaneous power reading: 220 Watts` of ipmitool, `Current Power : 220 Watts` of FreeIPMI.
pub(super) fn dcmi(printed: &str) -> Result<Told, String> {
    let value = |name: &str| {
        let line = printed.lines().map(str::trim).find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let state = value("Power reading state is").or(value("Power Measurement"));
    if let Some(state) = state.filter(|state| !["activated", "active"].contains(&&*state.to_ascii_lowercase())) {
        return Err(format!("power reading is {state}"));
    }
    let shown = value("Instantaneous power reading").or(value("Current Power"));
    let watts = shown.as_deref().and_then(|text| text.strip_suffix("Watts")?.trim().parse().ok());
    watts.map(Told::Power).ok_or_else(|| "it printed no power reading".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_of_redfish_tells_its_value_in_its_unit() {
        for (body, told) in [
            (r#"{"PowerControl": [{"PowerConsumedWatts": 212}, {"PowerConsumedWatts": 9}]}"#, Told::Power(212.0)),
            (r#"{"PowerWatts": {"Reading": 374}, "EnergykWh": {"Reading": 2}}"#, Told::Power(374.0)),
            (r#"{"EnergyJoules": {"Reading": 5}, "PowerWatts": {"Reading": 374}}"#, Told::Energy(5.0)),
            (r#"{"EnergykWh": {"Reading": 2}, "PowerWatts": {"Reading": null}}"#, Told::Energy(7_200_000.0)),
            (r#"{"Reading": 94.1, "ReadingUnits": "W"}"#, Told::Power(94.1)),
            (r#"{"Reading": 1.5, "ReadingUnits": "kW.h"}"#, Told::Energy(5_400_000.0)),
        ] {
            assert_eq!(redfish(body.as_bytes()), Ok(told), "{body}");
        }
    }

    #[test]
    fn what_tells_no_power_is_a_problem_in_words() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"PowerControl": []}"#,
            r#"{"Reading": 3, "ReadingUnits": "Cel"}"#,
            r#"{"PowerWatts": 3}"#,
        ] {
            assert!(redfish(body.as_bytes()).is_err(), "{body}");
        }
        for printed in ["", "Instantaneous power reading: many Watts", "Current Power : 220 BTU/hr"] {
            assert!(dcmi(printed).is_err(), "{printed}");
        }
    }

    #[test]
    fn both_programs_of_ipmi_are_read_and_a_reading_that_is_off_is_none() {
        let ipmitool = |state: &str| {
            format!(
                "\n    Instantaneous power reading:                   220 Watts\n    Minimum during sampling period:                  8 \
                 Watts\n    Power reading state is:                   {state}\n\n"
            )
        };
        assert_eq!(dcmi(&ipmitool("activated")), Ok(Told::Power(220.0)));
        assert_eq!(dcmi(&ipmitool("deactivated")), Err("power reading is deactivated".to_owned()));
        let freeipmi =
            "Current Power                        : 164 Watts\nPower Measurement                    : Active\n";
        assert_eq!(dcmi(freeipmi), Ok(Told::Power(164.0)));
    }
}
