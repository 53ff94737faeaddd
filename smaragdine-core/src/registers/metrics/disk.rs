//! Bytes from and to disks.

use super::Metric;
use super::host::HostLooks;

/// The kernel counts in these, whatever a disk's own are.
const SECTOR: f64 = 512.0;
/// Devices that lie on others, or in memory: their bytes are others' as well, or no disk's.
const STACKED: [&str; 6] = ["loop", "ram", "zram", "dm-", "md", "drbd"];

pub(super) const METRICS: &[Metric<HostLooks>] = &[
    Metric {
        name: "disk_read",
        unit: "bytes",
        scopes: "machine",
        source: "`/proc/diskstats`: of whole disks since boot, without partitions and devices that lie on others",
        check: |looks| looks.has("diskstats"),
        read: |looks, values| {
            values.add("machine", sectors(looks.text("diskstats")?, 5)? * SECTOR);
            Ok(())
        },
    },
    Metric {
        name: "disk_written",
        unit: "bytes",
        scopes: "machine",
        source: "`/proc/diskstats`, as `disk_read`",
        check: |looks| looks.has("diskstats"),
        read: |looks, values| {
            values.add("machine", sectors(looks.text("diskstats")?, 9)? * SECTOR);
            Ok(())
        },
    },
];

/// The sum of one column over whole disks.
fn sectors(text: &str, column: usize) -> Result<f64, String> {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    let names: Vec<&str> = lines.iter().filter_map(|fields| fields.get(2).copied()).collect();
    let is_whole = |name: &str| {
        !STACKED.iter().any(|stacked| name.starts_with(stacked)) && !names.iter().any(|disk| is_part_of(name, disk))
    };
    let mut sum = 0.0;
    for fields in lines.iter().filter(|fields| fields.get(2).is_some_and(|name| is_whole(name))) {
        let told = fields.get(column).and_then(|sectors| sectors.parse::<f64>().ok());
        sum += told.ok_or_else(|| format!("diskstats has no number {column} of {}", fields[2]))?;
    }
    Ok(sum)
}

/// `sda1` is a part of `sda`, `nvme0n1p2` one of `nvme0n1`, and `nvme0n10` none of it.
fn is_part_of(name: &str, disk: &str) -> bool {
    let number = name.strip_prefix(disk).and_then(|rest| {
        if disk.ends_with(|last: char| last.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) }
    });
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_whole_disks_each_once() {
        let text = "   8 0 sda 10 0 100 0 20 0 200 0 0 0 0\n   8 1 sda1 9 0 90 0 9 0 190 0 0 0 0\n\
                    259 0 nvme0n1 1 0 7 0 1 0 3 0 0 0 0\n259 1 nvme0n1p1 1 0 7 0 1 0 3 0 0 0 0\n\
                    259 2 nvme0n10 1 0 1000 0 1 0 0 0 0 0 0\n253 0 dm-0 1 0 107 0 1 0 0 0 0 0 0\n\
                    7 0 loop0 1 0 55 0 1 0 0 0 0 0 0\n252 0 vda 0 0 1 0 0 0 1 0 0 0 0\n";
        assert_eq!((sectors(text, 5), sectors(text, 9)), (Ok(1108.0), Ok(204.0)));
    }

    #[test]
    fn what_is_no_number_is_told_with_its_disk() {
        assert_eq!(sectors("8 0 sda 1 0 many 0", 5), Err("diskstats has no number 5 of sda".into()));
        assert_eq!(sectors("", 5), Ok(0.0));
    }
}
