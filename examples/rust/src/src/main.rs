use std::collections::BTreeMap;

use plural::counted;

fn tally(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

fn main() {
    for (word, count) in tally(std::env::args().skip(1)) {
        println!("{word}: {}", counted(count, "time"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_counted() {
        let counts = super::tally(["a", "b", "a"].map(String::from).into_iter());
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("a".into(), 2), ("b".into(), 1)]);
    }
}
