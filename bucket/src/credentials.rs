//! The credentials of a bucket, for both clients: read again when their files change, when they are about to expire, and when
//! S3 refuses them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::error::DisplayErrorContext;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::OnceCell;
use triplane_contract::store::S3Credentials;

use crate::error::BucketError;

/// Temporary credentials are replaced this long before they expire: a request that was signed just before still gets there.
const BEFORE_EXPIRY: Duration = Duration::from_mins(5);

const KEY_ID: &str = "accessKeyId";
const SECRET: &str = "secretAccessKey";
const TOKEN: &str = "sessionToken";

/// Where credentials come from, and the ones in use.
///
/// They are looked at without waiting and read by tasks of their own: whoever waits for them may be a stream that nobody polls
/// for a while, and must not keep others waiting.
#[derive(Clone, Debug)]
pub(crate) struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: String,
    source: Source,
    held: Mutex<Option<Held>>,
    /// One reads at a time.
    turn: tokio::sync::Mutex<()>,
    /// Rises with each set of credentials that differs from the one before.
    generation: AtomicU64,
}

#[derive(Debug)]
enum Source {
    Files(PathBuf),
    Chain {
        region: String,
        provider: OnceCell<SharedCredentialsProvider>,
    },
}

/// `Keys` shows no secret when printed.
#[derive(Clone, Debug)]
struct Held {
    keys: Keys,
    stamp: Stamp,
}

/// What the files were when they were read: inode, size and time of change of each. Empty for the chain.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

impl Credentials {
    /// Credentials for `bucket`; nothing is read yet. Roles are assumed in `region`.
    pub(crate) fn new(bucket: &str, source: &S3Credentials, region: &str) -> Self {
        let source = match source {
            S3Credentials::Files { directory } => Source::Files(directory.into()),
            S3Credentials::Chain => Source::Chain {
                region: region.to_owned(),
                provider: OnceCell::new(),
            },
        };
        Self(Arc::new(Inner {
            bucket: bucket.to_owned(),
            source,
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            generation: AtomicU64::new(0),
        }))
    }

    /// Which credentials are in use now: a number to give to `renew`.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// After a refusal of the credentials that were in use at `seen`: whether others are in use now. Reads the source anew
    /// where nobody has since.
    pub(crate) async fn renew(&self, seen: u64) -> bool {
        let inner = Arc::clone(&self.0);
        let renewed = tokio::spawn(async move {
            let _turn = inner.turn.lock().await;
            if inner.generation.load(Ordering::Acquire) == seen
                && let Ok(read) = inner.read().await
            {
                inner.hold(read);
            }
        });
        // A task that did not end has renewed nothing.
        renewed.await.is_ok() && self.generation() != seen
    }

    async fn current(&self) -> Result<Keys, BucketError> {
        if let Some(keys) = self.0.good() {
            return Ok(keys);
        }
        let inner = Arc::clone(&self.0);
        let read = tokio::spawn(async move {
            let _turn = inner.turn.lock().await;
            if let Some(keys) = inner.good() {
                return Ok(keys);
            }
            match (inner.read().await, inner.any()) {
                (Ok(read), _) => Ok(inner.hold(read)),
                // The old ones may do for another while; S3 will say.
                (Err(error), Some(old)) => {
                    tracing::warn!("the credentials could not be read again: {error}");
                    Ok(old)
                }
                (Err(error), None) => Err(error),
            }
        });
        read.await
            .unwrap_or_else(|error| Err(self.0.missing(error.to_string())))
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, read: Held) -> Keys {
        let keys = read.keys.clone();
        let mut held = self.held();
        if held.as_ref().is_none_or(|held| held.keys != keys) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        *held = Some(read);
        keys
    }

    /// The ones in use, good or not.
    fn any(&self) -> Option<Keys> {
        self.held().as_ref().map(|held| held.keys.clone())
    }

    /// The ones in use, while they are good.
    fn good(&self) -> Option<Keys> {
        let held = self.held();
        let good = held.as_ref().filter(|held| match &self.source {
            Source::Files(directory) => stamp(directory) == held.stamp,
            Source::Chain { .. } => {
                let expiry = held.keys.expiry();
                expiry.is_none_or(|expiry| expiry > SystemTime::now() + BEFORE_EXPIRY)
            }
        });
        good.map(|held| held.keys.clone())
    }

    async fn read(&self) -> Result<Held, BucketError> {
        match &self.source {
            Source::Files(directory) => {
                // Taken before the reading: a change in between is seen the next time.
                let stamp = stamp(directory);
                let keys = read_files(directory).await.map_err(|message| self.missing(message))?;
                Ok(Held { keys, stamp })
            }
            Source::Chain { region, provider } => {
                let provider = provider.get_or_try_init(|| chain(region)).await;
                let provider = provider.map_err(|message| self.missing(message))?;
                let keys = provider.provide_credentials().await.map_err(|error| {
                    let why = DisplayErrorContext(&error);
                    self.missing(format!(
                        "{why}: give the service account a role, or name a Secret in the store"
                    ))
                })?;
                Ok(Held {
                    keys,
                    stamp: Stamp::new(),
                })
            }
        }
    }

