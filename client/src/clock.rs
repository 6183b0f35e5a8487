//! The time of day.

use std::time::SystemTime;

use inhaul_core::event::UnixMillis;

/// Now, as the system's clock says; 1970 for a clock that stands before it.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
