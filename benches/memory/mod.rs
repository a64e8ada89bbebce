//! Memory of this process.

/// Of this process, MiB; 0 where that cannot be read.
pub fn resident() -> u64 {
    of_status("VmRSS:")
}

/// The most it ever was.
pub fn peak() -> u64 {
    of_status("VmHWM:")
}

fn of_status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}
