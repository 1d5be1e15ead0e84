//! What a backward gives: gradients, deposits, and the state that the step has changed.

use std::any::Any;

use ohmgrad_tensor::{Array, Key, Scalar};

use crate::param::{Id, Param};
use crate::var::Var;

/// Values of running state by identity, in the order in which they were first written.
#[derive(Clone, Debug, Default)]
pub struct State<T: Scalar = f32> {
    entries: Vec<(Id, Array<T>)>,
}

impl<T: Scalar> State<T> {
    /// The value of one piece of state.
    pub fn get(&self, id: Id) -> Option<&Array<T>> {
        self.entries.iter().find(|(i, _)| *i == id).map(|(_, value)| value)
    }

    /// All pieces.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Array<T>)> {
        self.entries.iter().map(|(id, value)| (*id, value))
    }

    pub(crate) fn set(&mut self, id: Id, value: Array<T>) {
        match self.entries.iter_mut().find(|(i, _)| *i == id) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((id, value)),
        }
    }
}

/// The gradients of one backward, owned: the tape may be gone.
pub struct Gradients<T: Scalar = f32> {
    key: Key,
    /// In the order in which the parameters came onto the tape: sums over them never depend on identities.
    pub(crate) params: Vec<(Id, Array<T>)>,
    pub(crate) kept: Vec<(usize, Array<T>)>,
    pub(crate) deposits: Vec<(Id, Box<dyn Any + Send>)>,
    pub(crate) state: State<T>,
}

impl<T: Scalar> Gradients<T> {
    pub(crate) fn new(key: Key, state: State<T>) -> Self {
        Self { key, params: vec![], kept: vec![], deposits: vec![], state }
    }

    /// The key of the tape.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The gradient of a parameter; `None` if the result does not depend on it.
    pub fn of(&self, param: &Param<T>) -> Option<&Array<T>> {
        self.get(param.id())
    }

    /// The gradient of the parameter of an identity.
    pub fn get(&self, id: Id) -> Option<&Array<T>> {
        self.params.iter().find(|(i, _)| *i == id).map(|(_, g)| g)
    }

    /// The gradient of a [`variable`](crate::Tape::variable), or of a value whose gradient was
    /// [kept](Var::keep_gradient). Ask only for variables of the tape that these gradients came from.
    pub fn wrt(&self, var: Var<'_, T>) -> Option<&Array<T>> {
        self.kept.iter().find(|(i, _)| *i == var.index()).map(|(_, g)| g)
    }

    /// All parameters' gradients, in the order in which the parameters came onto the tape.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Array<T>)> {
        self.params.iter().map(|(id, g)| (*id, g))
    }

    /// Everything of one type that operations have [deposited](crate::Back::deposit), with the parameters it is for, in
    /// order of the forward calls.
    pub fn deposited<D: Any>(&self) -> impl Iterator<Item = (Id, &D)> {
        self.deposits.iter().filter_map(|(id, content)| Some((*id, content.downcast_ref()?)))
    }

    /// The state that forwards and this backward have changed, to be committed with the step.
    pub fn state(&self) -> &State<T> {
        &self.state
    }

    /// The Euclidean norm of all parameters' gradients together.
    pub fn norm(&self) -> T {
        self.params.iter().fold(T::zero(), |sum, (_, g)| sum + g.square().sum()).sqrt()
    }

    /// Scales all parameters' gradients down together so that their [`norm`](Self::norm) is at most `limit`; returns the
    /// norm before (Pascanu et al. 2013).
    pub fn clip_norm(&mut self, limit: T) -> T {
        let norm = self.norm();
        if norm > limit {
            let factor = limit / norm;
            self.params.iter_mut().for_each(|(_, g)| g.map_mut(|v| *v *= factor));
        }
        norm
    }

    /// Cuts every entry of the parameters' gradients to ±`limit`.
    pub fn clip_value(&mut self, limit: T) {
        self.params.iter_mut().for_each(|(_, g)| *g = g.clamp(-limit, limit));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tape};
    use ohmgrad_tensor::{Key, Tensor};

    #[test]
    fn clipping_keeps_direction_or_sign() {
        let (a, b) = (Param::new(Tensor::from([3.0])), Param::new(Tensor::from([-4.0])));
        let gradients = || {
            let tape = Tape::train(Key::new(0));
            let (a, b) = (tape.param(&a), tape.param(&b));
            ((a * a + b * b) * 0.5).sum().backward()
        };
        let mut g = gradients();
        assert_eq!(g.clip_norm(10.0), 5.0);
        assert_eq!(g.clip_norm(2.5), 5.0);
        assert_eq!((g.of(&a).unwrap().item(), g.of(&b).unwrap().item()), (1.5, -2.0));
        let mut g = gradients();
        g.clip_value(3.5);
        assert_eq!((g.of(&a).unwrap().item(), g.of(&b).unwrap().item()), (3.0, -3.5));
    }
}
