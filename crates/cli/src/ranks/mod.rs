//! The processes of one run: this one alone, or those that `mpirun` started (feature `mpi`).
//!
//! All ranks run the same command on the same files. Rank 0 writes the folder of the run, prints, and takes the
//! decisions that depend on files; the others get these decisions from [`Ranks::share`]. Work that is dealt out by its
//! index comes together at rank 0 ([`Ranks::collect`]), and gradients are summed in an order that does not depend on
//! the number of ranks ([`Ranks::sum`]). `mpi.rs` sends and receives the messages of processes; without the feature
//! `alone.rs` stands in for it, with one rank and no messages.

#[cfg(not(feature = "mpi"))]
#[path = "alone.rs"]
mod link;
#[cfg(feature = "mpi")]
#[path = "mpi.rs"]
mod link;
mod pack;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Outcome};
pub use link::Session;
pub use pack::{pack, unpack};

/// The pause between two looks for messages, which leaves the cores to the threads that compute.
const PAUSE: Duration = Duration::from_millis(2);

/// The subject of a message, by which messages differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Topic {
    /// A message of rank 0 to all.
    Share = 1,
    /// The result of a piece of work.
    Work,
}

/// The rows of the i-th of `parts` consecutive parts of `rows` rows, which are as even as possible.
pub fn part(rows: usize, i: usize, parts: usize) -> Range<usize> {
    rows * i / parts..rows * (i + 1) / parts
}

/// A function that takes the result of a piece of work: its index, and numbers.
pub type Give<'a> = &'a (dyn Fn(usize, Vec<f64>) -> Outcome<()> + Sync);

/// The ranks that do something together, and which of them this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    rank: usize,
    count: usize,
}

impl Ranks {
    /// This process by itself.
    pub const ALONE: Self = Self { rank: 0, count: 1 };

    /// All ranks of the run.
    pub fn all() -> Self {
        Self { rank: link::rank(), count: link::count() }
    }

    /// Returns `true` for rank 0, which prints and writes.
    pub fn is_first(self) -> bool {
        self.rank == 0
    }

    /// The number of this rank, from 0.
    pub fn rank(self) -> usize {
        self.rank
    }

    /// The number of ranks.
    pub fn count(self) -> usize {
        self.count
    }

    /// Returns `true` if this rank has the work of an index.
    pub fn has(self, index: usize) -> bool {
        index % self.count == self.rank
    }

    /// The first ranks, in the largest possible number that is a power of two and at most `most`; `None` if this rank
    /// is not among them.
    pub fn team(self, most: usize) -> Option<Self> {
        let count = 1 << self.count.min(most.max(1)).ilog2();
        (self.rank < count).then_some(Self { count, ..self })
    }

    /// Waits until all ranks are here.
    pub fn wait(self) {
        self.children().for_each(|child| drop(self.receive(child)));
        if !self.is_first() {
            link::send(self.parent(), Topic::Share, &[]);
        }
        self.broadcast(vec![]);
    }

    /// Returns at all ranks the bytes that `make` gives at rank 0.
    pub fn share(self, make: impl FnOnce() -> Outcome<Vec<u8>>) -> Outcome<Vec<u8>> {
        let own = if self.is_first() { make()? } else { vec![] };
        Ok(self.broadcast(own))
    }

    /// Returns at all ranks the numbers that `make` gives at rank 0.
    pub fn share_numbers<const N: usize>(self, make: impl FnOnce() -> [f64; N]) -> [f64; N] {
        let own = if self.is_first() { pack([(0, &make()[..])]) } else { vec![] };
        let pieces = unpack(&self.broadcast(own));
        let numbers = pieces.into_iter().next().and_then(|(_, numbers)| numbers.try_into().ok());
        numbers.expect("rank 0 sends as many as are asked for")
    }

    /// The answer of rank 0 to a question about files that it alone writes.
    pub fn agree(self, make: impl FnOnce() -> bool) -> bool {
        self.share_numbers(|| [f64::from(u8::from(make()))]) == [1.0]
    }

    /// Sends the bytes of rank 0 to all ranks, along a tree, and returns them.
    fn broadcast(self, own: Vec<u8>) -> Vec<u8> {
        let bytes = if self.is_first() { own } else { self.receive(self.parent()) };
        self.children().for_each(|child| link::send(child, Topic::Share, &bytes));
        bytes
    }

    /// Waits for a message. A rank that waits sleeps, as it may share its cores with one that computes.
    fn receive(self, from: usize) -> Vec<u8> {
        loop {
            match link::receive(Some(from), Topic::Share) {
                Some(bytes) => return bytes,
                None => thread::sleep(PAUSE),
            }
        }
    }

    /// The rank from which this one receives: its own number without the highest bit.
    fn parent(self) -> usize {
        self.rank ^ 1 << self.rank.ilog2()
    }

    /// The ranks to which this one sends: its number with a higher bit.
    fn children(self) -> impl Iterator<Item = usize> {
        let bits = (0..usize::BITS).map(|bit| 1_usize << bit).filter(move |bit| *bit > self.rank);
        bits.map(move |bit| self.rank + bit).take_while(move |child| *child < self.count)
    }

