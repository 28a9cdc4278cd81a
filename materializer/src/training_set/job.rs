//! Building a set that does not exist yet: join every view, then write the rows and measure them in one pass.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use snafu::{OptionExt, ResultExt};
use triplane_contract::training::{PinnedView, TrainingSetManifest, TrainingSetSpec};
use triplane_contract::version as contract;

use super::error::{ColumnsSnafu, JoinSnafu, StoppedSnafu, TableSnafu, TrainingSetError};
use super::layout::{LaidView, SetLayout};
use super::observations::Observations;
use super::statistics::Statistics;
use super::survey::Survey;
use super::writer::PartWriter;
use super::{bridge, facts, output};
use crate::environment::Environment;
use crate::join::{JoinError, Scratch, Shares, ViewAnswers, ViewJoin, event_times};
use crate::offline::Table;
use crate::progress::{Progress, Step};

/// Views that are joined at the same time.
const AT_ONCE: usize = 2;

/// A set that does not exist yet, with its inputs pinned.
pub(super) struct Job<'a> {
    pub(super) spec: &'a TrainingSetSpec,
    pub(super) env: &'a Environment,
    pub(super) observations: Observations,
    pub(super) layout: SetLayout,
    pub(super) tables: Vec<Table>,
    pub(super) survey: Survey,
}

impl Job<'_> {
    /// The answers of every view, in the order of the spec.
    pub(super) async fn join(&self, progress: &dyn Progress) -> Result<Vec<ViewAnswers>, TrainingSetError> {
        let set = &self.spec.name;
        let views = self.layout.views.len();
        let shares = Shares::of(self.spec.memory_limit_bytes, views, AT_ONCE.min(views));
        let scratch = Scratch::create(&self.env.scratch).context(JoinSnafu { set, view: "(all)" })?;
        let joins = self.layout.views.iter().zip(&self.tables).map(|(view, table)| {
            let scratch = Arc::clone(&scratch);
            async move {
                let answers = self.join_view(view, table, shares, scratch).await?;
                progress.report(
                    &view.joined.view.full_name(),
                    &Step::Joined {
                        rows: self.survey.rows,
                        found: answers.fresh(),
                    },
                );
                Ok(answers)
            }
        });
        // Boxed: the compiler cannot see through so many borrowed futures otherwise.
        futures::stream::iter(joins.collect::<Vec<_>>())
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn join_view(
        &self,
        view: &LaidView,
        table: &Table,
        shares: Shares,
        scratch: Arc<Scratch>,
    ) -> Result<ViewAnswers, TrainingSetError> {
        let (set, name) = (self.spec.name.clone(), view.joined.alias.clone());
        let asks = bridge::blocking(self.observations.rows(Some(&view.asked)));
        let facts = match self
            .survey
            .as_of_us
            .and_then(|as_of_us| event_times(&view.joined.view, as_of_us))
        {
            Some(range) => facts::facts(table, &view.joined.view, &view.features, range)
                .context(TableSnafu { set: &set, view: &name })?,
            None => futures::stream::empty().boxed(),
        };
        let facts = bridge::blocking(facts);
        let (view, rows) = (view.clone(), self.survey.rows);
        let joined = tokio::task::spawn_blocking(move || {
            let join = ViewJoin {
                view: &view.joined.view,
                features: &view.features,
                rows,
                shares,
            };
            let input = |message: String| JoinError::Input { message };
            let asks = asks.map(|batch| batch.map_err(|error| input(error.to_string())));
            let facts = facts.map(|batch| batch.map_err(|error| input(error.to_string())));
            join.run(asks, facts, &scratch)
        });
        let joined = joined.await.ok().context(StoppedSnafu { set: &set, view: &name })?;
        joined.context(JoinSnafu { set: &set, view: &name })
    }

    /// Writes the files of the set; the manifest is the caller's to put.
    pub(super) async fn write(
        &self,
        root: &str,
        set_version: &str,
        pinned: Vec<PinnedView>,
        mut answers: Vec<ViewAnswers>,
    ) -> Result<TrainingSetManifest, TrainingSetError> {
        let set = self.spec.name.as_str();
        let found = self.layout.views.iter().zip(&answers).map(|(view, answers)| {
            let share = if self.survey.rows == 0 {
                0.0
            } else {
                answers.fresh() as f64 / self.survey.rows as f64
            };
            (view.joined.alias.clone(), share)
        });
        let found = found.collect();
        let mut writer = PartWriter::new(set, &self.env.bucket, root, &self.layout.schema);
        let mut statistics = Statistics::new(&self.layout);
        let mut observed = self.observations.rows(None);
        while let Some(batch) = observed.try_next().await? {
            let rows = self.beside(&batch, &mut answers)?;
            statistics.add(&rows).context(ColumnsSnafu {
                set,
                step: "measure columns",
            })?;
            writer.write(&rows).await?;
        }
        Ok(TrainingSetManifest {
            version: contract::CURRENT,
            name: set.to_owned(),
            set_version: set_version.to_owned(),
            observation_digest: self.survey.digest.clone(),
            views: pinned,
            rows: self.survey.rows,
            found,
            columns: self.layout.columns(),
            files: writer.finish().await?,
            statistics: statistics.finish(),
        })
    }

    /// The answers to a batch of observations, beside it.
    fn beside(&self, observed: &RecordBatch, answers: &mut [ViewAnswers]) -> Result<RecordBatch, TrainingSetError> {
        let set = &self.spec.name;
        let views = self.layout.views.iter().zip(answers);
        let taken = views.map(|(view, answers)| {
            answers.take(observed.num_rows()).context(JoinSnafu {
                set,
                view: &view.joined.alias,
            })
        });
        let taken = taken.collect::<Result<Vec<_>, _>>()?;
        output::rows(&self.layout.schema, observed, &taken).context(ColumnsSnafu {
            set,
            step: "put columns together",
        })
    }
}
