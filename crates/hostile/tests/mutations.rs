//! Every loader under mutants, for a bounded number of them. `campaign` runs millions.

use seminar_hostile::{campaign, targets};

/// Inputs a loader, and seconds after which a slow one is let go.
const INPUTS: u64 = 3_000;

#[test]
fn no_loader_panics_hangs_or_hoards() {
    let mut failures = Vec::new();
    for target in targets::all() {
        let outcome = campaign::run(&target, INPUTS, 7).unwrap();
        assert!(outcome.inputs >= INPUTS);
        if !outcome.sound() {
            failures.push(format!(
                "{}: {} panics, {} hoards (at most {} bytes), {} hangs",
                target.name,
                outcome.panics.len(),
                outcome.hoards.len(),
                outcome.largest,
                outcome.hangs.len()
            ));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_loader_takes_its_sound_inputs() {
    for target in targets::all().into_iter().filter(|target| target.records == 1) {
        let folder = tempfile::tempdir().unwrap();
        let mut load = (target.loader)(folder.path()).unwrap();
        let taken = (target.seeds)().unwrap().iter().filter(|seed| load(seed).unwrap()).count();
        assert!(taken > 0, "{} takes none of its sound inputs", target.name);
    }
}
