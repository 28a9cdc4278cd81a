use serde_json::{Value, json};

use super::{Case, case, name_case};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "FeatureStore",
        "metadata": { "name": "flights" },
        "spec": {
            "online": { "managed": { "shards": 3, "maxMemory": "256Mi", "storage": { "size": "1Gi" } } },
            "offline": { "s3": { "bucket": "flights" } },
        },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let managed = base()["spec"]["online"]["managed"].clone();
    let redis = json!({ "address": "redis:6379" });
    vec![
        name_case(),
        case(
            "online needs exactly one of managed, redis, dynamodb",
            [("/spec/online", json!({ "redis": redis }))],
            [("/spec/online", json!({ "managed": managed, "redis": redis }))],
        ),
        case(
            "online.dynamodb is not supported yet; use online.managed or online.redis",
            [("/spec/online", json!({ "managed": managed }))],
            [("/spec/online", json!({ "dynamodb": {} }))],
        ),
        case(
            "online.managed.shards must be at least 3: a Redis Cluster needs three primaries to agree on a failure",
            [("/spec/online/managed/shards", json!(3))],
            [("/spec/online/managed/shards", json!(2))],
        ),
        case(
            "online.managed.maxMemory must be more than 0",
            [("/spec/online/managed/maxMemory", json!(268_435_456))],
            [("/spec/online/managed/maxMemory", json!("0Mi"))],
        ),
        case(
            "online.managed.storage.size must be more than 0",
            [("/spec/online/managed/storage/size", json!("10Gi"))],
            [("/spec/online/managed/storage/size", json!(0))],
        ),
        case(
            "online.redis.address must be host:port, without a scheme or a password",
            [("/spec/online", json!({ "redis": { "address": "[::1]:6379" } }))],
            [("/spec/online", json!({ "redis": { "address": "redis://redis:6379" } }))],
        ),
        case(
            "offline.s3.prefix is relative to the bucket: no scheme, no leading slash, no '..'",
            [("/spec/offline/s3/prefix", json!("team/features..v1"))],
            [("/spec/offline/s3/prefix", json!("team/../features"))],
        ),
        case(
            "offline.s3.endpoint must be http://host[:port] or https://host[:port]",
            [("/spec/offline/s3/endpoint", json!("http://minio.storage.svc:9000"))],
            [("/spec/offline/s3/endpoint", json!("minio.storage.svc:9000"))],
        ),
    ]
}
