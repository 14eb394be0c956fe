//! Numbers that nobody can foretell: for marks, for local parts that cannot exist, and for hellos.

use std::hash::{BuildHasher, Hasher};

/// A number that the system's own random keys make; no secret rests on it.
pub(crate) fn number() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_are_not_the_same() {
        assert_ne!(super::number(), super::number());
    }
}
