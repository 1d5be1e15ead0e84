//! The strided array: shared storage, a shape, strides.

use std::mem::MaybeUninit;
use std::ops::Index;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::parallel;
use crate::shape::{self, Dims};
use crate::storage::{self, Storage};

/// The smallest number of elements that one task transposes.
const TASK: usize = 1 << 14;

/// An n-dimensional array on shared storage.
///
/// Cloning and every view (transpose, slice, broadcast, reshape where strides allow) share the storage and copy
/// nothing; writing copies only when the storage is shared or not contiguous. Numeric operations exist for `f32` and
/// `f64`.
///
/// ```
/// use ohmgrad_tensor::Tensor;
/// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(a.t().to_vec(), [1.0, 3.0, 2.0, 4.0]);
/// assert_eq!((&a + &a.row(0)).to_vec(), [2.0, 4.0, 4.0, 6.0]);
/// ```
#[derive(Clone)]
pub struct Array<T> {
    pub(crate) data: Arc<Storage<T>>,
    pub(crate) offset: usize,
    pub(crate) shape: Dims,
    pub(crate) strides: Dims,
}

/// The array that networks are made of: 32-bit floats.
pub type Tensor = Array<f32>;

impl<T: Clone + Send + Sync> Array<T> {
    /// An array of the given shape over `data` in row-major order.
    ///
    /// # Panics
    /// If the shape does not hold exactly `data.len()` elements.
    #[track_caller]
    pub fn from_vec(data: Vec<T>, shape: &[usize]) -> Self {
        assert!(shape::len(shape) == data.len(), "from_vec: shape {shape:?} does not hold {} elements", data.len());
        Self { data: Arc::new(Storage::new(data)), offset: 0, shape: shape.into(), strides: shape::row_major(shape) }
    }

    /// An array of the given shape filled with one value.
    #[track_caller]
    pub fn full(shape: &[usize], value: T) -> Self {
        Self::from_vec(storage::filled(shape::len(shape), value), shape)
    }

    /// An array without axes that holds one value.
    pub fn scalar(value: T) -> Self {
        Self::from_vec(vec![value], &[])
    }

    /// An array whose element at each index is `f` of that index.
    ///
    /// ```
    /// use ohmgrad_tensor::Tensor;
    /// let a = Tensor::from_fn(&[2, 3], |i| (10 * i[0] + i[1]) as f32);
    /// assert_eq!(a.to_vec(), [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
    /// ```
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> Self {
        let mut index: Dims = SmallVec::from_elem(0, shape.len());
        let mut data = Vec::with_capacity(shape::len(shape));
        for _ in 0..data.capacity() {
            data.push(f(&index));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Self::from_vec(data, shape)
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The distances in storage between neighbours along each axis; 0 along broadcast axes.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        shape::len(&self.shape)
    }

    /// Returns `true` if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as one slice, if they lie in storage in row-major order without gaps.
    pub fn as_slice(&self) -> Option<&[T]> {
        self.is_contiguous().then(|| &self.data[self.offset..self.offset + self.len()])
    }

    /// The elements of a row of a matrix (rank 2), if they lie in storage without gaps, as they do in the columns
    /// `slice(1, …)` of a contiguous matrix.
    ///
    /// # Panics
    /// If the array is not a matrix, or has no such row.
    #[track_caller]
    pub fn row_slice(&self, row: usize) -> Option<&[T]> {
        assert!(self.rank() == 2 && row < self.shape[0], "row {row} of shape {:?}", self.shape);
        let width = self.shape[1];
        (width <= 1 || self.strides[1] == 1).then(|| match width {
            0 => &[],
            _ => &self.data[self.offset + row * self.strides[0]..][..width],
        })
    }

    /// Returns `true` if the elements lie in storage in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        }) || self.is_empty()
    }

    /// Returns `true` if the elements fill one stretch of storage, in any order of the axes.
    pub(crate) fn is_dense(&self) -> bool {
        shape::is_dense(&self.shape, &self.strides)
    }

    /// The stretch of storage of a dense array, in storage order.
    pub(crate) fn storage(&self) -> &[T] {
        debug_assert!(self.is_dense());
        &self.data[self.offset..self.offset + self.len()]
    }