    /// Sums numbers over a [team](Self::team), element by element: neighbours first, then pairs of neighbours, and so
    /// on, so that all ranks have the same bits.
    pub fn sum(self, numbers: &mut [f32]) {
        let mut other = vec![0.0; numbers.len()];
        let mut distance = 1;
        while distance < self.count {
            link::swap(self.rank ^ distance, numbers, &mut other);
            // a + b and b + a are the same bits.
            numbers.iter_mut().zip(&other).for_each(|(own, other)| *own += other);
            distance *= 2;
        }
    }

    /// Runs `work` on this thread. Rank 0 hands the results of all ranks to `take` as they come. Returns when all ranks
    /// are done.
    pub fn collect(
        self,
        work: impl FnOnce(Give<'_>) -> Outcome<()>,
        take: impl Fn(usize, Vec<f64>) -> Outcome<()> + Sync,
    ) -> Outcome<()> {
        if self.count == 1 {
            return work(&take);
        }
        match self.is_first() {
            true => self.collect_here(work, take)?,
            false => self.collect_there(work)?,
        }
        // No rank begins the next work before rank 0 has all results of this one.
        self.wait();
        Ok(())
    }

    /// [`collect`](Self::collect) at rank 0: a second thread receives messages while this one computes.
    fn collect_here(
        self,
        work: impl FnOnce(Give<'_>) -> Outcome<()>,
        take: impl Fn(usize, Vec<f64>) -> Outcome<()> + Sync,
    ) -> Outcome<()> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                let mut left = self.count - 1;
                while left > 0 && !is_over.load(Ordering::Relaxed) {
                    match link::receive(None, Topic::Work) {
                        // The last message of a rank is empty.
                        Some(message) if message.is_empty() => left -= 1,
                        Some(message) => {
                            for (index, numbers) in unpack(&message) {
                                take(index, numbers)?;
                            }
                        }
                        None => thread::sleep(PAUSE),
                    }
                }
                Ok(())
            });
            let result = work(&take);
            is_over.store(result.is_err(), Ordering::Relaxed);
            result.and(receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// [`collect`](Self::collect) at the other ranks: one further thread sends all messages, because only one thread at
    /// a time may call MPI.
    fn collect_there(self, work: impl FnOnce(Give<'_>) -> Outcome<()>) -> Outcome<()> {
        let (sender, messages) = mpsc::channel::<Vec<u8>>();
        thread::scope(|scope| {
            let ended = scope.spawn(move || messages.iter().for_each(|message| link::send(0, Topic::Work, &message)));
            let give = |index, numbers: Vec<f64>| {
                sender.send(pack([(index, numbers.as_slice())])).map_err(|_| Failure::failed("messages were lost"))
            };
            let result = work(&give);
            if result.is_ok() {
                // The thread receives until the last sender is dropped, so this does not fail.
                let _ = sender.send(vec![]);
            }
            drop(sender);
            ended.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_a_power_of_two() {
        let team = |rank, count, most| Ranks { rank, count }.team(most).map(|team| team.count);
        assert_eq!(team(0, 1, 8), Some(1));
        assert_eq!([0, 3, 4, 5].map(|rank| team(rank, 6, 8)), [Some(4), Some(4), None, None]);
        assert_eq!([0, 1, 2].map(|rank| team(rank, 64, 2)), [Some(2), Some(2), None]);
        assert_eq!(team(0, 4, 0), Some(1));
    }

    #[test]
    fn work_is_dealt_out_once() {
        let ranks: Vec<Ranks> = (0..3).map(|rank| Ranks { rank, count: 3 }).collect();
        for index in 0..20 {
            assert_eq!(ranks.iter().filter(|ranks| ranks.has(index)).count(), 1);
        }
    }

    #[test]
    fn all_learn_from_rank_0() {
        for count in 1..=70 {
            let ranks = (0..count).map(|rank| Ranks { rank, count });
            let mut taught: Vec<usize> = ranks.clone().flat_map(|ranks| ranks.children().collect::<Vec<_>>()).collect();
            taught.sort();
            assert_eq!(taught, (1..count).collect::<Vec<_>>());
            for teacher in ranks {
                assert!(teacher.children().all(|rank| Ranks { rank, count }.parent() == teacher.rank));
            }
        }
    }

    #[test]
    fn one_rank_takes_what_it_gives() {
        let taken = std::sync::Mutex::new(vec![]);
        let take = |index, numbers| {
            taken.lock().unwrap().push((index, numbers));
            Ok(())
        };
        Ranks::ALONE.collect(|give| (0..3).try_for_each(|i| give(i, vec![i as f64])), take).unwrap();
        assert_eq!(taken.into_inner().unwrap(), [(0, vec![0.0]), (1, vec![1.0]), (2, vec![2.0])]);
        assert!(Ranks::ALONE.agree(|| true) && !Ranks::ALONE.agree(|| false));
    }
}
