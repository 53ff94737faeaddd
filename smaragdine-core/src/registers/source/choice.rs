//! Which sources a recording reads.

use super::nvml::CudaEnvironment;
use super::{Roots, Source, discover};
use crate::error::{Error, Result};
use crate::trace::{Basis, Domain, uncounted};

/// Every readable sensor, and the model beside them where none of them counts. What is not counted keeps its readings.
///
/// # Errors
/// Where nothing can be read, or a measurement is required and nothing that is measured counts.
pub fn choose(roots: &Roots, cuda: &CudaEnvironment, require_measured: bool) -> Result<Vec<Box<dyn Source>>> {
    let (modelled, mut sources): (Vec<_>, Vec<_>) = discover(roots, cuda)
        .into_iter()
        .filter_map(|discovered| discovered.source.ok())
        .filter(|source| !source.domains().is_empty())
        .partition(|source| source.domains().iter().all(|domain| domain.basis == Basis::Modelled));
    let domains: Vec<Domain> = sources.iter().flat_map(|source| source.domains().to_vec()).collect();
    if !domains.iter().any(|domain| domain.counted) {
        if require_measured {
            return Err(uncounted(&domains).map_or(Error::NoSensor, Error::NothingCounted));
        }
        sources.extend(modelled);
    }
    if sources.is_empty() { Err(Error::NoSensor) } else { Ok(sources) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A machine with these files below its hwmon root and no other sensor.
    fn roots(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for (file, text) in files {
            fs::create_dir_all(path(file).parent().unwrap()).unwrap();
            fs::write(path(file), text).unwrap();
        }
        let nowhere = path("nowhere");
        let roots = Roots {
            powercap: nowhere.clone(),
            hwmon: path("hwmon"),
            drm: nowhere.clone(),
            cray: nowhere.clone(),
            perf: nowhere.clone(),
            nvml_library: Some(nowhere),
            ..Roots::default()
        };
        (root, roots)
    }

    fn names(roots: &Roots) -> Vec<&'static str> {
        let chosen = choose(roots, &CudaEnvironment::default(), false).unwrap();
        chosen.iter().map(|source| source.name()).collect()
    }

    const GRAPHICS: [(&str, &str); 2] = [("hwmon/hwmon0/name", "amdgpu"), ("hwmon/hwmon0/power1_average", "5")];
    const SOCKET: [(&str, &str); 2] = [("hwmon/hwmon1/name", "amd_hsmp_hwmon"), ("hwmon/hwmon1/power1_input", "5")];

    #[test]
    fn what_is_read_but_not_counted_stays_beside_the_model() {
        assert_eq!(names(&roots(&GRAPHICS).1), ["hwmon", "model"]);
        assert_eq!(names(&roots(&[]).1), ["model"]);
    }

    #[test]
    fn the_model_is_left_out_where_something_is_counted() {
        let (_root, roots) = roots(&[GRAPHICS, SOCKET].concat());
        assert_eq!(names(&roots), ["hwmon"]);
    }

    #[test]
    fn a_measurement_that_is_required_is_refused_with_what_was_read() {
        let refused = |files: &[(&str, &str)]| {
            choose(&roots(files).1, &CudaEnvironment::default(), true).err().map(|error| error.to_string())
        };
        assert_eq!(refused(&[]).as_deref(), Some("no energy sensor is readable here"));
        let told = refused(&GRAPHICS).unwrap();
        assert!(told.starts_with("energy sensors were read, but none") && told.contains("amdgpu-power1"), "{told}");
        assert_eq!(refused(&SOCKET), None);
    }

    #[test]
    fn without_a_model_readings_are_kept_all_the_same() {
        let (root, roots) = roots(&GRAPHICS);
        let roots = Roots { proc: root.path().join("nowhere"), ..roots };
        assert_eq!(names(&roots), ["hwmon"]);
    }
}
