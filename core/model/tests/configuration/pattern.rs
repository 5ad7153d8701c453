//! Dial patterns.

use tandem_model::Pattern;

fn matches(pattern: &str, dialled: &str) -> bool {
    Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(dialled)
}

#[test]
fn classes_sets_and_literals_match_one_character_each() {
    for (pattern, matching, others) in [
        ("X", "0123456789", "aX+*#."),
        ("Z", "123456789", "0aZ"),
        ("N", "23456789", "01N"),
        ("x", "09", "x"),
        ("[159]", "159", "02[]-"),
        ("[1-3]", "123", "045-"),
        ("[1-36a-c+]", "1236abc+", "45dA-"),
        ("[xX]", "xX", "1"),
        ("7", "7", "8"),
        ("a", "a", "A"),
    ] {
        for c in matching.chars() {
            assert!(matches(pattern, &c.to_string()), "{pattern} {c}");
        }
        for c in others.chars() {
            assert!(!matches(pattern, &c.to_string()), "{pattern} {c}");
        }
    }
}

#[test]
fn a_number_matches_as_a_whole() {
    for (pattern, dialled, expected) in [
        ("1NXXNXXXXXX", "12125551234", true),
        ("1NXXNXXXXXX", "11125551234", false),
        ("1NXXNXXXXXX", "121255512345", false),
        ("1NXXNXXXXXX", "1212555123", false),
        ("9.", "91", true),
        ("9.", "9anything-at_all é", true),
        ("9.", "9", false),
        (".", "5", true),
        (".", "", false),
        ("+1.", "+15551234567", true),
        ("+1.", "15551234567", false),
        ("*98", "*98", true),
        ("#31#", "#31#", true),
        ("X", "é", false),
        ("X", "٣", false),
    ] {
        assert_eq!(matches(pattern, dialled), expected, "{pattern} {dialled}");
    }
}

#[test]
fn an_error_says_what_to_change() {
    for (pattern, words) in [
        ("", "write `.`"),
        ("9.1", "move it to the end"),
        ("9..", "position 2"),
        ("9[]", "is empty"),
        ("9[12", "add `]`"),
        ("12]", "closes no set"),
        ("[[1]]", "cannot stand in the set"),
        ("[3-1]", "upwards"),
        ("[1-]", "upwards"),
        ("[-1]", "cannot stand in the set"),
        ("[1-a]", "upwards"),
        ("[A-c]", "upwards"),
        ("_1NXX", "remove it"),
        ("1 2", "` ` at position 2"),
        ("1-2", "`-` at position 2"),
        ("1\n", "`\\n` at position 2"),
        ("é", "cannot stand"),
        ("1!", "cannot stand"),
    ] {
        let error = Pattern::parse(pattern).unwrap_err().to_string();
        assert!(error.contains(words), "{pattern}: {error}");
        assert!(error.contains("; "), "{pattern} has no remedy: {error}");
    }
    assert!(Pattern::parse(&"1".repeat(64)).is_ok());
    assert!(Pattern::parse(&"1".repeat(65)).unwrap_err().0.contains("at most 64"));
}

#[test]
fn literal_characters_in_front_make_it_specific() {
    for (pattern, prefix) in [("+1212XXX", 5), ("X12", 0), (".", 0), ("911", 3), ("9.", 1), ("[12]3", 0)] {
        assert_eq!(Pattern::parse(pattern).unwrap().literal_prefix(), prefix, "{pattern}");
    }
}

#[test]
fn the_shortest_number_counts_the_rest_as_one() {
    for (pattern, shortest) in [("X", 1), ("9.", 2), (".", 1), ("1[23]X", 3)] {
        assert_eq!(Pattern::parse(pattern).unwrap().shortest(), shortest, "{pattern}");
    }
}

#[test]
fn a_long_number_against_a_long_pattern_is_quick() {
    let pattern = Pattern::parse(&format!("{}.", "X".repeat(63))).unwrap();
    assert!(pattern.matches(&"1".repeat(100_000)));
    assert!(!pattern.matches(&format!("{}a{}", "1".repeat(62), "1".repeat(100_000))));
}

#[test]
fn it_is_written_as_it_was_read() {
    let pattern: Pattern = serde_json::from_str("\"+1[2-4]nXX.\"").unwrap();
    assert_eq!(pattern.as_str(), "+1[2-4]nXX.");
    assert_eq!(serde_json::to_string(&pattern).unwrap(), "\"+1[2-4]nXX.\"");
}
