//! Threads that stay awake from one piece of work to the next.
//!
//! The threads of rayon's pool go to sleep as soon as they have nothing to do, and to wake one up takes as long as a small
//! product. A training step is some forty pieces of work of 5 to 50 µs with little between them. So a thread of the pool
//! that is called once stays for a while and looks out for more, and the caller works along with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a thread looks out for work before it goes back to the pool, where it may sleep.
const PATIENCE: Duration = Duration::from_micros(200);

/// What there is to do, once for each thread that comes.
struct Job<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Whoever works has its lock. Work that is called for meanwhile, also by the work itself, is done where it is called for.
static CALLER: Mutex<()> = Mutex::new(());

/// The job that is open, or null.
static JOB: AtomicPtr<Job<'static>> = AtomicPtr::new(ptr::null_mut());

/// How many jobs there have been, the open one included.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Threads that look out for work or do it.
static AWAKE: AtomicUsize = AtomicUsize::new(0);

/// Threads that may have a reference to the open job.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Calls `work` on the calling thread and, at the same time, on other threads of the pool as they come; returns when all
/// have returned.
///
/// # Panics
/// If `work` panics on one of them.
pub(super) fn on_all_threads(work: &(dyn Fn(usize) + Sync)) {
    let _caller = match CALLER.try_lock() {
        Ok(caller) => caller,
        // Somebody's work panicked, which did no harm here.
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
            rayon::spawn(move || look_out(who));
        }
        Self
    }
}

/// Also when the caller's own work panics.
impl Drop for Open {
    fn drop(&mut self) {
        JOB.store(ptr::null_mut(), SeqCst);
        let mut wait = Wait::default();
        while INSIDE.load(SeqCst) > 0 {
            wait.a_moment();
        }
    }
}

/// What a thread of the pool does once it is called: jobs, until there has been none for a while.
fn look_out(who: usize) {
    let (mut seen, mut since) = (0, Instant::now());
    let mut wait = Wait::default();
    loop {
        let number = NUMBER.load(SeqCst);
        if number != seen {
            seen = number;
            INSIDE.fetch_add(1, SeqCst);
            // SAFETY: a caller leaves its job only after it has closed it and then seen nobody inside. Who finds it open
            // came inside before it was closed, and is seen.
            if let Some(job) = unsafe { JOB.load(SeqCst).as_ref() }
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| (job.work)(who)))
            {
                *job.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            INSIDE.fetch_sub(1, SeqCst);
            (since, wait) = (Instant::now(), Wait::default());
        } else if since.elapsed() > PATIENCE {
            break;
        }
        wait.a_moment();
    }
    AWAKE.fetch_sub(1, SeqCst);
}

/// Waiting that lets others have the core after a while: perhaps it is one of them that is waited for.
#[derive(Default)]
struct Wait {
    moments: u32,
}

impl Wait {
    fn a_moment(&mut self) {
        self.moments = self.moments.saturating_add(1);
        if self.moments < 1000 {
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
    fn parts_are_each_done_once_whoever_calls() {
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
