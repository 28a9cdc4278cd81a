//! Open Inference Protocol v2 over REST, JSON tensors.

mod decode;
mod encode;
mod metadata;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use metadata::{model_metadata, model_ready, server_metadata};

use crate::problem::{Code, Problem};
use crate::service::{Service, Variant};

/// The model that answers for a version: without one, the stable model.
pub(super) fn variant<'s>(service: &'s Service, version: Option<&str>) -> Result<&'s Variant, Problem> {
    let stable = &service.stable;
    match version {
        None => Ok(stable),
        Some(version) if version == stable.version => Ok(stable),
        Some(version) => {
            let message = format!(
                "model {} has no version \"{version}\": it serves {}",
                service.name, stable.version
            );
            Err(Problem::new(Code::UnknownModel, message))
        }
    }
}
