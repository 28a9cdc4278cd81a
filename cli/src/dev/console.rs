//! What `triplane dev` says: a line per object while it gets ready, then a table.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use triplane_crds::columns;
use triplane_materializer::progress::Step;

use crate::manifest::Problem;

/// Characters of a message on a line.
const MESSAGE_LENGTH: usize = 100;

/// Where an object stands, as far as a line shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    ready: String,
    reason: String,
    message: String,
}

/// Writes to standard output: on a terminal lines are kept up to date, elsewhere each change is a new line.
pub struct Console {
    started: Instant,
    bars: Option<MultiProgress>,
    lines: BTreeMap<String, (Standing, Option<ProgressBar>)>,
    problems: Vec<Problem>,
}

impl Console {
    /// A console that counts time from now.
    pub fn new() -> Self {
        let bars = std::io::stdout().is_terminal().then(MultiProgress::new);
        Self {
            started: Instant::now(),
            bars,
            lines: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// A sentence of its own.
    pub fn say(&self, text: &str) {
        let write = || {
            // A closed standard output is no reason to stop serving.
            let _ = writeln!(std::io::stdout(), "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Says what has to be mended, once until it changes.
    pub fn show_problems(&mut self, problems: &[Problem]) {
        if self.problems != problems {
            problems
                .iter()
                .filter(|problem| !self.problems.contains(problem))
                .for_each(|p| self.say(&format!("! {p}")));
            self.problems = problems.to_vec();
        }
    }

    /// Brings the line of each object up to date and forgets objects that are gone.
    pub fn show(&mut self, objects: &[Value]) {
        let mut names = Vec::new();
        for object in objects {
            let name = title_of(object);
            let standing = standing(object);
            let known = self.lines.get(&name).is_some_and(|(known, _)| *known == standing);
            if !known {
                self.update(&name, standing);
            }
            names.push(name);
        }
        self.lines.retain(|name, (_, bar)| {
            let stays = names.contains(name);
            if let (false, Some(bar)) = (stays, bar.as_ref()) {
                bar.finish_and_clear();
            }
            stays
        });
    }

    /// What work on an object is doing; shown on a terminal only, for it changes often.
    pub fn step(&self, kind: &str, name: &str, step: &Step) {
        let title = title(kind, name);
        if let Some((_, Some(bar))) = self.lines.get(&title) {
            bar.set_message(line(&title, "...", "", &words(step)));
        }
    }

    fn update(&mut self, name: &str, standing: Standing) {
        let text = line(name, &standing.ready, &standing.reason, &standing.message);
        let known = self.lines.remove(name);
        let said = known
            .as_ref()
            .map(|(known, _)| (known.ready.clone(), known.reason.clone()));
        let bar = if let Some(bars) = &self.bars {
            let bar = known.and_then(|(_, bar)| bar).unwrap_or_else(|| new_bar(bars));
            if standing.ready == "True" {
                bar.disable_steady_tick();
            } else {
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            bar.set_message(text);
            Some(bar)
        } else {
            if said != Some((standing.ready.clone(), standing.reason.clone())) {
                self.say(&format!("[{:6.1}s] {text}", self.started.elapsed().as_secs_f64()));
            }
            None
        };
        self.lines.insert(name.to_owned(), (standing, bar));
    }
}

fn new_bar(bars: &MultiProgress) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    bars.add(ProgressBar::new_spinner().with_style(style))
}

fn title(kind: &str, name: &str) -> String {
    format!("{kind:<17} {name:<20}")
}

fn title_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    title(text("/kind"), text("/metadata/name"))
}

fn words(step: &Step) -> String {
    match step {
        Step::Planned { run, objects, .. } => format!("run {run}: {objects} files to read"),
        Step::Transformed { rows } => format!("{rows} rows computed"),
        Step::Committed { run, rows } => format!("run {run} committed, {rows} rows"),
        Step::Published { rows } => format!("{rows} rows online"),
        Step::Joined { rows, found } => format!("joined to {rows} observations, found for {found}"),
    }
}

fn standing(object: &Value) -> Standing {
    let ready = |field: &str| {
        let path = format!(".status.conditions[?(@.type==\"Ready\")].{field}");
        columns::value(object, &path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Standing {
        ready: ready("status"),
        reason: ready("reason"),
        message: ready("message"),
    }
}

fn line(name: &str, ready: &str, reason: &str, message: &str) -> String {
    let mark = match ready {
        "True" => "Ready",
        "False" => "not Ready",
        _ => "...",
    };
    let mut message: String = message.chars().take(MESSAGE_LENGTH).collect();
    if message.chars().count() == MESSAGE_LENGTH {
        message.push('…');
    }
    format!("{name} {mark:<9} {reason:<20} {message}").trim_end().to_owned()
}
