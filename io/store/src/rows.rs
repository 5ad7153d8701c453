//! Many rows a statement: each statement costs a trip to SQLite's thread and back.

/// Rows a statement at most; SQLite takes 32,766 values.
pub(crate) const CHUNK: usize = 1024;

/// The rows of a chunk, and `None` up to the next power of two: so there are few texts of a statement, and each is prepared
/// once. The statement passes over rows whose first value is NULL.
pub(crate) fn padded<T>(rows: &[T]) -> impl Iterator<Item = Option<&T>> {
    let nothing = rows.len().next_power_of_two() - rows.len();
    rows.iter().map(Some).chain(std::iter::repeat_n(None, nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_to_a_power_of_two() {
        for (rows, len) in [(1, 1), (2, 2), (3, 4), (5, 8), (CHUNK, CHUNK)] {
            let rows = vec![7; rows];
            let padded: Vec<_> = padded(&rows).collect();
            assert_eq!((padded.len(), padded.iter().flatten().count()), (len, rows.len()));
        }
    }
}
