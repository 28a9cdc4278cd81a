//! What Redis says, in the words of `OnlineError`.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::online::OnlineError;

/// Sorts an error of the server at `address` into the four kinds a caller acts on.
pub(super) fn classify(address: &str, error: &RedisError) -> OnlineError {
    let (address, message) = (address.to_owned(), error.to_string());
    let code = code(error);
    let code = code.as_str();
    // Redis 6 wraps an error inside a script into its own text.
    if code == "OOM" || message.contains("OOM command not allowed") {
        return OnlineError::Full { address, message };
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => OnlineError::Denied { address, message },
        _ if matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM") => OnlineError::Denied { address, message },
        // A server that loads its data, lost its primary or became a replica answers again later.
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain,
        )
        | ErrorKind::Io => OnlineError::Unreachable { address, message },
        _ => OnlineError::Protocol { address, message },
    }
}

/// The server's error code, of a pipeline its first; empty where the server did not answer.
pub(super) fn code(error: &RedisError) -> String {
    let errors = error.clone().into_server_errors();
    errors
        .as_deref()
        .and_then(<[_]>::first)
        .map(|(_, error)| error.code().to_owned())
        .unwrap_or_default()
}

/// Whether the server no longer takes the connection's login.
pub(super) fn is_login_refused(error: Option<&RedisError>) -> bool {
    error.is_some_and(|error| matches!(code(error).as_str(), "NOAUTH" | "WRONGPASS"))
}

/// Whether the connection is of no more use after this error.
pub(super) fn breaks_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn a_full_store_and_a_refused_login_have_kinds_of_their_own() {
        let full = classify(
            "r:6379",
            &server_error("OOM", "command not allowed when used memory > 'maxmemory'."),
        );
        assert!(matches!(full, OnlineError::Full { .. }), "{full}");
        let wrapped = server_error(
            "ERR",
            "Error running script: -OOM command not allowed when used memory > 'maxmemory'.",
        );
        assert!(matches!(classify("r:6379", &wrapped), OnlineError::Full { .. }));
        for code in ["NOAUTH", "WRONGPASS", "NOPERM"] {
            assert!(
                matches!(
                    classify("r:6379", &server_error(code, "no")),
                    OnlineError::Denied { .. }
                ),
                "{code}"
            );
        }
        assert!(matches!(
            classify("r:6379", &server_error("WRONGTYPE", "no")),
            OnlineError::Protocol { .. }
        ));
    }

    #[test]
    fn a_broken_connection_is_unreachable_and_names_the_server() {
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(breaks_connection(&error));
        let message = classify("redis.flights:6379", &error).to_string();
        assert!(message.contains("redis.flights:6379 is not reachable"), "{message}");
    }
}
