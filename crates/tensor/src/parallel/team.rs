//! Worker threads that stay awake between jobs.
//!
//! The threads of rayon's pool sleep as soon as they are idle, and waking one takes as long as a small product. A
//! training step is about forty jobs of 5 to 50 µs with little time between them. So a thread of the pool, once woken,
//! polls for further jobs for a while, and the caller works on its job as well.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Time for which an idle thread polls for a job before it returns to the pool, where it may sleep.
const IDLE_LIMIT: Duration = Duration::from_micros(200);

/// A job: the work, which all threads that are awake call, and its last panic.
struct Job<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Held while a job runs. Jobs that are started meanwhile, also by the job itself, run on their calling thread alone.
static CALLER: Mutex<()> = Mutex::new(());

/// The running job, or null.
static JOB: AtomicPtr<Job<'static>> = AtomicPtr::new(ptr::null_mut());

/// The number of jobs so far, with the running one.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Threads of the pool that poll for jobs, work on one, or are being woken.
static AWAKE: AtomicUsize = AtomicUsize::new(0);

/// Threads that may hold a reference to the running job.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Calls `work` on the calling thread and on those threads of the pool that are awake or wake up meanwhile; returns
/// when all calls have returned.
///
/// # Panics
/// If `work` panics on one of them.
pub(super) fn on_all_threads(work: &(dyn Fn(usize) + Sync)) {
    let _caller = match CALLER.try_lock() {
        Ok(caller) => caller,
        // An earlier job panicked, which leaves nothing in an invalid state.
        Err(TryLockError::Poisoned(caller)) => caller.into_inner(),
        Err(TryLockError::WouldBlock) => return work(0),
    };
    let job = Job { work, panic: Mutex::new(None) };
    let open = Open::new(&job);
    work(0);
    drop(open);
    if let Some(panic) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(panic);
    }
}

/// A job is open as long as this exists.
struct Open;

impl Open {
    fn new(job: &Job<'_>) -> Self {
        JOB.store(ptr::from_ref(job).cast_mut().cast(), SeqCst);
        NUMBER.fetch_add(1, SeqCst);
        let others = rayon::current_num_threads() - 1;
        while AWAKE.load(SeqCst) < others {
            let who = AWAKE.fetch_add(1, SeqCst) + 1;
            rayon::spawn(move || poll_for_jobs(who));
        }
        Self
    }
}

/// Closes the job, also when the caller's own work panics.
impl Drop for Open {
    fn drop(&mut self) {
        JOB.store(ptr::null_mut(), SeqCst);
        let mut wait = Wait::default();
        while INSIDE.load(SeqCst) > 0 {
            wait.once();
        }
    }
}

/// Works on jobs until none has come for [`IDLE_LIMIT`]. A thread of the pool runs this once it is woken.
fn poll_for_jobs(who: usize) {
    let (mut last, mut since) = (0, Instant::now());
    let mut wait = Wait::default();
    loop {
        let number = NUMBER.load(SeqCst);
        if number != last {
            last = number;
            INSIDE.fetch_add(1, SeqCst);
            // SAFETY: a caller drops its job only after it has set JOB to null and then read INSIDE as 0. A thread that
            // finds the job here has counted itself in INSIDE before JOB was set to null, so the caller waits for it.
            if let Some(job) = unsafe { JOB.load(SeqCst).as_ref() }
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| (job.work)(who)))
            {
                *job.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            INSIDE.fetch_sub(1, SeqCst);
            (since, wait) = (Instant::now(), Wait::default());
        } else if since.elapsed() > IDLE_LIMIT {
            break;
        }
        wait.once();
    }
    AWAKE.fetch_sub(1, SeqCst);
}

/// Waiting that yields the core after a while: the awaited thread may need it.
#[derive(Default)]
struct Wait {
    rounds: u32,
}

impl Wait {
    fn once(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds < 1000 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parallel;

    #[test]
    fn each_part_is_done_once_with_several_callers() {
        let rounds = |seed: usize| {
            for round in 0..2_000 {
                let mut data = vec![seed; 64];
                parallel::for_each_part(&mut data, 4, |i, part| part.iter_mut().for_each(|x| *x += i + round));
                assert!(data.iter().enumerate().all(|(i, &x)| x == seed + i / 4 + round));
            }
        };
        std::thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || rounds(seed));
            }
        });
    }

    #[test]
    fn work_may_call_for_work() {
        let mut data = vec![0; 64];
        parallel::for_each_part(&mut data, 16, |i, part| {
            parallel::for_each_part(part, 4, |j, part| part.fill(10 * i + j));
        });
        assert!(data.iter().enumerate().all(|(i, &x)| x == 10 * (i / 16) + i % 16 / 4));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_nothing_else() {
        for _ in 0..100 {
            let failed = std::panic::catch_unwind(|| {
                parallel::for_each((0..16).collect(), |i| assert!(i != 7, "seven"));
            });
            let message = failed.expect_err("one of them panics");
            assert_eq!(message.downcast_ref::<&str>(), Some(&"seven"));
            assert_eq!(parallel::map(&[1, 2, 3], |x| x * 2), [2, 4, 6]);
        }
    }
}
