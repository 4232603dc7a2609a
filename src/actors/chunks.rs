//! Chunks: no message holds the thread of the registry for long.

/// Entries or changes in one message to the registry: some milliseconds of its time.
pub(super) const CHUNK: usize = 4096;

/// Bytes of their values: reading long ones takes more time than all else.
const BYTES: usize = 1 << 20;

/// The items in chunks, each with whether it is the last; `bytes` says how long the value of one
/// is. A short list is passed on as it is.
pub(super) fn chunks<T>(
    items: Vec<T>,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = (Vec<T>, bool)> {
    let short = items.len() <= CHUNK && items.iter().map(&bytes).sum::<usize>() <= BYTES;
    let (mut whole, mut rest) =
        if short { (Some(items), Vec::new().into_iter()) } else { (None, items.into_iter()) };
    std::iter::from_fn(move || {
        let mut chunk = whole.take().unwrap_or_default();
        let mut size = 0;
        while chunk.len() < CHUNK
            && size < BYTES
            && let Some(item) = rest.next()
        {
            size += bytes(&item);
            chunk.push(item);
        }
        (!chunk.is_empty()).then(|| (chunk, rest.len() == 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_the_order_lose_nothing_and_only_the_last_is_the_last() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let items: Vec<usize> = (0..length).collect();
            let chunks: Vec<_> = chunks(items.clone(), |_| 0).collect();
            assert!(chunks.iter().all(|(chunk, _)| (1..=CHUNK).contains(&chunk.len())));
            let lasts: Vec<_> = chunks.iter().map(|&(_, last)| last).collect();
            assert_eq!(lasts.iter().filter(|&&last| last).count(), usize::from(length > 0));
            assert!(lasts.last().copied().unwrap_or(true));
            assert_eq!(chunks.into_iter().flat_map(|(chunk, _)| chunk).collect::<Vec<_>>(), items);
        }
    }

    #[test]
    fn a_chunk_ends_with_the_value_that_makes_it_too_long() {
        let items = vec![BYTES / 2, BYTES / 2, 1, 3 * BYTES, BYTES / 2];
        let chunks: Vec<_> = chunks(items, |&bytes| bytes).map(|(chunk, _)| chunk).collect();
        let half = BYTES / 2;
        assert_eq!(chunks, [vec![half, half], vec![1, 3 * BYTES], vec![half]]);
    }
}
