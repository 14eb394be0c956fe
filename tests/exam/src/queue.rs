//! Many runs at once: most of the time of each is waiting on purpose.

use std::sync::{Mutex, PoisonError};

/// Does something to each of these, `at_once` at a time, and gives what came of each in their order.
pub fn all_at_once<T: Sync, R: Send>(items: &[T], at_once: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(0..items.len());
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, item)) = place.and_then(|place| Some((place, items.get(place)?))) else {
                        return;
                    };
                    let came = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, came));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, came)| came).collect()
}

#[cfg(test)]
mod tests {
    use super::all_at_once;

    #[test]
    fn what_comes_stands_in_the_order_of_what_went() {
        assert_eq!(all_at_once(&[3, 1, 2], 2, |n| n * 10), [30, 10, 20]);
        assert!(all_at_once(&[] as &[u8], 2, |n| *n).is_empty());
    }
}
