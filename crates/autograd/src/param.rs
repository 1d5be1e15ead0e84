//! Parameters: the tensors that training changes.

use std::sync::atomic::{AtomicU64, Ordering};

use ohmgrad_tensor::{Array, Scalar};

/// The identity of a parameter or of a piece of state, unique in a process.
///
/// Identities only tell things apart: nothing is ordered by them and no random number depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u64);

impl Id {
    /// A new identity.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A value that is kept from step to step. It gets gradients or, as a buffer of a layer, is updated by forwards.
///
/// A clone has a new identity: training a cloned network does not touch the original.
///
/// A frozen parameter gets no gradient, so optimizers leave it as it is:
///
/// ```
/// use ohmgrad_autograd::{Param, Tape};
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let (a, mut b) = (Param::new(Tensor::from([2.0])), Param::new(Tensor::from([3.0])));
/// b.set_frozen(true);
/// let tape = Tape::train(Key::new(0));
/// let gradients = (tape.param(&a) * tape.param(&b)).sum().backward();
/// assert_eq!(gradients.of(&a).map(|g| g.item()), Some(3.0));
/// assert!(gradients.of(&b).is_none());
/// ```
#[derive(Debug)]
pub struct Param<T: Scalar = f32> {
    id: Id,
    frozen: bool,
    /// The current value, which may be written between steps.
    pub value: Array<T>,
}

impl<T: Scalar> Param<T> {
    /// A parameter with a value and a new identity.
    pub fn new(value: Array<T>) -> Self {
        Self { id: Id::unique(), frozen: false, value }
    }

    /// A parameter with another value and a new identity, frozen if this one is. A weight that moves back into digital
    /// memory gets one.
    pub fn with_value(&self, value: Array<T>) -> Self {
        Self { frozen: self.frozen, ..Self::new(value) }
    }

    /// Returns `true` if the parameter gets no gradient.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Freezes the parameter, or unfreezes it. A frozen parameter gets no gradient on later tapes, and training leaves
    /// it as it is.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// The identity of this parameter, different from that of all others.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl<T: Scalar> Clone for Param<T> {
    fn clone(&self) -> Self {
        self.with_value(self.value.clone())
    }
}
