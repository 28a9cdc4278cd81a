//! What is told to a caller whose request is not answered with predictions.

use std::fmt;

/// The kind of a refusal: its HTTP status and its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The body is not the JSON that the call takes.
    InvalidJson,
    /// A name that the call does not take.
    UnknownField,
    /// A name that the call needs.
    MissingField,
    /// A name given twice.
    DuplicateField,
    /// A value of another type, or out of its range.
    WrongType,
    /// A tensor whose shape and data disagree.
    WrongShape,
    /// More rows than a request may have.
    TooManyRows,
    /// A feature with `onMissing: Fail` has no value.
    FeatureMissing,
    /// A part of the protocol that is not spoken here.
    Unsupported,
    /// No such path.
    NotFound,
    /// No such model, or not that version.
    UnknownModel,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke before the body was whole.
    BodyBroken,
    /// The body is larger than accepted.
    BodyTooLarge,
    /// Too many requests are being answered.
    Overloaded,
    /// No model is served yet, or the server is going down.
    NotReady,
    /// The online store did not answer a question about one of its rows.
    StoreUnavailable,
}

impl Code {
    /// Name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvalidJson => "InvalidJson",
            Self::UnknownField => "UnknownField",
            Self::MissingField => "MissingField",
            Self::DuplicateField => "DuplicateField",
            Self::WrongType => "WrongType",
            Self::WrongShape => "WrongShape",
            Self::TooManyRows => "TooManyRows",
            Self::FeatureMissing => "FeatureMissing",
            Self::Unsupported => "Unsupported",
            Self::NotFound => "NotFound",
            Self::UnknownModel => "UnknownModel",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::BodyTimeout => "BodyTimeout",
            Self::BodyBroken => "BodyBroken",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::Overloaded => "Overloaded",
            Self::NotReady => "NotReady",
            Self::StoreUnavailable => "StoreUnavailable",
        }
    }

    /// HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::InvalidJson
            | Self::UnknownField
            | Self::MissingField
            | Self::DuplicateField
            | Self::WrongType
            | Self::WrongShape
            | Self::TooManyRows
            | Self::FeatureMissing
            | Self::BodyBroken => 400,
            Self::NotFound | Self::UnknownModel => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::Overloaded => 429,
            Self::Unsupported => 501,
            Self::NotReady | Self::StoreUnavailable => 503,
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its kind.
    pub code: Code,
    /// What is wrong and what to do.
    pub message: String,
    /// The field of the request, as `instances[3].tailnum`.
    pub field: Option<String>,
}

impl Problem {
    /// A refusal that concerns no single field.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
        }
    }

    /// A refusal because of one field.
    pub(crate) fn at(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: Some(field.into()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
