//! What a request asks of S3.

use hyper::{Method, Uri};

/// A request that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `get`, `head`, `put`, `begin`, `part`, `complete`, `list`, `delete` or `other`.
    pub operation: &'static str,
    /// Key in the bucket; the prefix of a listing.
    pub path: String,
}

impl Seen {
    pub(super) fn new(method: &Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or("");
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let key = uri
            .path()
            .trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, key)| key);
        let operation = match *method {
            Method::GET if has("list-type") => "list",
            Method::GET => "get",
            Method::HEAD => "head",
            Method::PUT if has("partNumber") => "part",
            Method::PUT => "put",
            Method::POST if has("uploads") => "begin",
            Method::POST if has("uploadId") => "complete",
            Method::DELETE => "delete",
            _ => "other",
        };
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
        let path = if operation == "list" { prefix.unwrap_or("") } else { key };
        Self {
            operation,
            path: path.replace("%2F", "/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_told_from_method_and_query() {
        for (method, uri, operation, path) in [
            (Method::GET, "/b?list-type=2&prefix=a%2Fb%2F", "list", "a/b/"),
            (Method::GET, "/b/a/b.parquet", "get", "a/b.parquet"),
            (Method::PUT, "/b/a?x-id=PutObject", "put", "a"),
            (Method::PUT, "/b/a?partNumber=1&uploadId=x", "part", "a"),
            (Method::POST, "/b/a?uploads=", "begin", "a"),
            (Method::POST, "/b/a?uploadId=x", "complete", "a"),
            (Method::DELETE, "/b/a", "delete", "a"),
        ] {
            let seen = Seen::new(&method, &uri.parse().unwrap());
            assert_eq!(
                (seen.operation, seen.path.as_str()),
                (operation, path),
                "{method} {uri}"
            );
        }
    }
}