    /// An array of the same shape and strides over new storage, for results computed in storage order.
    pub(crate) fn with_storage<U>(&self, data: Vec<U>) -> Array<U> {
        Array {
            data: Arc::new(Storage::new(data)),
            offset: 0,
            shape: self.shape.clone(),
            strides: self.strides.clone(),
        }
    }

    /// The elements in row-major order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let len = self.len();
        let mut index: Dims = SmallVec::from_elem(0, self.rank());
        let mut at = self.offset;
        (0..len).map(move |_| {
            let item = &self.data[at];
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
            item
        })
    }

    /// The elements in row-major order, copied.
    pub fn to_vec(&self) -> Vec<T> {
        if let Some(slice) = self.as_slice() {
            let mut out = storage::with_capacity(slice.len());
            out.extend_from_slice(slice);
            return out;
        }
        if let Some(axis) = self.strides.iter().position(|&stride| stride == 1) {
            let last = self.rank() - 1;
            if axis != last && self.shape[axis] > 3 && self.strides[last] > 0 && !self.is_empty() {
                return self.transposed(axis);
            }
        }
        let mut out = storage::with_capacity(self.len());
        let inner = self.shape.last().copied().unwrap_or(1);
        let stride = self.strides.last().copied().unwrap_or(1);
        shape::for_each_row(&self.shape, [&self.strides], |[at]| {
            let at = self.offset + at;
            match stride {
                1 => out.extend_from_slice(&self.data[at..at + inner]),
                _ => out.extend((0..inner).map(|i| self.data[at + i * stride].clone())),
            }
        });
        out
    }

    /// The elements in row-major order, for an array with stride 1 along `axis`, which is not the last.
    fn transposed(&self, axis: usize) -> Vec<T> {
        let len = self.len();
        let mut out: Vec<T> = storage::with_capacity(len);
        let row = len / self.shape[0];
        let rows = TASK.div_ceil(row);
        parallel::for_each_part(&mut out.spare_capacity_mut()[..len], rows * row, |i, part| {
            let range = i * rows..self.shape[0].min((i + 1) * rows);
            self.slice(0, range).transpose_into(axis, part);
        });
        // SAFETY: every element of a row-major array of this shape was written.
        unsafe { out.set_len(len) };
        out
    }

    /// Writes all elements in row-major order; the stride along `axis` is 1. Works square by square, so that source and
    /// target are both accessed along cache lines.
    fn transpose_into(&self, axis: usize, target: &mut [MaybeUninit<T>]) {
        const SIDE: usize = 16;
        let last = self.rank() - 1;
        let (rows, columns, stride) = (self.shape[axis], self.shape[last], self.strides[last]);
        let to = shape::row_major(&self.shape);
        let outer = |strides: &[usize]| -> Dims {
            let others = (0..last).filter(|&a| a != axis).map(|a| strides[a]);
            others.chain([0]).collect()
        };
        let mut outer_shape = outer(&self.shape);
        *outer_shape.last_mut().expect("one was added") = 1;
        shape::for_each_row(&outer_shape, [&outer(&self.strides), &outer(&to)], |[from, at]| {
            for j in (0..rows).step_by(SIDE) {
                for i in (0..columns).step_by(SIDE) {
                    let width = SIDE.min(columns - i);
                    for j in j..rows.min(j + SIDE) {
                        let source = self.data[self.offset + from + i * stride + j..].iter().step_by(stride);
                        let target = &mut target[at + j * to[axis] + i..][..width];
                        target.iter_mut().zip(source).for_each(|(t, x)| _ = t.write(x.clone()));
                    }
                }
            }
        });
    }

    /// The axes from the largest stride to the smallest: in the order of memory.
    pub(crate) fn memory_order(&self) -> Dims {
        let mut order: Dims = (0..self.rank()).collect();
        order.sort_by_key(|&axis| std::cmp::Reverse(self.strides[axis]));
        order
    }

    /// The same elements in row-major order in storage; copies only if they are not so already.
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() { self.clone() } else { Self::from_vec(self.to_vec(), &self.shape) }
    }

    /// The elements in row-major order, for writing; copies first if the storage is shared or in another order.
    pub fn make_mut(&mut self) -> &mut [T] {
        if !self.is_contiguous() {
            *self = self.contiguous();
        }
        self.unshared_storage()
    }

    /// The elements of a dense array in storage order, for writing; copied first if the storage is shared.
    pub(crate) fn unshared_storage(&mut self) -> &mut [T] {
        if self.len() < self.data.len() && self.is_shared() {
            // Copies only these elements, which may be few, such as one step of a sequence.
            let mut own = storage::with_capacity(self.len());
            own.extend_from_slice(&self.data[self.offset..self.offset + self.len()]);
            (self.data, self.offset) = (Arc::new(Storage::new(own)), 0);
        }
        let range = self.offset..self.offset + self.len();
        &mut Arc::make_mut(&mut self.data)[range]
    }

    /// Returns `true` if two arrays are views of one storage.
    pub fn shares_storage(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.data, &other.data)
    }

    /// Returns `true` if other arrays share the storage, so that writing to this one first copies it.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.data) > 1
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one element.
    #[track_caller]
    pub fn item(&self) -> T {
        assert!(self.len() == 1, "item: shape {:?} does not hold exactly one element", self.shape);
        self.data[self.offset].clone()
    }

    #[track_caller]
    fn at(&self, index: &[usize]) -> usize {
        assert!(
            index.len() == self.rank() && index.iter().zip(&self.shape).all(|(i, n)| i < n),
            "index {index:?} is outside of shape {:?}",
            self.shape
        );
        self.offset + index.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<usize>()
    }
}

