//! A bucket from its description in a contract file.

use std::sync::Arc;

use aws_sdk_s3::config::retry::RetryConfig as ControlRetry;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use snafu::ResultExt;
use triplane_contract::store::{OfflineAccess, S3Credentials};

use crate::credentials::{Credentials, ForControl, ForData};
use crate::error::{BucketError, DirectorySnafu};
use crate::retry::Policy;
use crate::s3::{Bucket, CONNECT_LIMIT};
use crate::s3_store::S3Store;

/// Region where neither the store nor the surroundings name one.
const REGION: &str = "us-east-1";

/// Opens the bucket of a FeatureStore. Nothing is asked of it yet; [`crate::preflight`] does.
pub fn open(access: &OfflineAccess) -> Result<Arc<dyn ObjectStore>, BucketError> {
    match access {
        OfflineAccess::Directory { path } => {
            let directory = LocalFileSystem::new_with_prefix(path).context(DirectorySnafu { path })?;
            Ok(Arc::new(directory.with_automatic_cleanup(false)))
        }
        OfflineAccess::S3 {
            bucket,
            endpoint,
            region,
            credentials,
        } => {
            let place = Place::new(bucket, endpoint.as_deref(), region.as_deref());
            Ok(Arc::new(S3Store(Arc::new(place.bucket(credentials, Policy::PATIENT)?))))
        }
    }
}

/// Where a bucket is.
pub(crate) struct Place<'a> {
    bucket: &'a str,
    endpoint: Option<&'a str>,
    region: String,
}

impl<'a> Place<'a> {
    pub(crate) fn new(bucket: &'a str, endpoint: Option<&'a str>, region: Option<&str>) -> Self {
        let surroundings = || {
            ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
        };
        let region = region.map(str::to_owned).or_else(surroundings);
        Self {
            bucket,
            endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/')),
            region: region
                .filter(|region| !region.is_empty())
                .unwrap_or_else(|| REGION.into()),
        }
    }

    /// Both clients with one source of credentials; neither tries again by itself.
    pub(crate) fn bucket(&self, credentials: &S3Credentials, policy: Policy) -> Result<Bucket, BucketError> {
        let is_url = |endpoint: &str| endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if let Some(endpoint) = self.endpoint.filter(|endpoint| !is_url(endpoint)) {
            let message = format!("its endpoint {endpoint} does not begin with http:// or https://: write the scheme");
            return Err(self.settings(message));
        }
        let credentials = Credentials::new(self.bucket, credentials, &self.region);
        Ok(Bucket {
            name: self.bucket.to_owned(),
            endpoint: self
                .endpoint
                .map_or_else(|| format!("AWS, region {}", self.region), str::to_owned),
            region: self.region.clone(),
            data: self.data(&credentials)?,
            control: self.control(&credentials),
            credentials,
            policy,
        })
    }

    fn data(&self, credentials: &Credentials) -> Result<AmazonS3, BucketError> {
        let allow_http = self.endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        // Bodies have a pace and requests a limit of their own: a whole deadline would cut a large object on a slow line.
        let options = ClientOptions::new()
            .with_allow_http(allow_http)
            .with_connect_timeout(CONNECT_LIMIT)
            .with_timeout_disabled();
        let builder = AmazonS3Builder::new()
            .with_bucket_name(self.bucket)
            .with_region(&self.region)
            .with_credentials(Arc::new(ForData(credentials.clone())))
            .with_client_options(options)
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            });
        let builder = match self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint),
            // A name with dots has no certificate as a host name.
            None => builder.with_virtual_hosted_style_request(!self.bucket.contains('.')),
        };
        builder.build().map_err(|error| self.settings(error.to_string()))
    }

    fn control(&self, credentials: &Credentials) -> aws_sdk_s3::Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(ForControl(credentials.clone()))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(ControlRetry::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let config = match self.endpoint {
            // Other servers do not all know the checksums that AWS adds by default, nor buckets as host names.
            Some(endpoint) => config
                .endpoint_url(endpoint)
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired),
            None => config,
        };
        aws_sdk_s3::Client::from_conf(config.build())
    }

    fn settings(&self, message: String) -> BucketError {
        BucketError::Settings {
            bucket: self.bucket.to_owned(),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_to_exist_and_an_endpoint_needs_its_scheme() {
        let missing = OfflineAccess::Directory {
            path: "/nowhere/at/all".into(),
        };
        let error = open(&missing).unwrap_err();
        assert_eq!(error.code(), "BucketMissing", "{error}");
        let access = OfflineAccess::S3 {
            bucket: "b".into(),
            endpoint: Some("minio:9000".into()),
            region: None,
            credentials: S3Credentials::Chain,
        };
        let error = open(&access).unwrap_err();
        assert!(
            error.code() == "InvalidBucket" && error.to_string().contains("minio:9000"),
            "{error}"
        );
    }

    #[test]
    fn a_bucket_is_shown_without_its_credentials() {
        let access = OfflineAccess::S3 {
            bucket: "farm".into(),
            endpoint: Some("http://127.0.0.1:9/".into()),
            region: Some("r".into()),
            credentials: S3Credentials::Files {
                directory: "/secret".into(),
            },
        };
        let shown = format!("{:?}", open(&access).unwrap());
        assert_eq!(shown, "S3Store(S3(farm at http://127.0.0.1:9))");
    }
}
