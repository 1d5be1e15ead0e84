//! Arithmetic operators between arrays, and of arrays with numbers; operands are owned or borrowed.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::array::Array;
use crate::scalar::Scalar;

macro_rules! operator {
    ($trait:ident, $method:ident, $name:literal, $op:tt) => {
        operator!(@arrays $trait, $method, $name, $op, &Array<T>, &Array<T>);
        operator!(@arrays $trait, $method, $name, $op, &Array<T>, Array<T>);
        operator!(@arrays $trait, $method, $name, $op, Array<T>, &Array<T>);
        operator!(@arrays $trait, $method, $name, $op, Array<T>, Array<T>);
        operator!(@number $trait, $method, $op, &Array<T>);
        operator!(@number $trait, $method, $op, Array<T>);
        operator!(@reverse $trait, $method, $op, f32, &Array<f32>);
        operator!(@reverse $trait, $method, $op, f32, Array<f32>);
        operator!(@reverse $trait, $method, $op, f64, &Array<f64>);
        operator!(@reverse $trait, $method, $op, f64, Array<f64>);
    };
    (@arrays $trait:ident, $method:ident, $name:literal, $op:tt, $left:ty, $right:ty) => {
        #[doc = concat!("Elementwise `a ", stringify!($op), " b` under NumPy's broadcasting rules; panics if the shapes do not broadcast.")]
        impl<T: Scalar> $trait<$right> for $left {
            type Output = Array<T>;
            #[track_caller]
            fn $method(self, other: $right) -> Array<T> {
                self.zip_named($name, &other, |x, y| x $op y)
            }
        }
    };
    (@number $trait:ident, $method:ident, $op:tt, $array:ty) => {
        #[doc = concat!("Elementwise `a ", stringify!($op), " number`.")]
        impl<T: Scalar> $trait<T> for $array {
            type Output = Array<T>;
            fn $method(self, number: T) -> Array<T> {
                self.map(|x| x $op number)
            }
        }
    };
    (@reverse $trait:ident, $method:ident, $op:tt, $number:ty, $array:ty) => {
        #[doc = concat!("Elementwise `number ", stringify!($op), " a`.")]
        impl $trait<$array> for $number {
            type Output = Array<$number>;
            fn $method(self, array: $array) -> Array<$number> {
                array.map(|x| self $op x)
            }
        }
    };
}

operator!(Add, add, "add", +);
operator!(Sub, sub, "sub", -);
operator!(Mul, mul, "mul", *);
operator!(Div, div, "div", /);

macro_rules! assignment {
    ($trait:ident, $method:ident, $name:literal, $op:tt) => {
        assignment!(@array $trait, $method, $name, $op, &Array<T>);
        assignment!(@array $trait, $method, $name, $op, Array<T>);

        #[doc = concat!("`a ", stringify!($op), " number` for every element; copies first if the storage is shared.")]
        impl<T: Scalar> $trait<T> for Array<T> {
            fn $method(&mut self, number: T) {
                self.map_mut(|x| *x $op number);
            }
        }
    };
    (@array $trait:ident, $method:ident, $name:literal, $op:tt, $other:ty) => {
        #[doc = concat!("Elementwise `a ", stringify!($op), " b` in place, with `b` broadcast to the shape of `a`; copies first if the storage is shared. Panics if `b` does not broadcast.")]
        impl<T: Scalar> $trait<$other> for Array<T> {
            #[track_caller]
            fn $method(&mut self, other: $other) {
                self.zip_mut_named($name, &other, |x, y| *x $op y);
            }
        }
    };
}

assignment!(AddAssign, add_assign, "add_assign", +=);
assignment!(SubAssign, sub_assign, "sub_assign", -=);
assignment!(MulAssign, mul_assign, "mul_assign", *=);
assignment!(DivAssign, div_assign, "div_assign", /=);

/// The elements with the opposite sign.
impl<T: Scalar> Neg for &Array<T> {
    type Output = Array<T>;
    fn neg(self) -> Array<T> {
        self.map(|x| -x)
    }
}

/// The elements with the opposite sign.
impl<T: Scalar> Neg for Array<T> {
    type Output = Array<T>;
    fn neg(self) -> Array<T> {
        -&self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Tensor};

    #[test]
    fn operands_are_owned_or_borrowed_arrays_or_numbers() {
        let (a, b) = (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([10.0, 20.0]));
        let sum = &a + &b;
        assert_eq!(sum.to_vec(), [11.0, 22.0, 13.0, 24.0]);
        assert_eq!([&a + b.clone(), a.clone() + &b, a.clone() + b.clone()], [(); 3].map(|()| sum.clone()));
        assert_eq!((2.0 * &b - 1.0).to_vec(), [19.0, 39.0]);
        assert_eq!((1.0 - b.clone() / 10.0).to_vec(), [0.0, -1.0]);
        assert_eq!((20.0 / &b).to_vec(), [2.0, 1.0]);
        assert_eq!(-b.clone(), -&b);
        assert_eq!((0.5 + Array::<f64>::from([1.5])).item(), 2.0);
    }

    #[test]
    fn assignments_change_one_of_two_that_share() {
        let mut a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
        let before = a.clone();
        a += &Tensor::from([10.0, 20.0]);
        a -= Tensor::from([[1.0], [2.0]]);
        a *= 2.0;
        a /= &before;
        assert_eq!(a.to_vec(), [20.0, 21.0, 22.0 / 3.0, 11.0]);
        assert_eq!(before.to_vec(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "add: shapes [2] and [3] do not broadcast")]
    fn shapes_that_do_not_fit_name_themselves() {
        let _ = Tensor::from([1.0, 2.0]) + Tensor::from([1.0, 2.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "sub_assign: shape [3] does not broadcast to [2]")]
    fn an_assignment_makes_nothing_larger() {
        let mut a = Tensor::from([1.0, 2.0]);
        a -= Tensor::from([1.0, 2.0, 3.0]);
    }
}
