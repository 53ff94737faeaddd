//! Stretches of time, in order of their start: joined, and taken from each other. Nanoseconds from start to end.

/// `spans` in order of their start, joined where they meet; those without length are left out.
pub(crate) fn joined(spans: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (start, end) in spans.into_iter().filter(|span| span.0 < span.1) {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// What of `spans` lies outside `others`; both in order and disjoint.
pub(crate) fn without(spans: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    let mut first = 0;
    for (mut start, end) in spans.iter().copied() {
        while others.get(first).is_some_and(|other| other.1 <= start) {
            first += 1;
        }
        for other in others[first..].iter().take_while(|other| other.0 < end) {
            if start < other.0 {
                left.push((start, other.0));
            }
            start = start.max(other.1);
        }
        if start < end {
            left.push((start, end));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_meet_are_one() {
        assert_eq!(joined([(0, 10), (10, 20), (15, 17), (30, 30), (40, 50)]), [(0, 20), (40, 50)]);
    }

    #[test]
    fn what_others_cover_is_taken_out() {
        let others = [(-5, 2), (4, 6), (9, 12), (30, 40)];
        assert_eq!(without(&[(0, 10), (20, 25), (32, 35)], &others), [(2, 4), (6, 9), (20, 25)]);
        assert_eq!(without(&[(0, 10)], &[]), [(0, 10)]);
    }
}
