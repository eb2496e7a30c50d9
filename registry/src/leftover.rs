//! What a client still sends after its request was refused.
//!
//! A connection that is closed while bytes wait in it is reset, and the reset takes the answer with it: the client sees a
//! broken pipe where a disk is full, a quota exceeded, a credential wrong. So the answer goes out at once, and what comes is
//! read on and thrown away until the client has read the answer and stops, or too much has come.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::runtime::Handle;

/// Bytes that are read on of one request.
const BYTES_MAX: usize = 64 << 20;
/// How long one is read on.
const TIME: Duration = Duration::from_secs(10);

/// Reads a body on, beside whatever else is done, and throws it away.
pub(crate) fn read_on(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    // Without one the process is ending.
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        let reading = async {
            let mut came = 0;
            while let Some(Ok(frame)) = body.frame().await {
                came += frame.data_ref().map_or(0, Bytes::len);
                if came > BYTES_MAX {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(TIME, reading).await;
    });
}
