//! How the proxy misbehaves, and on which requests.

use super::Seen;

/// Which requests meet a fault.
#[derive(Clone, Copy, Debug)]
pub struct On {
    /// One of the operations of [`Seen`]; `None`: all.
    pub operation: Option<&'static str>,
    /// A part of the path.
    pub path: &'static str,
}

impl On {
    /// Every request.
    pub const ANY: Self = Self {
        operation: None,
        path: "",
    };

    /// Requests for `operation` with `path` in their path.
    pub const fn new(operation: &'static str, path: &'static str) -> Self {
        Self {
            operation: Some(operation),
            path,
        }
    }

    pub(super) fn is(&self, seen: &Seen) -> bool {
        self.operation.is_none_or(|operation| operation == seen.operation) && seen.path.contains(self.path)
    }
}

/// What happens to a request or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answered by the proxy with this status and S3 code; the server never sees it.
    Refuse(u16, &'static str),
    /// Answered by the proxy with 200 and nothing; the server never sees it.
    Pretend,
    /// The server does it; the connection closes instead of an answer.
    LoseReply,
    /// The answer's body comes at this many bytes a second.
    Crawl(usize),
    /// The connection closes after this many bytes of the body.
    Break(usize),
    /// After this many bytes of the body nothing more comes.
    Stall(usize),
    /// `Content-Length` claims this many bytes more (or fewer) than there are.
    Misstate(i64),
}