    fn missing(&self, message: String) -> BucketError {
        BucketError::NoCredentials {
            bucket: self.bucket.clone(),
            message,
        }
    }
}

/// What the surroundings offer, in the order that every AWS tool asks them.
async fn chain(region: &str) -> Result<SharedCredentialsProvider, String> {
    let surroundings = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned()));
    let found = surroundings.load().await.credentials_provider();
    found.ok_or_else(|| "this build has no provider of credentials".to_owned())
}

async fn read_files(directory: &Path) -> Result<Keys, String> {
    let id = read_file(directory, KEY_ID).await?;
    let secret = read_file(directory, SECRET).await?;
    let token = match tokio::fs::try_exists(directory.join(TOKEN)).await {
        Ok(true) => Some(read_file(directory, TOKEN).await?),
        _ => None,
    };
    // An empty token is what a Secret made from a template without one has.
    let token = token.filter(|token| !token.is_empty());
    Ok(Keys::new(id, secret, token, None, "mounted Secret"))
}

async fn read_file(directory: &Path, name: &str) -> Result<String, String> {
    let path = directory.join(name);
    let text = tokio::fs::read_to_string(&path).await;
    let text =
        text.map_err(|error| format!("failed to read {} ({error}): add the key to the Secret", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Three looks at a mounted folder, some microseconds.
fn stamp(directory: &Path) -> Stamp {
    let of = |meta: Metadata| (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec());
    let look = |name: &str| std::fs::metadata(directory.join(name)).ok().map(of);
    [KEY_ID, SECRET, TOKEN].map(look).to_vec()
}

/// For `object_store`.
#[derive(Debug)]
pub(crate) struct ForData(pub(crate) Credentials);

#[async_trait]
impl CredentialProvider for ForData {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let keys = self.0.current().await.map_err(BucketError::into_store)?;
        Ok(Arc::new(AwsCredential {
            key_id: keys.access_key_id().to_owned(),
            secret_key: keys.secret_access_key().to_owned(),
            token: keys.session_token().map(str::to_owned),
        }))
    }
}

/// For the AWS SDK, which is not to keep them itself.
#[derive(Debug)]
pub(crate) struct ForControl(pub(crate) Credentials);

impl ProvideCredentials for ForControl {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.0.current().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(directory: &Path, id: &str, secret: &str) {
        for (name, text) in [(KEY_ID, id), (SECRET, secret)] {
            std::fs::write(directory.join("part"), format!("{text}\n")).unwrap();
            std::fs::rename(directory.join("part"), directory.join(name)).unwrap();
        }
    }

    fn from(directory: &Path) -> Credentials {
        let source = S3Credentials::Files {
            directory: directory.display().to_string(),
        };
        Credentials::new("b", &source, "r")
    }

    #[tokio::test]
    async fn replaced_files_are_read_again_without_being_asked() {
        let folder = tempfile::tempdir().unwrap();
        secret(folder.path(), "one", "first");
        let credentials = from(folder.path());
        assert_eq!(credentials.current().await.unwrap().access_key_id(), "one");
        let seen = credentials.generation();
        assert!(!credentials.renew(seen).await, "nothing has changed");
        secret(folder.path(), "two", "second");
        let keys = credentials.current().await.unwrap();
        assert_eq!((keys.access_key_id(), keys.secret_access_key()), ("two", "second"));
        assert!(keys.session_token().is_none());
        assert!(credentials.renew(seen).await, "somebody has read them since");
    }

    #[tokio::test]
    async fn a_refusal_finds_what_was_replaced_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        secret(folder.path(), "one", "first");
        let credentials = from(folder.path());
        credentials.current().await.unwrap();
        let seen = credentials.generation();
        std::fs::write(folder.path().join(TOKEN), "token").unwrap();
        assert!(credentials.renew(seen).await);
        assert_eq!(credentials.current().await.unwrap().session_token(), Some("token"));
    }

    #[tokio::test]
    async fn who_waits_and_is_not_polled_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        secret(folder.path(), "one", "first");
        let credentials = from(folder.path());
        let mut asleep = Box::pin(credentials.current());
        assert!(futures::poll!(&mut asleep).is_pending());
        let other = tokio::time::timeout(Duration::from_secs(20), credentials.current()).await;
        assert_eq!(other.expect("not kept waiting").unwrap().access_key_id(), "one");
        assert_eq!(asleep.await.unwrap().access_key_id(), "one");
    }

    #[tokio::test]
    async fn a_missing_file_is_named_and_no_secret_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let error = from(folder.path()).current().await.unwrap_err();
        assert!(
            error.code() == "NoCredentials" && error.to_string().contains(KEY_ID),
            "{error}"
        );
        secret(folder.path(), "id", "very-secret");
        let credentials = from(folder.path());
        credentials.current().await.unwrap();
        let given = ForData(from(folder.path())).get_credential().await.unwrap();
        let shown = format!("{credentials:?} {given:?}");
        assert!(!shown.contains("very-secret"), "{shown}");
    }
}
