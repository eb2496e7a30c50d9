//! The async runtime, for the commands that need one.

use std::future::Future;

use crate::failure::Failure;

/// Runs `work` to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::outside("cannot start threads", error))?;
    Ok(runtime.block_on(work))
}
