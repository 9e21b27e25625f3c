//! What the operating system says of this process.

use lathe_http::Process;

/// Clock ticks per second in `/proc/self/stat`: fixed at 100 for programs on Linux, whatever the kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc`; `None` where there is none.
pub(crate) fn usage() -> Option<Process> {
    parse(
        &std::fs::read_to_string("/proc/self/status").ok()?,
        &std::fs::read_to_string("/proc/self/stat").ok()?,
    )
}

fn parse(status: &str, stat: &str) -> Option<Process> {
    let kib = |name: &str| -> Option<i64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    // The second field is the command in parentheses and may hold anything; the fields after it are plain.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (user, system) = (times.next()?.parse::<f64>().ok()?, times.next()?.parse::<f64>().ok()?);
    Some(Process {
        resident_bytes: kib("VmRSS")? * 1024,
        max_resident_bytes: kib("VmHWM")? * 1024,
        cpu_seconds: (user + system) / TICKS_PER_SECOND,
    })
}

/// What the process has open and may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessLimits {
    pub virtual_bytes: i64,
    pub threads: i64,
    pub open_files: i64,
    /// `None` without a limit.
    pub max_files: Option<i64>,
}

/// Reads `/proc` for what no API shows; zeros where there is none.
pub(crate) fn limits() -> ProcessLimits {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let (virtual_bytes, threads) = sizes(&read("status"));
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as i64);
    ProcessLimits { virtual_bytes, threads, open_files, max_files: max_files(&read("limits")) }
}

/// Virtual memory in bytes, and threads.
fn sizes(status: &str) -> (i64, i64) {
    let number = |name: &str| -> Option<i64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    (number("VmSize").unwrap_or_default() * 1024, number("Threads").unwrap_or_default())
}

fn max_files(limits: &str) -> Option<i64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc_files() {
        let status = "Name:\ta\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        let stat = "12 (a) b) S 1 1 1 0 -1 0 1 2 3 4 150 50 0 0 20 0";
        let expected = Process { resident_bytes: 1 << 20, max_resident_bytes: 2 << 20, cpu_seconds: 2.0 };
        assert_eq!(parse(status, stat), Some(expected));
        assert_eq!(sizes("Threads:\t12\nVmSize:\t 4 kB\n"), (4096, 12));
        assert_eq!(max_files("Max open files            1024       524288     files\n"), Some(1024));
        assert_eq!(max_files("Max open files            unlimited  unlimited  files\n"), None);
        assert_eq!(parse("", stat), None);
        assert_eq!(parse(status, "12 (a"), None);
    }
}
