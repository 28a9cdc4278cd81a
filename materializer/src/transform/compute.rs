//! The query over its sources, checked row by row, sorted, and merged with the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use triplane_contract::run::{PlannedObject, Source};

use super::TransformError;
use super::append::Appender;
use super::conform::Rule;
use super::judge::RowRules;
use super::known::known_rows;
use super::merge::{Sides, merge};
use super::output::{Checker, checked_schema};
use super::query::{Query, is_time, outputs, prepare, register};
use super::ranges::{Ranges, Reach, affected};
use super::reference::{Reference, fix};
use super::reject::RejectScope;
use super::source::{FILE_RANK, InputObject, SourceInput, SourceTable};
use super::step::{Attempt, Transformed};
use crate::engine::input;
use crate::offline::{CREATED_TIME, EVENT_DATE, EVENT_TIME, SEQUENCE, TableWriter, row_schema};
use crate::plan::Inventory;
use crate::progress::Step;
use crate::rows::Cursor;

/// Rows between two reports of progress.
const REPORT_EVERY: u64 = 50_000;

/// A query that may run, over the columns that are fixed for the generation.
struct Prepared {
    query: Query,
    tables: Vec<Arc<SourceTable>>,
    references: Vec<Reference>,
}

impl Attempt<'_> {
    /// Writes what the result of the query over sources with the columns of `references` changes in the table.
    pub(super) async fn difference(
        &self,
        references: Vec<Reference>,
        after: &Inventory,
        (scopes, result_scope): (&[RejectScope], RejectScope),
    ) -> Result<Transformed, TransformError> {
        let (spec, planned) = (self.inputs.spec, self.inputs.planned);
        let Prepared {
            query,
            tables,
            references,
        } = self.fixed(references).await?;
        let reach = Reach {
            back_us: spec.transform.lookback_us,
            ahead_us: if query.both_ways { spec.transform.lookback_us } else { 0 },
        };
        // Until a source's columns are fixed there are no rows: then everything is new, wherever the query puts it.
        let from_scratch = references.iter().any(|reference| reference.run == planned.plan.run);
        let range = if from_scratch {
            Ranges::everything()
        } else {
            affected(&planned.plan, &planned.before, reach)
        };
        let input = range.reaching(reach);
        for (((source, reference), table), scope) in
            spec.transform.sources.iter().zip(&references).zip(&tables).zip(scopes)
        {
            let needed = needed(source, reference, query.needed.get(&source.name));
            self.provide(source, table, needed, after, &input, scope);
        }
        let result = self.result(&query, &range, result_scope).await?;
        self.write(result, &range).await
    }

    /// Fixes columns that are only proposed once the query has been found valid over them: a first upload that is wrong
    /// may still be replaced.
    async fn fixed(&self, references: Vec<Reference>) -> Result<Prepared, TransformError> {
        let sources = &self.inputs.spec.transform.sources;
        let proposed = sources
            .iter()
            .zip(&references)
            .filter(|(_, reference)| !reference.is_fixed);
        let proposed: Vec<&str> = proposed.map(|(source, _)| source.path.as_str()).collect();
        let prepared = self.prepared(references).await;
        let prepared = prepared.map_err(|error| error.over_first_files(&proposed))?;
        let (mut fixed, mut differs) = (Vec::new(), false);
        for (source, reference) in sources.iter().zip(&prepared.references) {
            fixed.push(if reference.is_fixed {
                reference.clone()
            } else {
                let first = fix(self.inputs.bucket, &self.root, &source.name, reference).await?;
                differs |= first.schema != reference.schema;
                first
            });
        }
        if differs {
            return self.prepared(fixed).await;
        }
        Ok(Prepared {
            references: fixed,
            ..prepared
        })
    }

    async fn prepared(&self, references: Vec<Reference>) -> Result<Prepared, TransformError> {
        let (spec, session) = (self.inputs.spec, self.engine.session());
        let mut tables = Vec::new();
        for (source, reference) in spec.transform.sources.iter().zip(&references) {
            let column = &source.timestamp_column;
            if !is_time(&reference.schema, column) {
                let found = reference.schema.field_with_name(column);
                let found = found.map_or_else(|_| "missing".to_owned(), |field| field.data_type().to_string());
                return Err(TransformError::SourceTime {
                    name: source.name.clone(),
                    column: column.clone(),
                    found,
                });
            }
            let table = register(session, &source.name, Arc::clone(&reference.schema));
            tables.push(table.map_err(|e| self.engine_error(e))?);
        }
        let query = prepare(session, &spec.view, &spec.transform).await?;
        Ok(Prepared {
            query,
            tables,
            references,
        })
    }

    fn provide(
        &self,
        source: &Source,
        table: &SourceTable,
        needed: SchemaRef,
        after: &Inventory,
        input: &Ranges,
        scope: &RejectScope,
    ) {
        let (spec, plan) = (self.inputs.spec, &self.inputs.planned.plan);
        let arrived: BTreeSet<&str> = plan
            .arrived
            .iter()
            .filter(|o| o.source == source.name && !o.removed)
            .map(|o| o.path.as_str())
            .collect();
        let of_source: Vec<&PlannedObject> = after.objects().filter(|o| o.source == source.name).collect();
        let ranks = ranks(&of_source);
        let objects = of_source
            .into_iter()
            .zip(ranks)
            .filter_map(|(o, rank)| {
                let arrived = arrived.contains(o.path.as_str());
                let overlaps = o
                    .min_us
                    .zip(o.max_us)
                    .is_some_and(|(min, max)| input.overlaps(min, max));
                let unreadable = o.unreadable.as_ref().or_else(|| self.broken.get(&o.path)).cloned();
                (arrived || overlaps).then(|| InputObject {
                    path: o.path.clone(),
                    etag: o.etag.clone(),
                    rank,
                    arrived,
                    unreadable,
                })
            })
            .collect();
        let as_is = spec.transform.query.is_none();
        let index = |name: &str| needed.index_of(name).ok();
        let rules = index(&spec.transform.timestamp_column)
            .filter(|_| as_is)
            .map(|event_time| RowRules {
                keys: spec.view.keys.iter().filter_map(|key| index(&key.name)).collect(),
                event_time,
                planned_at_us: plan.planned_at_us,
            });
        table.provide(SourceInput {
            bucket: Arc::clone(self.inputs.bucket),
            name: source.name.clone(),
            objects,
            ranges: input.clone(),
            timestamp_column: source.timestamp_column.clone(),
            needed,
            rule: if as_is { Rule::Declared } else { Rule::Source },
            rows: rules,
            scope: scope.clone(),
            findings: self.findings.clone(),
            batch_rows: self.engine.batch_rows(),
            budget: self.engine.reading(),
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
            ranked: spec.transform.query.is_none(),
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
                self.stem()?,
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
            let count = |rows: u64| {
                if rows.is_multiple_of(REPORT_EVERY) {
                    self.inputs.progress.report(&name, &Step::Transformed { rows });
                }
            };
            let rows = merge(&Sides::new(view)?, &mut result, &mut known, &mut appender, count).await?;
            self.inputs.progress.report(&name, &Step::Transformed { rows });
            let (writer, rows) = appender.finish().await?;
            let files = writer
                .finish()
                .await
                .map_err(|e| DataFusionError::External(Box::new(e)))?;
            Ok(Transformed { files, appended: rows })
        };
        work.await
            .map_err(|e| TransformError::engine(&view.full_name(), spec.memory_limit_bytes, e))
    }

    /// Everything the rows are made from, as a name: the run, the definition, the content of the inputs, the table, the
    /// build.
    fn stem(&self) -> Result<String, DataFusionError> {
        let spec = self.inputs.spec;
        let definition = serde_json::to_vec(&(&spec.view, &spec.transform));
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(definition.map_err(|e| DataFusionError::External(Box::new(e)))?);
        hash.update(self.inputs.table.version().to_le_bytes());
        for line in self.findings.contents() {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        let digest = hex::encode(&hash.finalize()[..8]);
        Ok(format!("run-{:010}-{digest}", self.inputs.planned.plan.run))
    }
}

/// The place of each object by (Last-Modified, path) as they were planned: of two files with one row the newer counts.
fn ranks(objects: &[&PlannedObject]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|&index| (objects[index].last_modified_us, &objects[index].path));
    let mut ranks = vec![0; objects.len()];
    for (rank, index) in (0..).zip(order) {
        ranks[index] = rank;
    }
    ranks
}

/// Columns to read of a source, in its own order.
fn needed(source: &Source, reference: &Reference, wanted: Option<&BTreeSet<String>>) -> SchemaRef {
    let fields = reference.schema.fields().iter().filter(|field| {
        let asked = wanted.is_some_and(|names| names.contains(field.name())) && field.name() != FILE_RANK;
        asked || field.name() == &source.timestamp_column
    });
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}
