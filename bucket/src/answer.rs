//! What S3 answered instead of success, read from the errors of either client.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use object_store::client::HttpError;

use crate::error::{BucketError, is_conflict};

/// What was asked of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    /// `read`, `write`, `list`, ...
    pub(crate) action: &'static str,
    /// Path or prefix.
    pub(crate) path: &'a str,
}

/// An answer that is no success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status; 0 where there was no answer.
    status: u16,
    /// S3's code; empty for HEAD, whose answers have no body.
    code: String,
    message: String,
    /// Where the bucket lies, if S3 says so.
    region: Option<String>,
    /// The clock there, if S3 says so.
    server_time: Option<String>,
}

impl Answer {
    /// From the text of an `object_store` error, which carries status and body.
    fn from_text(text: &str) -> Self {
        let status = text
            .split_once("status code: ")
            .and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        // A redirect without a place to go to is what S3 answers for a bucket of another region.
        let redirect = text.contains("Received redirect without LOCATION").then_some(301);
        // The end of an upload in parts and a copy may answer 200 and an error in the body.
        let in_body = text.contains("Server returned error response").then_some(500);
        let tag = |name: &str| tag(text, name).map(str::to_owned);
        Self {
            status: status.or(redirect).or(in_body).unwrap_or(0),
            code: tag("Code").unwrap_or_default(),
            message: tag("Message").unwrap_or_default(),
            region: tag("Region"),
            server_time: tag("ServerTime"),
        }
    }

    fn into_error(self, asked: &Asked<'_>) -> BucketError {
        let bucket = asked.bucket.to_owned();
        let Self {
            status, code, message, ..
        } = self;
        match code.as_str() {
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity" | "NotSignedUp" => {
                BucketError::WrongCredentials { bucket, code }
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" | "InvalidTokenId" => {
                BucketError::ExpiredCredentials { bucket, code }
            }
            "NoSuchBucket" => BucketError::BucketMissing {
                bucket,
                endpoint: asked.endpoint.to_owned(),
            },
            "RequestTimeTooSkewed" => BucketError::ClockSkew {
                bucket,
                server_time: self.server_time.map_or(String::new(), |t| format!("; there it is {t}")),
            },
            "SlowDown"
            | "SlowDownRead"
            | "SlowDownWrite"
            | "ServiceUnavailable"
            | "TooManyRequests"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded" => BucketError::Throttled { bucket, code },
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => wrong_region(asked, self.region),
            _ => match status {
                301 | 307 | 308 => wrong_region(asked, self.region),
                401 | 403 => BucketError::AccessDenied {
                    bucket,
                    action: asked.action,
                    path: asked.path.to_owned(),
                    code,
                },
                429 | 503 => BucketError::Throttled { bucket, code },
                _ => BucketError::Failed {
                    bucket,
                    action: asked.action,
                    path: asked.path.to_owned(),
                    status,
                    code,
                    message,
                },
            },
        }
    }
}

fn wrong_region(asked: &Asked<'_>, found: Option<String>) -> BucketError {
    BucketError::WrongRegion {
        bucket: asked.bucket.to_owned(),
        asked: asked.region.to_owned(),
        found: found.map_or(String::new(), |region| format!(", in {region}")),
    }
}

/// The same error with what it means as its cause. What a caller asks about (not there, already there, changed) stays as it
/// is.
pub(crate) fn of_data(error: object_store::Error, asked: &Asked<'_>) -> object_store::Error {
    use object_store::Error as E;
    let is_callers = match &error {
        E::NotModified { .. }
        | E::Precondition { .. }
        | E::InvalidPath { .. }
        | E::NotImplemented { .. }
        | E::NotSupported { .. } => true,
        _ => BucketError::find(&error).is_some(),
    };
    if is_callers {
        return error;
    }
    let answer = Answer::from_text(&error.to_string());
    match &error {
        E::NotFound { .. } if answer.code != "NoSuchBucket" => return error,
        E::AlreadyExists { .. } if answer.status != 409 && !is_conflict(&answer.code) => return error,
        _ => {}
    }
    let is_known = answer.status != 0 || !answer.code.is_empty();
    let meant = if !is_known && caused_by::<HttpError>(&error) {
        unreachable(asked, innermost(&error))
    } else if !is_known {
        answer_unknown(asked, error.to_string())
    } else {
        answer.into_error(asked)
    };
    meant.into_store()
}

/// What an error of the SDK means.
pub(crate) fn of_sdk<E>(error: &SdkError<E, HttpResponse>, asked: &Asked<'_>) -> object_store::Error
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let own = BucketError::find(error).and_then(copy_of_credentials);
    let meant = match (own, error.raw_response()) {
        (Some(own), _) => own,
        (None, None) => unreachable(asked, DisplayErrorContext(error).to_string()),
        (None, Some(raw)) => {
            let text = raw
                .body()
                .bytes()
                .map_or(String::new(), |body| String::from_utf8_lossy(body).into());
            let read = Answer::from_text(&text);
            let region = raw.headers().get("x-amz-bucket-region").map(str::to_owned);
            let answer = Answer {
                status: raw.status().as_u16(),
                code: error.code().map_or(read.code, str::to_owned),
                message: error.message().map_or(read.message, str::to_owned),
                region: region.or(read.region),
                server_time: read.server_time,
            };
            answer.into_error(asked)
        }
    };
    meant.into_store()
}

