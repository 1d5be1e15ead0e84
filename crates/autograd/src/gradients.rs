//! Results of a backward: gradients, deposits, and the state that the step has changed.

use std::any::Any;
use std::fmt;

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

/// The gradients of one backward. They are owned, so they outlive the tape.
pub struct Gradients<T: Scalar = f32> {
    key: Key,
    /// Gradients in the order in which the parameters came onto the tape, so that sums over them never depend on
    /// identities.
    pub(crate) params: Vec<(Id, Array<T>)>,
    pub(crate) kept: Vec<(usize, Array<T>)>,
    pub(crate) deposits: Vec<(Id, Box<dyn Any + Send>)>,
    pub(crate) state: State<T>,
}

/// The key of the tape, and the shape of each gradient.
impl<T: Scalar> fmt::Debug for Gradients<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<_> = self.params.iter().map(|(_, gradient)| gradient.shape()).collect();
        f.debug_struct("Gradients").field("key", &self.key).field("shapes", &shapes).finish_non_exhaustive()
    }
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

    /// The gradient of the parameter with this identity.
    pub fn get(&self, id: Id) -> Option<&Array<T>> {
        self.params.iter().find(|(i, _)| *i == id).map(|(_, g)| g)
    }

    /// The gradient of a [`variable`](crate::Tape::variable), or of a value whose gradient was
    /// [kept](Var::keep_gradient). The variable must be one of the tape that these gradients came from.
    pub fn wrt(&self, var: Var<'_, T>) -> Option<&Array<T>> {
        self.kept.iter().find(|(i, _)| *i == var.index()).map(|(_, g)| g)
    }

    /// All parameters' gradients, in the order in which the parameters came onto the tape.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Array<T>)> {
        self.params.iter().map(|(id, g)| (*id, g))
    }

    /// The [deposits](crate::Back::deposit) of one type, each with its parameter, in order of the forward calls.
    pub fn deposited<D: Any>(&self) -> impl Iterator<Item = (Id, &D)> {
        self.deposits.iter().filter_map(|(id, content)| Some((*id, content.downcast_ref()?)))
    }

    /// The identities of all gradients, deposits and state, in this order.
    pub fn owners(&self) -> impl Iterator<Item = Id> {
        let (params, deposits) = (self.params.iter().map(|(id, _)| *id), self.deposits.iter().map(|(id, _)| *id));
        params.chain(deposits).chain(self.state.iter().map(|(id, _)| id))
    }

    /// Takes out all entries of the identities for which `wanted` returns `true`: for a part of a network that has
    /// another optimizer. Both parts keep the key; the gradients of variables stay here.
    pub fn split_off(&mut self, wanted: impl Fn(Id) -> bool) -> Self {
        fn split<X>(from: &mut Vec<(Id, X)>, wanted: &impl Fn(Id) -> bool) -> Vec<(Id, X)> {
            let (taken, left) = std::mem::take(from).into_iter().partition(|(id, _)| wanted(*id));
            *from = left;
            taken
        }
        Self {
            key: self.key,
            params: split(&mut self.params, &wanted),
            kept: vec![],
            deposits: split(&mut self.deposits, &wanted),
            state: State { entries: split(&mut self.state.entries, &wanted) },
        }
    }

    /// The state that forwards and this backward have changed, to be committed with the step.
    pub fn state(&self) -> &State<T> {
        &self.state
    }

    /// Adds the gradients of another tape, for a batch that is computed in parts: gradients of parameters are summed,
    /// deposits are appended, and state is replaced by that of the other tape. The key and the gradients of variables
    /// do not change.
    ///
    /// If the loss is a mean over the batch, the mean of each part is scaled by the part's share of the rows:
    ///
    /// ```
    /// use ohmgrad_autograd::{Gradients, Param, Tape};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let w = Param::new(Tensor::from([[0.5, -1.0]]));
    /// let x = Tensor::normal(&[12, 2], Key::new(1));
    /// let of_rows = |rows: std::ops::Range<usize>| {
    ///     let tape = Tape::train(Key::new(0)).rows_from(rows.start);
    ///     let share = rows.len() as f32 / 12.0;
    ///     let y = tape.constant(x.slice(0, rows)).linear(tape.param(&w));
    ///     ((y * y).mean() * share).backward()
    /// };
    /// let mut sum: Gradients = of_rows(0..4);
    /// sum.add(of_rows(4..12));
    /// let (sum, whole) = (sum.of(&w).unwrap().clone(), of_rows(0..12));
    /// assert!((&sum - whole.of(&w).unwrap()).abs().max() < 1e-5);
    /// ```
    ///
    /// For running means over all parts, each tape must start from the state that the previous one left: commit it in
    /// between, with `net.apply(gradients.state())`.
    pub fn add(&mut self, other: Self) {
        for (id, gradient) in other.params {
            match self.params.iter_mut().find(|(i, _)| *i == id) {
                Some((_, sum)) => *sum += gradient,
                None => self.params.push((id, gradient)),
            }
        }
        self.deposits.extend(other.deposits);
        other.state.entries.into_iter().for_each(|(id, value)| self.state.set(id, value));
    }

    /// The entries of all parameters' gradients as one vector, parameter after parameter in the order of
    /// [`iter`](Self::iter): for moments, or for the angle between two gradients.
    ///
    /// ```
    /// use ohmgrad_autograd::{Param, Tape};
    /// use ohmgrad_tensor::{Key, Tensor};
    ///
    /// let (a, b) = (Param::new(Tensor::from([1.0, 2.0])), Param::new(Tensor::from([[3.0], [4.0]])));
    /// let tape = Tape::train(Key::new(0));
    /// let loss = (tape.param(&a) * tape.param(&a)).sum() + tape.param(&b).sum();
    /// let flat = loss.backward().flat();
    /// assert_eq!(flat.to_vec(), [2.0, 4.0, 1.0, 1.0]);
    /// assert_eq!((flat.mean(), flat.var(0)), (2.0, 1.5));
    /// ```
    pub fn flat(&self) -> Array<T> {
        self.params.iter().flat_map(|(_, gradient)| gradient.to_vec()).collect::<Vec<_>>().into()
    }

    /// The entries of all parameters' gradients, in the order of [`iter`](Self::iter), then those of all
    /// [state](Self::state): the numbers that processes exchange when each computes a part of a batch.
    pub fn to_vec(&self) -> Vec<T> {
        let state = self.state.entries.iter().map(|(_, value)| value);
        self.params.iter().map(|(_, gradient)| gradient).chain(state).flat_map(Array::to_vec).collect()
    }

    /// Replaces all parameters' gradients and all state by the numbers from [`to_vec`](Self::to_vec) of another tape of
    /// the same network; shapes stay.
    ///
    /// # Panics
    /// If the number of entries differs.
    pub fn set_from_slice(&mut self, numbers: &[T]) {
        let state = self.state.entries.iter_mut().map(|(_, value)| value);
        let mut rest = numbers;
        for array in self.params.iter_mut().map(|(_, gradient)| gradient).chain(state) {
            let (own, behind) = rest.split_at_checked(array.len()).unwrap_or((rest, &[]));
            assert!(own.len() == array.len(), "gradients: {} numbers are too few", numbers.len());
            *array = Array::from_vec(own.to_vec(), array.shape());
            rest = behind;
        }
        assert!(rest.is_empty(), "gradients: {} numbers of {} are too many", rest.len(), numbers.len());
    }

    /// The Euclidean norm of all parameters' gradients together.
    pub fn norm(&self) -> T {
        self.params.iter().fold(T::zero(), |sum, (_, g)| sum + g.square().sum()).sqrt()
    }

    /// Scales all parameters' gradients down together so that their [`norm`](Self::norm) is at most `limit`; returns
    /// the norm before (Pascanu et al. 2013).
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
    fn sums_hold_what_either_has() {
        let [a, b, c] = [1.0, 2.0, 3.0].map(|value| Param::new(Tensor::from([value])));
        let product = |one: &Param, other: &Param| {
            let tape = Tape::train(Key::new(0));
            let state = tape.state(c.id(), &c.value);
            tape.set_state(c.id(), &state + one.value.item());
            (tape.param(one) * tape.param(other)).sum().backward()
        };
        let mut sum = product(&a, &b);
        sum.add(product(&b, &c));
        let of = |param: &Param| sum.of(param).map(|gradient| gradient.item());
        assert_eq!([of(&a), of(&b), of(&c)], [Some(2.0), Some(4.0), Some(2.0)]);
        assert_eq!(sum.state().get(c.id()).map(|value| value.item()), Some(5.0));
    }

    #[test]
    fn numbers_of_one_tape_become_those_of_another() {
        let (w, mean) = (Param::new(Tensor::from([[1.0, 2.0], [3.0, 4.0]])), Param::new(Tensor::from([0.0])));
        let of = |factor: f32| {
            let tape = Tape::train(Key::new(0));
            tape.set_state(mean.id(), &tape.state(mean.id(), &mean.value) + factor);
            // A transposed view: the numbers are in row-major order, not in that of memory.
            (tape.param(&w).t() * factor).sum().backward()
        };
        let (mut one, other) = (of(2.0), of(5.0));
        assert_eq!(other.to_vec(), [5.0; 5]);
        one.set_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(*one.of(&w).unwrap(), Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
        assert_eq!(one.state().get(mean.id()).unwrap().item(), 5.0);
    }

    #[test]
    #[should_panic(expected = "gradients: 1 numbers are too few")]
    fn too_few_numbers_are_refused() {
        let w = Param::new(Tensor::from([1.0, 2.0]));
        let tape = Tape::train(Key::new(0));
        tape.param(&w).sum().backward().set_from_slice(&[1.0]);
    }

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
