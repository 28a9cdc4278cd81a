//! What is remembered of a view's generations. It cannot be derived from the present spec: the served generation goes on
//! with the definition it was filled by while a new one is built. The caller keeps it as JSON beside the object.

use serde::{Deserialize, Serialize};
use triplane_contract::View;
use triplane_contract::run::Transform;

/// One live generation with its own definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// What its rows mean.
    pub view: View,
    /// How its rows are made.
    pub transform: Transform,
    /// Why it was begun, for people.
    pub because: String,
}

/// The generations of one view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewRecord {
    /// Largest number ever given; numbers are not used twice.
    pub last: u32,
    /// The generation of the present spec; `None` before the first valid one.
    pub target: Option<u32>,
    /// The generation servers read; `None` before the first report.
    pub ready: Option<u32>,
    /// Live generations by number: target, ready, and retired ones that are not dropped yet.
    pub generations: Vec<Generation>,
}

impl ViewRecord {
    /// A live generation.
    pub fn get(&self, generation: u32) -> Option<&Generation> {
        self.generations.iter().find(|g| g.view.generation == generation)
    }

    /// The generation of the present spec.
    pub fn target(&self) -> Option<&Generation> {
        self.get(self.target?)
    }

    /// The generation servers read.
    pub fn ready(&self) -> Option<&Generation> {
        self.get(self.ready?)
    }

    /// Generations that are neither built nor served any more.
    pub fn retired(&self) -> impl Iterator<Item = &Generation> {
        self.generations
            .iter()
            .filter(|g| Some(g.view.generation) != self.target && Some(g.view.generation) != self.ready)
    }

    /// Forgets a retired generation after its online rows are dropped; a live one stays.
    pub fn forget(&mut self, generation: u32) {
        let (target, ready) = (self.target, self.ready);
        self.generations.retain(|g| {
            let number = g.view.generation;
            number != generation || Some(number) == target || Some(number) == ready
        });
    }
}
