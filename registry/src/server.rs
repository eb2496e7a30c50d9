//! Connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use crate::Registry;

/// Between two batches of what was counted of pulls and pushes.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `registry` on `listener` until `stop` is done; then takes no more connections, and waits for open requests as
/// long as the limits allow.
///
/// # Errors
/// Never at present; a listener that fails for a moment is asked again.
pub async fn serve(
    registry: Registry,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = registry.options().limits;
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes_max.max(MIN_BUFFER_BYTES));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_time)
        .keep_alive_timeout(limits.header_time)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    let ended = Arc::new(Notify::new());
    let counting = tokio::spawn(write_usage(registry.clone(), Arc::clone(&ended)));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let registry = registry.clone();
        let service = service_fn(move |request| {
            let registry = registry.clone();
            async move { Ok::<_, Infallible>(registry.answer(peer, request).await) }
        });
        let (builder, watcher) = (builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            // Which version of HTTP it is shows in the first bytes; one that says nothing is not waited for.
            let speaks = tokio::time::timeout(limits.header_time, stream.readable()).await;
            if matches!(speaks, Ok(Ok(()))) {
                let connection = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                // A connection that breaks is the client's affair.
                let _ = watcher.watch(connection).await;
            }
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(limits.stop, graceful.shutdown()).await;
    // The last batch is written once nothing is counted any more.
    ended.notify_one();
    let _ = counting.await;
    Ok(())
}

/// Writes counts of pulls and pushes in batches, the last when the server has ended.
async fn write_usage(registry: Registry, ended: Arc<Notify>) {
    loop {
        let is_last = tokio::time::timeout(USAGE_INTERVAL, ended.notified()).await.is_ok();
        registry.write_usage().await;
        if is_last {
            break;
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(
    tokio::net::TcpStream,
    std::net::SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    let permit = Arc::clone(connections)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// The least that the HTTP/1 parser works with.
const MIN_BUFFER_BYTES: usize = 16 << 10;
