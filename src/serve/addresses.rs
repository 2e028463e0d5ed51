//! The state that the server keeps for each address across editions.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use quick_cache::DefaultHashBuilder;

use super::response::Heads;
use super::usage::AddressUsage;
use crate::edition::Representation;

/// The state of one address.
#[derive(Debug, Default)]
pub(super) struct AddressState {
    pub(super) usage: AddressUsage,
    /// The response heads of the representation that was last served.
    heads: ArcSwapOption<Heads>,
}

impl AddressState {
    /// Returns the response heads of the representation that the address has in an edition.
    pub(super) fn heads(&self, representation: &Arc<Representation>) -> Arc<Heads> {
        if let Some(heads) = &*self.heads.load()
            && heads.are_of(representation)
        {
            return heads.clone();
        }
        let heads = Arc::new(Heads::new(representation));
        self.heads.store(Some(heads.clone()));
        heads
    }
}

/// The state of every address that was served since the process started, by path. It outlives editions, since counters
/// never decrease.
#[derive(Debug, Default)]
pub(super) struct Addresses(RwLock<HashMap<Arc<str>, Arc<AddressState>, DefaultHashBuilder>>);

impl Addresses {
    /// Returns the state of the address of a representation, creating it for the first request.
    pub(super) fn get_or_insert(&self, path: &Arc<str>) -> Arc<AddressState> {
        if let Some(state) = self.get(path) {
            return state;
        }
        let mut addresses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        addresses.entry(path.clone()).or_default().clone()
    }

    /// Returns the state of an address that was served before.
    pub(super) fn get(&self, path: &str) -> Option<Arc<AddressState>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Returns every address with its state.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Arc<AddressState>)> {
        let addresses = self.0.read().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().map(|(path, state)| (path.clone(), state.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn heads_are_those_of_the_current_representation() {
        let representation = |body: &'static [u8]| {
            let now = SystemTime::now();
            Arc::new(Representation::new(body, "a/b", String::new(), now, Duration::ZERO))
        };
        let (old, new) = (representation(b"old"), representation(b"new"));
        let state = AddressState::default();
        let heads = state.heads(&old);
        assert!(Arc::ptr_eq(&heads, &state.heads(&old)), "made once");
        assert!(state.heads(&new).are_of(&new));
        assert!(state.heads(&old).are_of(&old), "a request may still hold the edition before");
    }

    #[test]
    fn state_of_an_address_is_kept() {
        let addresses = Addresses::default();
        assert!(addresses.get("all.rss").is_none());
        let state = addresses.get_or_insert(&"all.rss".into());
        assert!(Arc::ptr_eq(&state, &addresses.get_or_insert(&"all.rss".into())));
        assert_eq!(addresses.all().len(), 1);
    }
}
