//! "Did you mean": the closest known word.

/// A hint such as ` (did you mean "ttl"?)`, or nothing where no known word is close.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| format!(" (did you mean {candidate:?}?)"))
        .unwrap_or_default()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_the_word_and_a_stranger_gets_none() {
        assert_eq!(closest("tll", ["ttl", "query"].into_iter()), " (did you mean \"ttl\"?)");
        assert_eq!(
            closest("onmissing", ["onMissing"].into_iter()),
            " (did you mean \"onMissing\"?)"
        );
        assert_eq!(closest("shards", ["ttl", "query"].into_iter()), "");
    }
}
