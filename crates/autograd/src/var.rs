//! Handles of values on a tape.

use std::any::Any;
use std::fmt;

use ohmgrad_tensor::{Array, Dims, Scalar};

use crate::back;
use crate::gradients::Gradients;
use crate::tape::Tape;

/// A value on a tape: a small handle that is copied freely, so that expressions read like mathematics.
///
/// ```
/// use ohmgrad_autograd::Tape;
/// use ohmgrad_tensor::{Key, Tensor};
///
/// let tape = Tape::train(Key::new(0));
/// let x = tape.variable(Tensor::from([1.0, 2.0]));
/// let gradients = (x * x).sum().backward();
/// assert_eq!(gradients.wrt(x).unwrap().to_vec(), [2.0, 4.0]);
/// ```
pub struct Var<'t, T: Scalar = f32> {
    tape: &'t Tape<T>,
    index: usize,
}

impl<T: Scalar> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar> Copy for Var<'_, T> {}

impl<'t, T: Scalar> Var<'t, T> {
    pub(crate) fn new(tape: &'t Tape<T>, index: usize) -> Self {
        Self { tape, index }
    }

    pub(crate) fn index(self) -> usize {
        self.index
    }

    /// The tape that this value is on.
    pub fn tape(self) -> &'t Tape<T> {
        self.tape
    }

    /// The value.
    ///
    /// # Panics
    /// If this is a parameter, or a view of one, and a backward has released it.
    #[track_caller]
    pub fn value(self) -> Array<T> {
        self.tape.nodes()[self.index].value().clone()
    }

    /// The only element of the value, as for a loss.
    ///
    /// # Panics
    /// If there is not exactly one element.
    #[track_caller]
    pub fn item(self) -> T {
        self.tape.nodes()[self.index].value().item()
    }

    /// The shape of the value.
    pub fn shape(self) -> Dims {
        self.tape.nodes()[self.index].shape.clone()
    }

    /// The same value as a constant: no gradient passes through it.
    pub fn detach(self) -> Self {
        self.tape.constant(self.value())
    }

    /// Asks that the gradient of this intermediate value be kept, to be read with [`Gradients::wrt`].
    ///
    /// # Panics
    /// If the value has been used already and depends on nothing that gets a gradient: no gradient would arrive.
    #[track_caller]
    pub fn keep_gradient(self) -> Self {
        let mut inner = self.tape.inner.borrow_mut();
        let used = inner.nodes.iter().skip(self.index).any(|node| node.parents.contains(&self.index));
        let node = &mut inner.nodes[self.index];
        assert!(node.wants || !used, "keep_gradient: ask before the value is used");
        node.keep = self.tape.is_training();
        node.wants |= node.keep;
        self
    }

    /// The gradients of this scalar with respect to everything that it depends on. Ends the tape.
    ///
    /// # Panics
    /// If this is not a scalar, the tape has ended already, or it is an evaluation tape.
    #[track_caller]
    pub fn backward(self) -> Gradients<T> {
        self.backward_from(self.one())
    }

    /// The gradients of `Σ d·self`: the walk back from a given output gradient `d`. Ends the tape.
    ///
    /// # Panics
    /// If `d` has another shape, the tape has ended already, or it is an evaluation tape.
    #[track_caller]
    pub fn backward_from(self, d: Array<T>) -> Gradients<T> {
        let gradients = back::run(self, d, &());
        back::end(self.tape);
        gradients
    }

    /// The gradients that this scalar would have if every operation that asks for a setting of this type had been
    /// recorded with `setting`, over the very same forward values and noise. Does not end the tape, so that several
    /// backward semantics can be compared at equal weights.
    ///
    /// An analog product asks for its backward parameters; `&()` changes nothing and gives the gradients as recorded.
    ///
    /// # Panics
    /// If this is not a scalar, the tape has ended, it is an evaluation tape, or no operation asks for a setting of
    /// this type.
    #[track_caller]
    pub fn backward_under(self, setting: &dyn Any) -> Gradients<T> {
        back::run(self, self.one(), setting)
    }

    #[track_caller]
    fn one(self) -> Array<T> {
        let shape = self.shape();
        assert!(shape.iter().product::<usize>() == 1, "backward: shape {shape:?} is not a scalar");
        Array::full(&shape, T::one())
    }
}

/// The number on the tape, the shape and the value.
impl<T: Scalar> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{} {:?}", self.index, self.tape.nodes()[self.index].value)
    }
}
