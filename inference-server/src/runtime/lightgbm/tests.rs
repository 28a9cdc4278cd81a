use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn fixtures() -> PathBuf {
    std::env::var_os("TRIPLANE_LIGHTGBM_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lightgbm"),
        PathBuf::from,
    )
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixtures().join(format!("{name}.txt"))).unwrap()
}

fn double(hex: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(hex, 16).unwrap())
}

/// Rows of `(inputs, raw, prediction)`.
fn vectors(name: &str) -> Vec<(Vec<f64>, f64, f64)> {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.vectors"))).unwrap();
    text.lines()
        .map(|line| {
            let (inputs, outputs) = line.split_once(" | ").unwrap();
            let outputs: Vec<f64> = outputs.split(' ').map(double).collect();
            (inputs.split(' ').map(double).collect(), outputs[0], outputs[1])
        })
        .collect()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .path()
                .file_name()?
                .to_str()?
                .strip_suffix(".vectors")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 21, "fixtures are missing: {names:?}");
    names
}

fn assert_same_as_the_library(model: &Model, name: &str) {
    let mut rows = Vec::new();
    let expected = vectors(name);
    for (index, (inputs, raw, prediction)) in expected.iter().enumerate() {
        assert_eq!(
            model.raw(inputs).to_bits(),
            expect_raw(model, *raw),
            "raw score of {name} row {index} {inputs:?}"
        );
        let mut score = [0.0];
        model.predict(inputs, &mut score);
        assert_eq!(
            score[0].to_bits(),
            prediction.to_bits(),
            "prediction of {name} row {index} {inputs:?}"
        );
        rows.extend_from_slice(inputs);
    }
    let mut scores = vec![0.0; expected.len()];
    model.predict(&rows, &mut scores);
    let together: Vec<u64> = scores.iter().map(|s| s.to_bits()).collect();
    assert_eq!(
        together,
        expected.iter().map(|row| row.2.to_bits()).collect::<Vec<_>>(),
        "all rows of {name} at once"
    );
}

/// The library's raw score of a random forest is the sum, ours the mean that the output function takes.
fn expect_raw(model: &Model, raw: f64) -> u64 {
    model.averaged_over.map_or(raw, |trees| raw / trees).to_bits()
}

#[test]
fn every_kind_of_model_scores_bit_for_bit_as_the_library() {
    for name in names() {
        let model = Model::load(text(&name).as_bytes()).unwrap();
        assert_same_as_the_library(&model, &name);
    }
}

#[test]
fn a_file_that_says_version_3_means_the_same() {
    let model = Model::load(text("binary").replace("version=v4", "version=v3").as_bytes()).unwrap();
    assert_same_as_the_library(&model, "binary");
}

#[test]
fn a_file_cut_anywhere_before_its_end_is_refused() {
    let whole = text("categories");
    let end = whole.find("end of trees").unwrap() + "end of trees".len();
    for cut in 0..end {
        assert!(Model::load(&whole.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
    assert!(Model::load(&whole.as_bytes()[..end]).is_ok());
}

#[test]
fn a_cut_file_says_what_is_missing() {
    let whole = text("binary");
    let message = Model::load(&whole.as_bytes()[..whole.len() / 2])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cut off: tree ") && message.contains("upload the whole file"),
        "{message}"
    );
    let without_end = whole.replace("end of trees", "");
    let message = Model::load(without_end.as_bytes()).unwrap_err().to_string();
    assert!(message.contains("`end of trees` is missing"), "{message}");
    let message = Model::load(whole.replace("max_feature_idx=5\n", "").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(message.contains("max_feature_idx"), "{message}");
}

#[test]
fn what_is_not_evaluated_exactly_is_refused_by_name() {
    let refused = |from: &str, to: &str| {
        Model::load(text("binary").replace(from, to).as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("objective=binary", "objective=multiclass").contains("multiclass"));
    assert!(refused("num_class=1", "num_class=3").contains("3 classes"));
    assert!(refused("version=v4", "version=v9").contains("v9"));
    assert!(refused("is_linear=0", "is_linear=1").contains("linear tree"));
}

#[test]
fn a_tree_with_a_cycle_or_a_foreign_index_is_refused() {
    let whole = text("binary");
    let line = |key: &str| whole.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
    let replaced = |old: &str, new: &str| {
        assert_eq!(old.len(), new.len(), "sizes are announced");
        Model::load(whole.replacen(old, new, 1).as_bytes())
            .unwrap_err()
            .to_string()
    };
    let left = line("left_child=");
    let first = left.trim_start_matches("left_child=").split(' ').next().unwrap();
    let zeroed = left.replacen(first, &"0".repeat(first.len()), 1);
    assert!(replaced(&left, &zeroed).contains("impossible child 0"));
    let feature = line("split_feature=");
    let far = format!("split_feature=9{}", &feature["split_feature=".len() + 1..]);
    assert!(replaced(&feature, &far).contains("splits on input 9 of 6"));
}

proptest! {
    #[test]
    fn no_mutated_file_makes_it_panic_or_loop(
        name in prop::sample::select(vec!["binary", "categories", "forest", "constant"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut file = text(name).into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(file.len());
            match kind {
                0 => file[at] = byte,
                1 => file[at] = b"0123456789-=. \ne"[byte as usize % 16],
                2 => { file.remove(at); }
                _ => file.insert(at, b"0123456789-=. \ne"[byte as usize % 16]),
            }
        }
        if let Ok(model) = Model::load(&file) {
            let row = vec![0.5; model.inputs().min(64)];
            let mut score = [0.0];
            model.predict(&row, &mut score);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Model::load(&bytes);
        let _ = Model::load(&[b"tree\n", bytes.as_slice()].concat());
    }
}
