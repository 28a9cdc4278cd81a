//! The query over its sources, checked row by row, sorted, and merged with the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use triplane_contract::run::Source;

use super::TransformError;
use super::append::Appender;
use super::conform::Rule;
use super::judge::RowRules;
use super::known::known_rows;
use super::merge::{Sides, merge};
use super::output::{Checker, checked_schema};
use super::query::{Query, outputs, prepare, register};
use super::ranges::Ranges;
use super::reference::Reference;
use super::reject::RejectScope;
use super::source::{InputObject, SourceInput, SourceTable};
use super::step::{Attempt, Transformed};
use crate::engine::input;
use crate::offline::{CREATED_TIME, EVENT_DATE, EVENT_TIME, SEQUENCE, TableWriter, row_schema};
use crate::plan::Inventory;
use crate::progress::Step;
use crate::rows::Cursor;

/// Rows between two reports of progress.
const REPORT_EVERY: u64 = 50_000;

impl Attempt<'_> {
    /// Writes what the result of the query changes in `range`.
    pub(super) async fn difference(
        &self,
        references: &[Reference],
        after: &Inventory,
        range: Ranges,
        (scopes, result_scope): (&[RejectScope], RejectScope),
    ) -> Result<Transformed, TransformError> {
        let spec = self.inputs.spec;
        let mut tables = Vec::new();
        for (source, reference) in spec.transform.sources.iter().zip(references) {
            let table = register(self.engine.session(), &source.name, Arc::clone(&reference.schema));
            tables.push(table.map_err(|e| self.engine_error(e))?);
        }
        let query = prepare(self.engine.session(), &spec.view, &spec.transform).await?;
        for (((source, reference), table), scope) in
            spec.transform.sources.iter().zip(references).zip(&tables).zip(scopes)
        {
            let needed = needed(source, reference, query.needed.get(&source.name));
            self.provide(source, table, needed, after, &range, scope);
        }
        let result = self.result(&query, &range, result_scope).await?;
        self.write(result, &range).await
    }

    fn provide(
        &self,
        source: &Source,
        table: &SourceTable,
        needed: SchemaRef,
        after: &Inventory,
        range: &Ranges,
        scope: &RejectScope,
    ) {
        let (spec, plan) = (self.inputs.spec, &self.inputs.planned.plan);
        let reach = range.reaching_back(spec.transform.lookback_us);
        let arrived: BTreeSet<&str> = plan
            .arrived
            .iter()
            .filter(|o| o.source == source.name && !o.removed)
            .map(|o| o.path.as_str())
            .collect();
        let objects = after
            .objects()
            .filter(|o| o.source == source.name)
            .filter_map(|o| {
                let arrived = arrived.contains(o.path.as_str());
                let overlaps = o
                    .min_us
                    .zip(o.max_us)
                    .is_some_and(|(min, max)| reach.overlaps(min, max));
                let unreadable = o.unreadable.as_ref().or_else(|| self.broken.get(&o.path)).cloned();
                (arrived || overlaps).then(|| InputObject {
                    path: o.path.clone(),
                    arrived,
                    unreadable,
                })
            })
            .collect();
        let plain = spec.transform.query.is_none();
        let index = |name: &str| needed.index_of(name).ok();
        let rows = index(&spec.transform.timestamp_column)
            .filter(|_| plain)
            .map(|event_time| RowRules {
                keys: spec.view.keys.iter().filter_map(|key| index(&key.name)).collect(),
                event_time,
                planned_at_us: plan.planned_at_us,
            });
        table.provide(SourceInput {
            bucket: Arc::clone(self.inputs.bucket),
            objects,
            ranges: reach,
            timestamp_column: source.timestamp_column.clone(),
            needed,
            rule: if plain { Rule::Declared } else { Rule::Source },
            rows,
            scope: scope.clone(),
            findings: self.findings.clone(),
            batch_rows: self.engine.batch_rows(),
        });
    }

    async fn result(
        &self,
        query: &Query,
        range: &Ranges,
        scope: RejectScope,
    ) -> Result<Arc<dyn PartitionStream>, TransformError> {
        let spec = self.inputs.spec;
        let state = self.engine.session().state();
        let physical = state.query_planner().create_physical_plan(&query.plan, &state).await;
        let physical: Arc<dyn ExecutionPlan> = physical.map_err(|e| self.engine_error(e))?;
        let schema = checked_schema(&spec.view);
        let keys = spec.view.keys.len();
        let checker = Checker {
            schema: Arc::clone(&schema),
            rules: RowRules {
                keys: (0..keys).collect(),
                event_time: keys + spec.view.features.len(),
                planned_at_us: self.inputs.planned.plan.planned_at_us,
            },
            affected: range.clone(),
            created_us: self.created_us,
            scope,
        };
        debug_assert_eq!(
            physical.schema().fields().len(),
            outputs(&spec.view, &spec.transform).len()
        );
        Ok(input(schema, move |context| {
            let checker = checker.clone();
            match execute_stream(Arc::clone(&physical), context) {
                Ok(stream) => stream
                    .and_then(move |batch| futures::future::ready(checker.check(&batch)))
                    .boxed(),
                Err(error) => futures::stream::once(async move { Err(error) }).boxed(),
            }
        }))
    }

    async fn write(&self, result: Arc<dyn PartitionStream>, range: &Ranges) -> Result<Transformed, TransformError> {
        let (spec, view) = (self.inputs.spec, &self.inputs.spec.view);
        let engine = &self.engine;
        let keys: Vec<&str> = view.keys.iter().map(|key| key.name.as_str()).collect();
        let sort =
            |extra: &[&'static str]| [&[EVENT_DATE], keys.as_slice(), &[EVENT_TIME, CREATED_TIME], extra].concat();
        let known = known_rows(self.inputs.table, view, range, engine.batch_rows())?;
        let open = |input: Arc<dyn PartitionStream>, extra: &[&'static str]| {
            let schema = Arc::clone(input.schema());
            let identity = [&[EVENT_DATE], keys.as_slice(), &[EVENT_TIME]].concat();
            let places = identity
                .iter()
                .map(|name| schema.index_of(name))
                .collect::<Result<Vec<_>, _>>()?;
            Cursor::new(engine.sorted(input, &sort(extra))?, places)
        };
        let work = async {
            let (mut result, mut known) = (open(result, &[])?, open(known, &[SEQUENCE])?);
            result.prime().await?;
            let writer = TableWriter::new(
                Arc::clone(self.inputs.bucket),
                self.root.clone(),
                self.stem(),
                row_schema(view),
            );
            let run = self.inputs.planned.plan.run;
            let mut appender = Appender::new(
                writer,
                row_schema(view),
                keys.len(),
                run,
                self.created_us,
                engine.batch_rows(),
            );
            let name = view.full_name();
            let seen = |rows: u64| {
                if rows.is_multiple_of(REPORT_EVERY) {
                    self.inputs.progress.report(&name, &Step::Transformed { rows });
                }
            };
            let rows = merge(&Sides::new(view)?, &mut result, &mut known, &mut appender, seen).await?;
            self.inputs.progress.report(&name, &Step::Transformed { rows });
            let (writer, appended) = appender.finish().await?;
            let files = writer
                .finish()
                .await
                .map_err(|e| DataFusionError::External(Box::new(e)))?;
            Ok(Transformed { files, appended })
        };
        work.await
            .map_err(|e| TransformError::engine(&view.full_name(), spec.memory_limit_bytes, e))
    }

    /// Everything the rows are made from, as a name: the run, the content of the inputs, the table, the build.
    fn stem(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(self.inputs.table.version().to_le_bytes());
        for line in self.findings.contents() {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        let digest = hex::encode(&hash.finalize()[..8]);
        format!("run-{:010}-{digest}", self.inputs.planned.plan.run)
    }
}

/// Columns to read of a source, in its own order.
fn needed(source: &Source, reference: &Reference, wanted: Option<&BTreeSet<String>>) -> SchemaRef {
    let fields = reference.schema.fields().iter().filter(|field| {
        field.name() == &source.timestamp_column || wanted.is_some_and(|names| names.contains(field.name()))
    });
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}
