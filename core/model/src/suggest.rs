//! Which known name somebody may have meant.

/// What to do about an unknown field: the nearest known one, else all of them. Names in `aliases` are understood but not proposed in
/// the list.
pub(crate) fn field<'a>(
    unknown: &str,
    known: impl Iterator<Item = &'a str>,
    aliases: &[(&str, &str)],
) -> String {
    let known: Vec<&str> = known.filter(|name| *name != "id").collect();
    match nearest(unknown, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let proper = known.into_iter().filter(|name| !aliases.iter().any(|(alias, _)| alias == name));
            format!("leave it out; known are {}", list(proper))
        }
    }
}

/// What to do about an unknown word where only certain ones may stand.
pub(crate) fn word<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(unknown, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("use one of {}", list(known.into_iter())),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let unknown: String = unknown.chars().take(64).flat_map(char::to_lowercase).collect();
    let allowed = (unknown.len() / 3).clamp(1, 3);
    let distances = known.iter().map(|name| (distance(&unknown, &name.to_lowercase()), *name));
    distances
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
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
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(word("hostnam", ["host", "hostname", "port"].into_iter()), "did you mean `hostname`?");
        assert_eq!(word("Codec", ["codecs", "port"].into_iter()), "did you mean `codecs`?");
    }

    #[test]
    fn what_resembles_nothing_gets_the_list_without_aliases() {
        let fix = field("colour", ["id", "host", "hostname"].into_iter(), &[("hostname", "host")]);
        assert_eq!(fix, "leave it out; known are `host`");
    }
}
