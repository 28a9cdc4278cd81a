use serde_json::{Value, json};

use super::{Case, case, name_case, resources_cases};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": { "name": "delay" },
        "spec": { "model": { "name": "delay-v1" }, "autoscaling": { "minReplicas": 2, "maxReplicas": 6 } },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        name_case(),
        case(
            "features.timeout (50ms by default) must not exceed deadline (100ms by default)",
            [("/spec/deadline", json!("50ms"))],
            [("/spec/features/timeout", json!("101ms"))],
        ),
        case(
            "deadline must be more than 0",
            [("/spec/deadline", json!("1s"))],
            [("/spec/deadline", json!("0s"))],
        ),
        case(
            "features.timeout must be more than 0",
            [("/spec/features/timeout", json!("1ms"))],
            [("/spec/features/timeout", json!("-1ms"))],
        ),
        case(
            "features.breaker.failureRatio must be more than 0",
            [("/spec/features/breaker/failureRatio", json!(1))],
            [("/spec/features/breaker/failureRatio", json!(0))],
        ),
        case(
            "features.breaker.window must be more than 0",
            [("/spec/features/breaker/window", json!("10s"))],
            [("/spec/features/breaker/window", json!("0"))],
        ),
        case(
            "features.breaker.openFor must be more than 0",
            [("/spec/features/breaker/openFor", json!("500ms"))],
            [("/spec/features/breaker/openFor", json!("0ms"))],
        ),
        case(
            "autoscaling.minReplicas must not exceed autoscaling.maxReplicas",
            [("/spec/autoscaling/minReplicas", json!(6))],
            [("/spec/autoscaling/minReplicas", json!(7))],
        ),
        case(
            "autoscaling.metrics must name cpuUtilization once",
            [("/spec/autoscaling/metrics", json!([{ "cpuUtilization": 70 }]))],
            [(
                "/spec/autoscaling/metrics",
                json!([{ "cpuUtilization": 70 }, { "cpuUtilization": 80 }]),
            )],
        ),
    ];
    cases.extend(resources_cases("/spec/resources/requests", "/spec/resources/limits"));
    cases
}
