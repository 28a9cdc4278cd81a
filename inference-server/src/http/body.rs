//! Reading a body within its size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::problem::{Code, Problem};

/// Reads a whole body of at most `max_bytes` that arrives within `timeout`.
pub(super) async fn read(body: Incoming, max_bytes: usize, timeout: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("the body has more than {max_bytes} bytes: send fewer rows"),
        )
    };
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, Limited::new(body, max_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(
            Code::BodyBroken,
            format!("the body did not arrive whole: {error}"),
        )),
        Err(_) => {
            let message = format!("the body did not arrive within {} ms", timeout.as_millis());
            Err(Problem::new(Code::BodyTimeout, message))
        }
    }
}