/// No answer came, or not in time.
pub(crate) fn unreachable(asked: &Asked<'_>, message: String) -> BucketError {
    BucketError::Unreachable {
        bucket: asked.bucket.to_owned(),
        endpoint: asked.endpoint.to_owned(),
        message,
    }
}

fn answer_unknown(asked: &Asked<'_>, message: String) -> BucketError {
    BucketError::Failed {
        bucket: asked.bucket.to_owned(),
        action: asked.action,
        path: asked.path.to_owned(),
        status: 0,
        code: String::new(),
        message,
    }
}

/// The SDK keeps the provider's error to itself; only that kind comes through it.
fn copy_of_credentials(error: &BucketError) -> Option<BucketError> {
    match error {
        BucketError::NoCredentials { bucket, message } => Some(BucketError::NoCredentials {
            bucket: bucket.clone(),
            message: message.clone(),
        }),
        _ => None,
    }
}

fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.downcast_ref::<E>().is_some())
}

/// The innermost cause, which names what happened to the connection.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or(String::new(), ToString::to_string)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        bucket: "b",
        endpoint: "http://s3",
        region: "r-1",
        action: "read",
        path: "a/b",
    };

    fn meant(status: &str, body: &str) -> BucketError {
        let text = format!("Error performing GET x in 1ms - Server returned non-2xx status code: {status}: {body}");
        Answer::from_text(&text).into_error(&ASKED)
    }

    fn body(code: &str, more: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message>{more}</Error>")
    }

    #[test]
    fn an_error_in_the_body_of_a_success_is_tried_again() {
        for code in ["InternalError", "SlowDown"] {
            let text = format!("Server returned error response: {}", body(code, ""));
            assert!(Answer::from_text(&text).into_error(&ASKED).is_transient(), "{code}");
        }
    }

    #[test]
    fn codes_of_s3_become_causes_with_a_next_step() {
        for (status, code, cause) in [
            ("403 Forbidden", "InvalidAccessKeyId", "WrongCredentials"),
            ("403 Forbidden", "SignatureDoesNotMatch", "WrongCredentials"),
            ("400 Bad Request", "ExpiredToken", "ExpiredCredentials"),
            ("403 Forbidden", "AccessDenied", "AccessDenied"),
            ("404 Not Found", "NoSuchBucket", "BucketMissing"),
            ("403 Forbidden", "RequestTimeTooSkewed", "ClockSkew"),
            ("503 Service Unavailable", "SlowDown", "Throttled"),
            ("503 Service Unavailable", "XMinioServerNotInitialized", "Throttled"),
            ("301 Moved Permanently", "PermanentRedirect", "WrongRegion"),
            ("400 Bad Request", "AuthorizationHeaderMalformed", "WrongRegion"),
            ("500 Internal Server Error", "InternalError", "BucketFailed"),
        ] {
            let error = meant(status, &body(code, ""));
            assert_eq!(error.code(), cause, "{code}");
        }
    }

    #[test]
    fn region_and_clock_of_the_server_are_told() {
        let region = meant(
            "400 Bad Request",
            &body("AuthorizationHeaderMalformed", "<Region>r-2</Region>"),
        );
        assert!(
            region.to_string().contains("another region than r-1, in r-2"),
            "{region}"
        );
        let clock = meant(
            "403 Forbidden",
            &body("RequestTimeTooSkewed", "<ServerTime>T</ServerTime>"),
        );
        assert!(clock.to_string().contains("there it is T"), "{clock}");
    }

    #[test]
    fn a_refusal_without_a_body_may_be_the_credentials() {
        let refused = meant("403 Forbidden", "");
        assert!(refused.is_refusal() && refused.code() == "AccessDenied");
        assert!(!meant("403 Forbidden", &body("AccessDenied", "")).is_refusal());
    }

    #[test]
    fn two_conditional_writes_that_met_are_tried_again() {
        let conflict = body("ConditionalRequestConflict", "");
        assert!(meant("409 Conflict", &conflict).is_transient());
        let text = format!("Server returned non-2xx status code: 409 Conflict: {conflict}");
        let exists = object_store::Error::AlreadyExists {
            path: "a".into(),
            source: text.into(),
        };
        let error = of_data(exists, &ASKED);
        assert!(
            BucketError::find(&error).is_some_and(BucketError::is_transient),
            "{error}"
        );
    }

    #[test]
    fn what_a_caller_asks_about_stays_what_it_is() {
        let there = object_store::Error::AlreadyExists {
            path: "a".into(),
            source: "Server returned non-2xx status code: 412 Precondition Failed: ".into(),
        };
        assert!(matches!(
            of_data(there, &ASKED),
            object_store::Error::AlreadyExists { .. }
        ));
        let missing = |code: &str| object_store::Error::NotFound {
            path: "a".into(),
            source: format!("status code: 404 Not Found: {}", body(code, "")).into(),
        };
        assert!(matches!(
            of_data(missing("NoSuchKey"), &ASKED),
            object_store::Error::NotFound { .. }
        ));
        let error = of_data(missing("NoSuchBucket"), &ASKED);
        assert_eq!(BucketError::find(&error).map(BucketError::code), Some("BucketMissing"));
    }
}
