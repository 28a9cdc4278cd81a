//! Minimal objects of a namespace that has nothing to do with flights.

pub(crate) const STORE: &str = r"
apiVersion: triplane.dev/v1alpha1
kind: FeatureStore
metadata: {name: barn, namespace: farm}
spec:
  online: {redis: {address: 'cache:6379'}}
  offline: {s3: {bucket: herd}}
";

pub(crate) const VIEW: &str = r"
apiVersion: triplane.dev/v1alpha1
kind: FeatureView
metadata: {name: milk, namespace: farm}
spec:
  storeRef: {name: barn}
  entity: {keys: [{name: cow, type: Int64}]}
  features:
  - {name: litres, type: Float64}
  - {name: fat, type: Float32, onMissing: Default, default: '4'}
  timestampColumn: milked_at
  ttl: 24h
  sources: [{name: milkings, parquet: {path: raw/milk/}}]
  materialization: {schedule: '0 * * * *'}
";

pub(crate) const SET: &str = r"
apiVersion: triplane.dev/v1alpha1
kind: TrainingSet
metadata: {name: yields, namespace: farm}
spec:
  storeRef: {name: barn}
  observations: {parquet: {path: labels/}, timestampColumn: asked_at, label: litres_next, request: [season]}
  features:
  - {view: milk}
  - {view: milk, as: mother, keys: {cow: mother_id}, features: [fat]}
";

pub(crate) const MODEL: &str = r"
apiVersion: triplane.dev/v1alpha1
kind: Model
metadata: {name: yield-v1, namespace: farm}
spec:
  storeRef: {name: barn}
  format: LightGBM
  artifact: {path: models/yield.txt, sha256: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}
  inputs:
  - {feature: milk/litres}
  - {feature: mother/fat, allowOverride: true}
  - {request: season, type: Int32}
  views: [{as: mother, view: milk, keys: {cow: mother_id}}]
  output: {name: litres, type: Float64}
  baseline: {prediction: 21.5}
";

pub(crate) const SERVICE: &str = r"
apiVersion: triplane.dev/v1alpha1
kind: InferenceService
metadata: {name: yield, namespace: farm}
spec: {model: {name: yield-v1}}
";

/// Everything, at rest.
pub(crate) fn settled() -> crate::world::World {
    let mut world = crate::world::World::new("farm");
    for yaml in [STORE, VIEW, SET, MODEL, SERVICE] {
        world.apply(yaml);
    }
    world.settle();
    world.done.clear();
    world
}
