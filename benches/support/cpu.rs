//! How much processor time a process has used.

use std::{fs, time::Duration};

/// Processor time a process has used.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name, in parentheses, may have spaces; user and system time are the 12th and 13th fields behind it.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}
