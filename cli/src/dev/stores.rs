//! The stores of this machine: one online store and one bucket for every FeatureStore.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use triplane_feature_store::Clock;
use triplane_feature_store::online::{self, OnlineStore};
use triplane_materializer::Environment;
use triplane_plan::feature_store::observed::Reach;

use super::place::Place;

/// How often the stores are asked whether they answer.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long they may take.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// The stores, as far as they could be reached.
pub struct Stores {
    place: Place,
    clock: Arc<dyn Clock>,
    passing: Arc<dyn Clock>,
    scratch: PathBuf,
    environment: Option<Environment>,
    reach: Reach,
    looked: Option<Instant>,
}

impl Stores {
    /// Stores that have not been asked yet: `clock` is the data's, `passing` tells how long a store has been away.
    pub fn new(place: Place, clock: Arc<dyn Clock>, passing: Arc<dyn Clock>, scratch: PathBuf) -> Self {
        Self {
            place,
            clock,
            passing,
            scratch,
            environment: None,
            reach: Reach::Unknown,
            looked: None,
        }
    }

    /// What jobs work with; `None` until the stores were reached once.
    pub fn environment(&self) -> Option<&Environment> {
        self.environment.as_ref()
    }

    /// The store in this process, once it is there.
    pub fn memory(&self) -> Option<Arc<dyn OnlineStore>> {
        self.environment
            .as_ref()
            .map(|environment| Arc::clone(&environment.online))
    }

    /// Whether the stores answer; asked at most every two seconds.
    pub async fn look(&mut self) -> Reach {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            let answer = tokio::time::timeout(LOOK_LIMIT, self.ask()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())));
            self.reach = match (answer, &self.reach) {
                (Ok(()), _) => Reach::Up,
                (Err(message), Reach::Down { since_us, .. }) => Reach::Down {
                    message,
                    since_us: *since_us,
                },
                (Err(message), _) => Reach::Down {
                    message,
                    since_us: self.passing.now_us(),
                },
            };
            self.looked = Some(Instant::now());
        }
        self.reach.clone()
    }

    async fn ask(&mut self) -> Result<(), String> {
        if let Some(environment) = &self.environment {
            return environment.online.ping().await.map_err(|error| error.to_string());
        }
        let bucket = self.place.open_bucket().await?;
        let online = online::connect(&self.place.online, Arc::clone(&self.clock))
            .await
            .map_err(|e| e.to_string())?;
        online.ping().await.map_err(|error| error.to_string())?;
        let (clock, scratch) = (Arc::clone(&self.clock), self.scratch.clone());
        self.environment = Some(Environment {
            bucket,
            online,
            clock,
            scratch,
        });
        Ok(())
    }
}
