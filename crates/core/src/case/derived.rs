//! What follows from a case and is dear to compute is kept beside it, for as long as its observations stay as they are.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Kept = HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>;

/// What was computed so far, by its type and a key.
#[derive(Default)]
pub struct Derived(Mutex<Kept>);

impl Derived {
    /// What is kept under a key, or what `make` gives.
    pub fn get<T: Clone + Send + Sync + 'static>(&self, key: &str, make: impl FnOnce() -> T) -> T {
        let place = (TypeId::of::<T>(), key.to_owned());
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some(held) = held.and_then(|held| held.downcast_ref::<T>().cloned()) {
            return held;
        }
        let made = make();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, Arc::new(made.clone()));
        made
    }
}

/// A copy of a case may be changed: it begins with nothing.
impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Derived")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_made_once_for_each_type_and_key() {
        let derived = Derived::default();
        assert_eq!((derived.get("a", || 1_u8), derived.get("a", || 2_u8), derived.get("b", || 3_u8)), (1, 1, 3));
        assert_eq!((derived.get("a", || 4_u16), derived.clone().get("a", || 5_u8)), (4, 5));
    }
}