/// Element access, `a[[row, column]]`.
///
/// # Panics
/// If the index has another number of axes than the array or lies outside of it.
impl<T: Clone + Send + Sync, const N: usize> Index<[usize; N]> for Array<T> {
    type Output = T;

    #[track_caller]
    fn index(&self, index: [usize; N]) -> &T {
        &self.data[self.at(&index)]
    }
}

impl<T: Clone + PartialEq + Send + Sync> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.iter().eq(other.iter())
    }
}

impl<T: Clone + Send + Sync> From<Vec<T>> for Array<T> {
    fn from(data: Vec<T>) -> Self {
        let n = data.len();
        Self::from_vec(data, &[n])
    }
}

impl<T: Clone + Send + Sync> From<&[T]> for Array<T> {
    fn from(data: &[T]) -> Self {
        data.to_vec().into()
    }
}

impl<T: Clone + Send + Sync, const N: usize> From<[T; N]> for Array<T> {
    fn from(data: [T; N]) -> Self {
        Vec::from(data).into()
    }
}

impl<T: Clone + Send + Sync, const M: usize, const N: usize> From<[[T; N]; M]> for Array<T> {
    fn from(rows: [[T; N]; M]) -> Self {
        Self::from_vec(rows.into_iter().flatten().collect(), &[M, N])
    }
}

impl<T: Clone + Send + Sync, const L: usize, const M: usize, const N: usize> From<[[[T; N]; M]; L]> for Array<T> {
    fn from(blocks: [[[T; N]; M]; L]) -> Self {
        Self::from_vec(blocks.into_iter().flatten().flatten().collect(), &[L, M, N])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_copies_only_shared_storage() {
        let mut a = Tensor::from([1.0, 2.0]);
        let before = a.as_slice().unwrap().as_ptr();
        a.make_mut()[0] = 5.0;
        assert_eq!(a.as_slice().unwrap().as_ptr(), before);
        let b = a.clone();
        a.make_mut()[0] = 7.0;
        assert_eq!((a[[0]], b[[0]]), (7.0, 5.0));
    }

    #[test]
    fn rows_of_columns_are_slices_but_those_of_a_transpose_are_not() {
        let a = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(a.slice(1, 1..3).row_slice(1), Some(&[5.0, 6.0][..]));
        assert_eq!(a.slice(1, 3..3).row_slice(1), Some(&[][..]));
        assert_eq!((a.t().row_slice(2), a.t().slice(1, 1..2).row_slice(2)), (None, Some(&[6.0][..])));
    }

    #[test]
    fn equality_looks_at_elements_not_strides() {
        let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(a.t().contiguous(), a.t());
        assert_ne!(a.t(), a);
    }

    #[test]
    #[should_panic(expected = "index [2, 0] is outside of shape [2, 2]")]
    fn an_index_outside_names_itself() {
        let _ = Tensor::from([[1.0, 2.0], [3.0, 4.0]])[[2, 0]];
    }
}
