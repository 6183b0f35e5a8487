//! Log lines on stderr: what an operator can act on at `info`, details by `INHAUL_LOG`.

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// The variable that says what is logged, such as `debug` or `inhaul_relay::session=debug`.
pub const LOG_VARIABLE: &str = "INHAUL_LOG";

/// Starts logging. Bodies, header values and tokens are never logged.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests, changes nothing.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
