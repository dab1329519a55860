//! A worker's coarse clock and its timers: one always-armed tick serves every deadline of the thread.
//!
//! A runtime timer per request costs 2 to 3 % of the request, and an idle current-thread runtime
//! writes to its eventfd at each timer registration; one tick that is always armed costs neither.
//! Deadlines are met up to one [`PERIOD`] late, which every limit of a gateway can afford.
//!
//! Everything here is of the thread it is called on. A thread that never runs [`run`] has no
//! timers: its sleeps never end.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

/// Time between two ticks. 50 ms: fine enough for the shortest limit (100 ms), rare enough that
/// scanning ten thousand deadlines costs well under a thousandth of a core.
pub const PERIOD: Duration = Duration::from_millis(50);

/// A deadline and who waits for it. Free slots hold no waker and are reused.
struct Timer {
    due: Instant,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Timers {
    slots: Vec<Timer>,
    free: Vec<usize>,
}

thread_local! {
    /// Both clocks at the last tick.
    static NOW: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// The time of the last tick, or the real time where no tick runs.
#[must_use]
pub fn now() -> Instant {
    NOW.get().map_or_else(Instant::now, |(now, _)| now)
}

/// The time of day at `now`, which is not long ago, without a look at the clock: as it was at the last
/// tick, and what has passed since. So a clock that is set is followed within one [`PERIOD`].
#[must_use]
pub fn wall(now: Instant) -> SystemTime {
    match NOW.get() {
        Some((tick, wall)) => wall + now.saturating_duration_since(tick),
        None => SystemTime::now(),
    }
}

/// Looks at the clocks.
fn look() -> Instant {
    let now = Instant::now();
    NOW.set(Some((now, SystemTime::now())));
    now
}

/// Runs this thread's clock for ever, calling `each` after every tick. Spawn it once per worker.
pub async fn run(each: impl Fn(Instant)) {
    loop {
        look();
        tokio::time::sleep(PERIOD).await;
        let now = look();
        wake_due(now);
        each(now);
    }
}

/// Wakes outside the borrow: waking may drop a task, whose own sleeps then free their slots.
fn wake_due(now: Instant) {
    let due: Vec<Waker> = TIMERS.with_borrow_mut(|timers| {
        let slots = timers.slots.iter_mut().filter(|timer| timer.due <= now);
        slots.filter_map(|timer| timer.waker.take()).collect()
    });
    due.into_iter().for_each(Waker::wake);
}

/// Waits until `due`, at most one [`PERIOD`] longer.
#[must_use]
pub fn sleep_until(due: Instant) -> Sleep {
    Sleep { due, slot: None }
}

/// Waits for `span`, at most one [`PERIOD`] longer.
#[must_use]
pub fn sleep(span: Duration) -> Sleep {
    sleep_until(now() + span)
}

/// Runs `future` for at most `span`; `None` when the time is over first.
pub async fn timeout<F: Future>(span: Duration, future: F) -> Option<F::Output> {
    timeout_at(now() + span, future).await
}

/// Runs `future` until `due` at most; `None` when that comes first.
pub async fn timeout_at<F: Future>(due: Instant, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut sleep = sleep_until(due);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| None)
    })
    .await
}

/// A wait for a moment. Registers itself when first polled; dropping it frees its slot.
#[derive(Debug)]
pub struct Sleep {
    due: Instant,
    slot: Option<usize>,
}

impl Sleep {
    /// Moves the moment, whether or not the wait has begun.
    pub fn reset(&mut self, due: Instant) {
        self.due = due;
        if let Some(slot) = self.slot {
            TIMERS.with_borrow_mut(|timers| timers.slots[slot].due = due);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.due <= now() {
            return Poll::Ready(());
        }
        let (due, slot) = (self.due, self.slot);
        self.slot = TIMERS.with_borrow_mut(|timers| {
            let slot = slot.or_else(|| timers.free.pop()).unwrap_or(timers.slots.len());
            if slot == timers.slots.len() {
                timers.slots.push(Timer { due, waker: None });
            }
            let timer = &mut timers.slots[slot];
            timer.due = due;
            match &mut timer.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Some(slot)
        });
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            // At thread exit the timers may be gone before the last task is.
            let _ = TIMERS.try_with(|timers| {
                let mut timers = timers.borrow_mut();
                timers.slots[slot].waker = None;
                timers.free.push(slot);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_worker<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let clock = tokio::task::spawn_local(run(|_| ()));
            tokio::task::yield_now().await;
            let output = future.await;
            clock.abort();
            output
        })
    }

    #[test]
    fn a_sleep_ends_and_a_finished_future_beats_the_timeout() {
        on_worker(async {
            let started = Instant::now();
            sleep(Duration::from_millis(60)).await;
            assert!(started.elapsed() >= Duration::from_millis(10));
            assert_eq!(timeout(Duration::from_secs(60), async { 7 }).await, Some(7));
            let never = std::future::pending::<()>();
            assert_eq!(timeout(Duration::from_millis(1), never).await, None);
        });
    }

    #[test]
    fn the_time_of_day_goes_on_between_two_ticks() {
        let apart = |now: Instant, real: SystemTime| {
            let told = wall(now);
            told.max(real).duration_since(told.min(real)).unwrap()
        };
        assert!(apart(Instant::now(), SystemTime::now()) < Duration::from_secs(5));
        on_worker(async {
            let (now, real) = (Instant::now(), SystemTime::now());
            assert!(apart(now, real) < Duration::from_secs(5));
            let later = Duration::from_millis(7);
            assert_eq!(wall(now + later), wall(now) + later);
        });
    }

    #[test]
    fn a_dropped_sleep_gives_its_slot_to_the_next() {
        on_worker(async {
            for _ in 0..5 {
                let never = std::future::pending::<()>();
                assert_eq!(timeout(Duration::from_millis(1), never).await, None);
            }
            assert_eq!(TIMERS.with_borrow(|timers| timers.slots.len()), 1);
        });
    }
}
