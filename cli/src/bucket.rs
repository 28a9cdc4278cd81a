//! How a bucket is written on the command line: a folder, or `s3://NAME` with `--endpoint`, `--region` and `--credentials-file`.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use triplane_contract::store::{OfflineAccess, S3Credentials};

/// A bucket as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// A folder that stands for it.
    Folder(PathBuf),
    /// A bucket on S3, by name.
    S3(String),
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3(name) => write!(f, "s3://{name}"),
        }
    }
}

/// The flags of a bucket.
#[derive(Clone, Debug, Default, Args)]
pub struct BucketSettings {
    /// Folder that stands for the bucket, or `s3://NAME` [default: `bucket` in the state folder]
    #[arg(long, value_name = "DIR|s3://NAME", value_parser = parse, value_hint = ValueHint::DirPath)]
    pub bucket: Option<Bucket>,
    /// URL of the S3 service [default: AWS]
    #[arg(long, value_name = "URL", requires = "bucket")]
    pub endpoint: Option<String>,
    /// Region of the bucket [default: `$AWS_REGION`, else us-east-1]
    #[arg(long, requires = "bucket")]
    pub region: Option<String>,
    /// Folder with the files accessKeyId and secretAccessKey, as a Secret is mounted [default: environment, profile, role]
    #[arg(long, value_name = "DIR", requires = "bucket", value_hint = ValueHint::DirPath)]
    pub credentials_file: Option<PathBuf>,
}

/// Reads `--bucket`; the error says what to write.
pub fn parse(text: &str) -> Result<Bucket, String> {
    let Some(name) = text.strip_prefix("s3://") else {
        return match text.split_once("://") {
            Some((scheme, _)) => Err(format!("{scheme}:// is no bucket: write a folder or s3://NAME")),
            None => Ok(Bucket::Folder(text.into())),
        };
    };
    let name = name.trim_end_matches('/');
    if name.contains('/') {
        return Err(format!(
            "s3://{name} names more than a bucket: write s3://NAME, the prefix is spec.offline.s3.prefix of the FeatureStore"
        ));
    }
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.len() < 3 || name.len() > 63 || !name.chars().all(is_name) {
        return Err(format!("{name:?} is no name of a bucket: 3 to 63 of a-z, 0-9, - and ."));
    }
    Ok(Bucket::S3(name.to_owned()))
}

impl BucketSettings {
    /// How contract files name the bucket; `folder` stands for it where no other was named.
    pub fn access(&self, folder: &Path) -> Result<OfflineAccess, String> {
        match &self.bucket {
            Some(Bucket::S3(name)) => Ok(OfflineAccess::S3 {
                bucket: name.clone(),
                endpoint: self.endpoint.clone(),
                region: self.region.clone(),
                credentials: self.credentials()?,
            }),
            _ => Ok(OfflineAccess::Directory {
                path: folder.display().to_string(),
            }),
        }
    }

    fn credentials(&self) -> Result<S3Credentials, String> {
        let Some(folder) = &self.credentials_file else {
            return Ok(S3Credentials::Chain);
        };
        let path = std::path::absolute(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if !path.is_dir() {
            return Err(format!(
                "--credentials-file {}: no such folder; it holds the files accessKeyId and secretAccessKey",
                folder.display()
            ));
        }
        Ok(S3Credentials::Files {
            directory: path.display().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_folder_or_a_name_on_s3() {
        assert_eq!(parse("./bucket"), Ok(Bucket::Folder("./bucket".into())));
        assert_eq!(parse("s3://features/"), Ok(Bucket::S3("features".to_owned())));
        for (text, part) in [
            ("gs://features", "write a folder or s3://NAME"),
            ("s3://features/prefix", "spec.offline.s3.prefix"),
            ("s3://Features", "is no name of a bucket"),
            ("s3://", "is no name of a bucket"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn credentials_are_named_and_never_read_here() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = BucketSettings {
            bucket: Some(Bucket::S3("features".to_owned())),
            credentials_file: Some(folder.path().to_owned()),
            ..BucketSettings::default()
        };
        let access = settings.access(Path::new("unused")).unwrap();
        assert!(matches!(
            access,
            OfflineAccess::S3 {
                credentials: S3Credentials::Files { .. },
                ..
            }
        ));
        settings.credentials_file = Some(folder.path().join("missing"));
        assert!(
            settings
                .access(Path::new("unused"))
                .unwrap_err()
                .contains("no such folder")
        );
        settings.credentials_file = None;
        let access = settings.access(Path::new("unused")).unwrap();
        assert!(matches!(
            access,
            OfflineAccess::S3 {
                credentials: S3Credentials::Chain,
                ..
            }
        ));
    }
}
