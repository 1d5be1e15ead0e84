//! Reverse-mode differentiation on a tape.
//!
//! A [`Tape`] records operations on [`Var`]s; [`Var::backward`] walks it back and gives owned [`Gradients`]. Every
//! operation is one struct in one file of `ops/`, with its forward, its backward, its formula and its check by finite
//! differences. Networks and tiles are in other crates, as is the [`Op`] of an analog product with its backward.
//!
//! ```
//! use ohmgrad_autograd::{Param, Tape};
//! use ohmgrad_tensor::{Key, Tensor};
//!
//! let w = Param::new(Tensor::from([2.0, 3.0]));
//! let tape = Tape::train(Key::new(0));
//! let x = tape.constant(Tensor::from([5.0, 7.0]));
//! let gradients = (x * tape.param(&w)).sum().backward();
//! assert_eq!(gradients.of(&w).unwrap().to_vec(), [5.0, 7.0]);
//! ```
//!
//! [`Tape::trace`] prints the recorded operations, and [`Var::backward_under`] repeats a backward under other
//! parameters. In the book: `docs/question.md` for the backward pass, `docs/extending.md` for an operation that is not
//! built in.
#![forbid(unsafe_code)]

mod back;
mod gradcheck;
mod gradients;
mod ops;
mod param;
mod rows;
mod tape;
mod trace;
mod var;

pub use back::{Back, Op};
pub use gradcheck::{Mismatch, gradcheck, gradcheck_surrogate};
pub use gradients::{Gradients, State};
pub use param::{Id, Param};
pub use tape::Tape;
pub use trace::{Trace, TraceNode};
pub use var::Var;

#[cfg(test)]
pub(crate) use gradcheck::testing;
