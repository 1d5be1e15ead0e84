//! The ranks that `mpirun` started, by MPI. One thread of a rank calls it at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use mpi::Threading;
use mpi::environment::{Universe, initialize_with_threading};
use mpi::point_to_point::{Destination, Message, Source, Status, send_receive_into};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::Equivalence;

use super::Topic;
use crate::failure::{Failure, Outcome};

/// Messages that this rank has sent, and their bytes.
static SENT: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// MPI from its start to its end.
pub struct Session {
    _universe: Universe,
}

impl Session {
    /// Starts MPI.
    pub fn start() -> Outcome<Self> {
        match initialize_with_threading(Threading::Serialized) {
            Some((universe, provided)) if provided >= Threading::Serialized => Ok(Self { _universe: universe }),
            _ => Err(Failure::failed("MPI: this library lets only the main thread of a process call it")),
        }
    }

    /// Ends all ranks, as this one can't go on.
    pub fn end_all(&self, code: u8) {
        if count() > 1 {
            world().abort(code.into());
        }
    }

    /// The messages and bytes that this rank has sent, in words.
    pub fn traffic(&self) -> Option<String> {
        let [messages, bytes] = [&SENT[0], &SENT[1]].map(|sum| sum.load(Ordering::Relaxed));
        (count() > 1).then(|| format!("rank {} of {} has sent {messages} messages, {bytes} bytes", rank(), count()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The others would wait for ever.
            self.end_all(crate::failure::FAILED);
        }
    }
}

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

fn note(bytes: usize) {
    SENT[0].fetch_add(1, Ordering::Relaxed);
    SENT[1].fetch_add(bytes, Ordering::Relaxed);
}

/// The rank of this process.
pub fn rank() -> usize {
    world().rank() as usize
}

/// The number of ranks.
pub fn count() -> usize {
    world().size() as usize
}

/// Sends bytes to a rank.
pub fn send(to: usize, topic: Topic, bytes: &[u8]) {
    world().process_at_rank(to as i32).send_with_tag(bytes, topic as i32);
    note(bytes.len());
}

/// A message of a rank, or of any, if there is one.
pub fn receive(from: Option<usize>, topic: Topic) -> Option<Vec<u8>> {
    let world = world();
    let (message, status): (Message, Status) = match from {
        Some(rank) => world.process_at_rank(rank as i32).immediate_matched_probe_with_tag(topic as i32)?,
        None => world.any_process().immediate_matched_probe_with_tag(topic as i32)?,
    };
    let mut bytes = vec![0_u8; status.count(u8::equivalent_datatype()) as usize];
    message.matched_receive_into(&mut bytes[..]);
    Some(bytes)
}

/// Exchanges numbers with another rank, which sends as many as it receives.
pub fn swap(with: usize, own: &[f32], other: &mut [f32]) {
    let world = world();
    let with = world.process_at_rank(with as i32);
    send_receive_into(own, &with, other, &with);
    note(size_of_val(own));
}
