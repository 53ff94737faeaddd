//! Bytes from and to the network.

use std::path::Path;

use super::Metric;
use super::host::HostLooks;

pub(super) const METRICS: &[Metric<HostLooks>] = &[
    Metric {
        name: "network_received",
        unit: "bytes",
        scopes: "machine",
        source: "`/proc/net/dev`: of interfaces that have a device, since boot; where none has, as in a container, of \
                 all but `lo`",
        check: |looks| looks.has("net/dev"),
        read: |looks, values| {
            let sys = looks.sys_root.clone();
            values.add("machine", bytes(looks.text("net/dev")?, 0, &sys)?);
            Ok(())
        },
    },
    Metric {
        name: "network_sent",
        unit: "bytes",
        scopes: "machine",
        source: "`/proc/net/dev`, as `network_received`",
        check: |looks| looks.has("net/dev"),
        read: |looks, values| {
            let sys = looks.sys_root.clone();
            values.add("machine", bytes(looks.text("net/dev")?, 8, &sys)?);
            Ok(())
        },
    },
];

/// The sum of one column. Bridges and tunnels show again what goes over the devices beneath them.
fn bytes(text: &str, column: usize, sys: &Path) -> Result<f64, String> {
    let mut interfaces = Vec::new();
    for (name, fields) in text.lines().filter_map(|line| line.split_once(':')) {
        let name = name.trim();
        let told = fields.split_ascii_whitespace().nth(column).and_then(|bytes| bytes.parse::<f64>().ok());
        let told = told.ok_or_else(|| format!("net/dev has no number of {name}"))?;
        if name != "lo" {
            interfaces.push((sys.join("class/net").join(name).join("device").exists(), told));
        }
    }
    let any = interfaces.iter().any(|(device, _)| *device);
    Ok(interfaces.iter().filter(|(device, _)| *device || !any).map(|(_, bytes)| bytes).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n\
                       lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n\
                       docker0:90 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n";

    #[test]
    fn interfaces_without_a_device_count_only_where_none_has_one() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!((bytes(DEV, 0, sys.path()), bytes(DEV, 8, sys.path())), (Ok(190.0), Ok(30.0)));
        std::fs::create_dir_all(sys.path().join("class/net/eth0/device")).unwrap();
        assert_eq!((bytes(DEV, 0, sys.path()), bytes(DEV, 8, sys.path())), (Ok(100.0), Ok(20.0)));
    }

    #[test]
    fn what_is_no_number_is_told_with_its_interface() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(bytes("eth0: lots", 0, sys.path()), Err("net/dev has no number of eth0".into()));
    }
}
