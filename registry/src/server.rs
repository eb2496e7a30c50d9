//! Connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::Registry;
use crate::call::Sent;
use crate::options::Limits;
use crate::pace::{OpenAnswers, OpenRequests, Paced};
use crate::tls::{self, Certificates};

/// Between two batches of what was counted of pulls and pushes.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The least that the HTTP/1 parser works with.
const MIN_BUFFER_BYTES: usize = 16 << 10;

/// Where a registry is served.
#[derive(Debug)]
pub struct Listening {
    /// Bound already.
    pub listener: TcpListener,
    /// With them every connection is TLS, without them none.
    pub certificates: Option<Arc<Certificates>>,
}

impl From<TcpListener> for Listening {
    fn from(listener: TcpListener) -> Listening {
        Listening {
            listener,
            certificates: None,
        }
    }
}

/// In the extensions of a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// Serves `registry` until `stop` is done; then takes no more connections, and waits for open requests as long as the
/// limits allow.
///
/// Limits that are changed meanwhile count for connections to come, but for how many these may be.
///
/// # Errors
/// Never at present; a listener that fails for a moment is asked again.
pub async fn serve(
    registry: Registry,
    listening: impl Into<Listening>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let Listening {
        listener,
        certificates,
    } = listening.into();
    let connections = Arc::new(Semaphore::new(registry.options().limits.connections_max));
    // Each connection holds a receiver, for as long as it is there.
    let stopping = watch::Sender::new(false);
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
        let connection = Connection {
            limits: registry.options().limits,
            registry: registry.clone(),
            peer,
            is_tls: certificates.is_some(),
        };
        let (certificates, stops) = (certificates.clone(), stopping.subscribe());
        tokio::spawn(async move {
            let registry = connection.registry.clone();
            let open = registry.metrics().connected();
            connection.serve(stream, certificates.as_deref(), stops).await;
            drop(open);
            drop(permit);
        });
    }
    stopping.send_replace(true);
    let _ = timeout(registry.options().limits.stop, stopping.closed()).await;
    // The last batch is written once nothing is counted any more.
    ended.notify_one();
    let _ = counting.await;
    Ok(())
}

/// Writes counts of pulls and pushes in batches, the last when the server has ended.
async fn write_usage(registry: Registry, ended: Arc<Notify>) {
    loop {
        let is_last = tokio::time::timeout(USAGE_INTERVAL, ended.notified())
            .await
            .is_ok();
        registry.write_usage().await;
        if is_last {
            break;
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Whether the server has been told to stop.
type Stops = watch::Receiver<bool>;

/// One connection. That it breaks is the client's affair, so nothing here fails.
struct Connection {
    registry: Registry,
    peer: SocketAddr,
    limits: Limits,
    is_tls: bool,
}

impl Connection {
    async fn serve(self, stream: TcpStream, certificates: Option<&Certificates>, stops: Stops) {
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        // A connection that says nothing costs no more than its socket.
        if !matches!(
            timeout(self.limits.header_time, stream.readable()).await,
            Ok(Ok(()))
        ) {
            return;
        }
        let Some(certificates) = certificates else {
            return self.converse(stream, stops).await;
        };
        if tls::is_plain(&stream).await {
            let _ = timeout(self.limits.handshake_time, tls::refuse_plain(stream)).await;
            return;
        }
        let handshake = timeout(self.limits.handshake_time, certificates.accept(stream));
        if let Ok(Ok(stream)) = handshake.await {
            self.converse(stream, stops).await;
        }
    }

    /// Which version of HTTP it is shows in the first bytes.
    async fn converse<S>(self, stream: S, mut stops: Stops)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection {
            registry,
            peer,
            limits,
            is_tls,
        } = self;
        let (open, requests) = (OpenAnswers::default(), OpenRequests::new());
        let (answers, begun) = (open.clone(), requests.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (registry, answers, open) = (registry.clone(), answers.clone(), begun.begin());
            if is_tls {
                request.extensions_mut().insert(OverTls);
            }
            async move {
                let answer = registry.answer(peer, request.map(Sent::Incoming)).await;
                Ok::<_, Infallible>(
                    answer.map(|body| answers.watch(body, open, move |bytes| registry.metrics().sent(bytes))),
                )
            }
        });
        let stream = Paced::new(stream, limits.header_time, limits.idle);
        let connection = http(&limits)
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        tokio::pin!(connection);
        // Between two requests of HTTP/1 a client has the time of headers.
        let rest = limits.idle.max(limits.header_time);
        let (mut is_stopped, mut rests) = (false, 1);
        loop {
            tokio::select! {
                _ = &mut connection => return,
                () = open.stall(limits.idle) => return,
                // In HTTP/2 pings keep a connection that asks for nothing. It is told to end, and who does not is cut off.
                () = requests.rest(rest * rests) => match rests {
                    1 => rests = 2,
                    _ => return,
                },
                () = told(&mut stops), if !is_stopped => is_stopped = true,
            }
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// Returns once the server has been told to stop.
async fn told(stops: &mut Stops) {
    let _ = stops.wait_for(|stops| *stops).await;
}

/// Requests of one connection of HTTP/2 at a time; clients of registries have less than ten.
const STREAMS_MAX: u32 = 64;

/// What is kept of one answer of HTTP/2 for a client that does not take it.
const SEND_BUFFER_BYTES: usize = 64 << 10;

fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes_max.max(MIN_BUFFER_BYTES));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(limits.header_time)
        .keep_alive_timeout(limits.header_time)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    builder
}
