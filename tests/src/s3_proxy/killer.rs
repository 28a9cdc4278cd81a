//! Killing the process whose request comes by.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::process::{Pid, Signal, kill_process};
use triplane_contract::store::{OfflineAccess, StoreAccess};

use super::forward::Hangup;
use super::{Fault, S3Proxy, Seen, State};
use crate::kill::{Cut, Killer, Phase, Point, Steps, When};
use crate::run::{Ending, Run};

impl State {
    /// Takes a request down; its number.
    pub(super) fn count(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen);
        all.len()
    }

    /// The fault that a request meets.
    pub(super) fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, times, fault) = faults.iter_mut().find(|(on, times, _)| *times > 0 && on.is(seen))?;
        *times -= 1;
        self.met.fetch_add(1, Ordering::Relaxed);
        Some(*fault)
    }

    /// Kills the victim if this is where it is to die.
    pub(super) async fn kill_at(&self, number: usize, when: When) -> Result<(), Hangup> {
        let cut = *self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        let here = Cut {
            when,
            at: Point::Call(number),
        };
        if cut != Some(here) {
            return Ok(());
        }
        let mut victims = self.victim.subscribe();
        let victim = victims.wait_for(Option::is_some).await.ok().and_then(|victim| *victim);
        let victim = victim.and_then(|pid| Pid::from_raw(pid as i32)).ok_or(Hangup)?;
        kill_process(victim, Signal::KILL).map_err(|_| Hangup)?;
        Err(Hangup)
    }
}

impl S3Proxy {
    /// How a run reaches its bucket through this proxy.
    pub fn access(&self, mut stores: StoreAccess) -> StoreAccess {
        match &mut stores.offline {
            OfflineAccess::S3 { endpoint, .. } => *endpoint = Some(self.endpoint()),
            OfflineAccess::Directory { path } => panic!("{path} is not on S3"),
        }
        stores
    }

    fn begin(&self, run: &Run, cut: Option<Cut>) -> Ending {
        self.forget();
        self.state.victim.send_replace(None);
        *self.state.cut.lock().expect("cut") = cut;
        let ending = run.begin(|pid| {
            self.state.victim.send_replace(Some(pid));
        });
        *self.state.cut.lock().expect("cut") = None;
        ending
    }
}

impl Killer for S3Proxy {
    fn access(&self, stores: StoreAccess) -> StoreAccess {
        self.access(stores)
    }

    fn calls(&self, run: &Run) -> Vec<(Phase, String)> {
        self.begin(run, None).report();
        let mut steps = Steps::default();
        let named = |seen: Seen| {
            let phase = steps.phase(seen.operation, &seen.path);
            (phase, format!("{} {}", seen.operation, seen.path))
        };
        self.seen().into_iter().map(named).collect()
    }

    fn to(&self, run: &Run, cut: Cut) -> Ending {
        self.begin(run, Some(cut))
    }
}
