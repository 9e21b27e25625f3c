//! `lathe node` under hive's test driver: answers consensus tests over HTTP and does nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use eyre::WrapErr as _;
use lathe_http::{Limits, Server};
use lathe_spec_tests::Driver;
use tracing::info;

use crate::signals;

/// Set to `1`, it turns a node into a test driver.
const VARIABLE: &str = "HIVE_LEAN_TEST_DRIVER";

/// Whether the environment asks for a test driver.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "1")
}

/// Serves until a signal comes.
pub(crate) fn run(address: SocketAddr) -> eyre::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .wrap_err("the runtime does not start")?;
    runtime.block_on(async {
        let server =
            Server::bind_test_driver(address, Arc::new(Driver::default()), Limits::default()).await?;
        let listening = server.api_address().unwrap_or(address);
        info!(%listening, "{VARIABLE} is set: no node runs, only the test driver");
        let asked = signals::wait();
        server.run(async { _ = asked.await }).await;
        Ok(())
    })
}
