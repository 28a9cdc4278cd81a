//! Logs go to standard error as text; progress and tables go to standard output.

use tracing_subscriber::EnvFilter;

/// Starts logging: warnings by default, `RUST_LOG` or `--verbose` for more.
pub fn start(verbose: bool) {
    let default = if verbose { "info,triplane=debug" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
