//! An InferenceService's spec as numbers and names that fit together.

use snafu::{ResultExt, Snafu, ensure};
use triplane_contract::route::{Breaker, FeaturePolicy, OnUnavailable};
use triplane_crds::duration::Duration;
use triplane_crds::v1alpha1::InferenceServiceSpec;
use triplane_crds::v1alpha1::inference_service::{Breaker as DeclaredBreaker, OnUnavailable as Declared};

use crate::parse::field::{self, FieldError};

/// Budget of a request where the service does not say.
pub const DEFAULT_DEADLINE_US: i64 = 100_000;
/// Budget of the reads of a request where the service does not say.
pub const DEFAULT_TIMEOUT_US: i64 = 50_000;
/// Share of imputed features where the service does not say.
pub const DEFAULT_MAX_IMPUTED: f64 = 0.5;

/// A spec that can be acted on.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedService {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Name of the stable Model.
    pub model: String,
    /// How features are read.
    pub features: FeaturePolicy,
    /// The service's own default prediction.
    pub fallback: Option<f64>,
    /// Budget of a request, microseconds.
    pub deadline_us: i64,
    /// Changes nothing.
    pub suspend: bool,
}

/// Why an InferenceService's spec cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum ServiceSpecError {
    /// A field does not parse.
    #[snafu(display("{source}"))]
    Field {
        /// Which and why.
        source: FieldError,
    },
    /// A number out of its range.
    #[snafu(display("{field} is out of range: {wanted}"))]
    Range {
        /// Which.
        field: &'static str,
        /// What to write.
        wanted: &'static str,
    },
}

/// Checks a spec and resolves its defaults.
pub fn validate(
    namespace: &str,
    name: &str,
    spec: &InferenceServiceSpec,
) -> Result<ValidatedService, ServiceSpecError> {
    let declared = spec.features.clone().unwrap_or_default();
    let deadline_us = positive("spec.deadline", spec.deadline.as_ref(), DEFAULT_DEADLINE_US)?;
    let timeout_us = positive("spec.features.timeout", declared.timeout.as_ref(), DEFAULT_TIMEOUT_US)?;
    let wanted = "it must not exceed spec.deadline (100ms by default)";
    ensure!(
        timeout_us <= deadline_us,
        RangeSnafu {
            field: "spec.features.timeout",
            wanted
        }
    );
    let max_imputed = declared.max_imputed.unwrap_or(DEFAULT_MAX_IMPUTED);
    let wanted = "use a share from 0 to 1";
    ensure!(
        (0.0..=1.0).contains(&max_imputed),
        RangeSnafu {
            field: "spec.features.maxImputed",
            wanted
        }
    );
    let fallback = spec.fallback.as_ref().map(|fallback| fallback.prediction);
    let wanted = "use a finite number";
    ensure!(
        fallback.is_none_or(f64::is_finite),
        RangeSnafu {
            field: "spec.fallback.prediction",
            wanted
        }
    );
    Ok(ValidatedService {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        model: spec.model.name.clone(),
        features: FeaturePolicy {
            timeout_us,
            breaker: breaker(&declared.breaker.unwrap_or_default())?,
            on_unavailable: match declared.on_unavailable.unwrap_or_default() {
                Declared::DefaultPrediction => OnUnavailable::DefaultPrediction,
                Declared::Impute => OnUnavailable::Impute,
            },
            max_imputed,
        },
        fallback,
        deadline_us,
        suspend: spec.suspend.unwrap_or(false),
    })
}

fn breaker(declared: &DeclaredBreaker) -> Result<Breaker, ServiceSpecError> {
    let default = Breaker::default();
    let failure_ratio = declared.failure_ratio.unwrap_or(default.failure_ratio);
    let wanted = "use a share above 0 and up to 1";
    let in_range = failure_ratio > 0.0 && failure_ratio <= 1.0;
    ensure!(
        in_range,
        RangeSnafu {
            field: "spec.features.breaker.failureRatio",
            wanted
        }
    );
    let min_requests = declared.min_requests.map_or(Ok(default.min_requests), u32::try_from);
    let field = "spec.features.breaker.minRequests";
    Ok(Breaker {
        failure_ratio,
        window_us: positive(
            "spec.features.breaker.window",
            declared.window.as_ref(),
            default.window_us,
        )?,
        min_requests: min_requests.ok().filter(|n| *n > 0).ok_or_else(|| {
            RangeSnafu {
                field,
                wanted: "use 1 or more",
            }
            .build()
        })?,
        open_for_us: positive(
            "spec.features.breaker.openFor",
            declared.open_for.as_ref(),
            default.open_for_us,
        )?,
    })
}

fn positive(field: &'static str, duration: Option<&Duration>, default: i64) -> Result<i64, ServiceSpecError> {
    let us = field::optional_micros(field, duration)
        .context(FieldSnafu)?
        .unwrap_or(default);
    ensure!(
        us > 0,
        RangeSnafu {
            field,
            wanted: "it must be more than 0"
        }
    );
    Ok(us)
}
