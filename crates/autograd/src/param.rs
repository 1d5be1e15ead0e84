//! Parameters: the tensors that training changes.

use std::sync::atomic::{AtomicU64, Ordering};

use ohmgrad_tensor::{Array, Scalar};

/// The identity of a parameter or of a piece of state, unique in a process.
///
/// Identities only tell things apart: nothing is ordered by them and no random number depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u64);

impl Id {
    /// An identity that nothing else has.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A value that is kept from step to step and gets gradients; or, as a buffer of a layer, one that forwards update.
///
/// A clone has an identity of its own: training a cloned network does not touch the original.
#[derive(Debug)]
pub struct Param<T: Scalar = f32> {
    id: Id,
    /// The current value. Anybody may write it between steps.
    pub value: Array<T>,
}

impl<T: Scalar> Param<T> {
    /// A parameter with a value and a new identity.
    pub fn new(value: Array<T>) -> Self {
        Self { id: Id::unique(), value }
    }

    /// What tells this parameter from all others.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl<T: Scalar> Clone for Param<T> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}
