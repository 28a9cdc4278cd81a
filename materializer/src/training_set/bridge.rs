//! From a stream, polled by the runtime, to an iterator on a thread that may block.

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

/// Items that wait between the two.
const AHEAD: usize = 2;

/// Drives `stream` on the runtime until the iterator is dropped. Call it on the runtime, use the iterator off it.
pub(super) fn blocking<T: Send + 'static>(
    mut stream: BoxStream<'static, T>,
) -> impl Iterator<Item = T> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    std::iter::from_fn(move || receiver.blocking_recv())
}
