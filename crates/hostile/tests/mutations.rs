//! Every loader under mutants, for a bounded number of them. `campaign` runs millions.

use seminar_hostile::{campaign, targets};

/// Inputs a loader.
const INPUTS: u64 = 3_000;

#[test]
fn no_loader_panics_hangs_or_hoards() {
    let mut failures = Vec::new();
    // A panic that a loader turns into an error is none; writing its backtrace would take more memory than any loader.
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for target in targets::all() {
        let Ok(outcome) = campaign::run(&target, INPUTS, 7) else {
            failures.push(format!("{}: the scratch folder cannot be used", target.name));
            continue;
        };
        if outcome.inputs < INPUTS || !outcome.sound() {
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
    std::panic::set_hook(shown);
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
