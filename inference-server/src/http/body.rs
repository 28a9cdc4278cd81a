//! Reading a body within its size and time, and within what all bodies may take together.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::SemaphorePermit;

use crate::app::App;
use crate::problem::{Code, Problem};

/// A whole body. Its bytes count among those of all bodies until it is dropped.
pub(super) struct Whole<'a> {
    pub bytes: Bytes,
    _room: SemaphorePermit<'a>,
}

/// Reads a whole body within the limits of size and time.
pub(super) async fn read(app: &App, body: Incoming) -> Result<Whole<'_>, Problem> {
    if body.size_hint().lower() > app.limits.body_bytes as u64 {
        return Err(too_large(app));
    }
    let timeout = app.limits.body_timeout;
    tokio::time::timeout(timeout, collect(app, body))
        .await
        .unwrap_or_else(|_| {
            let message = format!("the body did not arrive within {} ms", timeout.as_millis());
            Err(Problem::new(Code::BodyTimeout, message))
        })
}

/// Room is taken for what has arrived, not for what is announced: a caller that trickles takes none from others.
async fn collect(app: &App, mut body: Incoming) -> Result<Whole<'_>, Problem> {
    let mut room = app.room_for(0)?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Problem::new(Code::BodyBroken, format!("the body did not arrive whole: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > app.limits.body_bytes {
            return Err(too_large(app));
        }
        room.merge(app.room_for(data.len())?);
        // Most bodies come in one piece, which needs no copy.
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(Whole {
                bytes: data,
                _room: room,
            });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole {
        bytes: bytes.freeze(),
        _room: room,
    })
}

fn too_large(app: &App) -> Problem {
    let message = format!(
        "the body has more than {} bytes: send fewer rows",
        app.limits.body_bytes
    );
    Problem::new(Code::BodyTooLarge, message)
}
