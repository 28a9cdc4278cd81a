//! The CustomResourceDefinitions as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::v1alpha1::{FeatureStore, FeatureView, InferenceService, Model, TrainingSet};

/// The definition of every kind, in the order a user meets them.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        FeatureStore::crd(),
        FeatureView::crd(),
        TrainingSet::crd(),
        Model::crd(),
        InferenceService::crd(),
    ]
    .into_iter()
    .map(without_null)
    .collect()
}

/// Absence is the only way to say nothing: `null` is not a value of any field.
fn without_null(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            refuse_null(schema);
        }
    }
    crd
}

fn refuse_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        refuse_null(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        refuse_null(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        refuse_null(values);
    }
}
