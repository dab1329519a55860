//! Runs a few tasks in every order in which their steps can follow each other. A task is a future; a step
//! goes from one of its waits to the next, and what it waits for is another task, or its turn.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// One of those that run at the same time.
pub(super) struct Task {
    pub(super) name: &'static str,
    /// Whether it waits for the others from the start, and a run has ended although this one has not.
    pub(super) serves: bool,
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
}

/// What came of one order.
pub(super) type Verdict = Result<(), String>;

/// Waits for its turn: here any other task may go on.
pub(super) async fn turn() {
    let mut had = false;
    std::future::poll_fn(|cx| {
        if had {
            return Poll::Ready(());
        }
        had = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Runs what `tasks` makes, with the number of the run, in every order, until one is found whose `verdict` is
/// bad. How many orders there were, or the bad one: whose steps, and what was wrong with it.
pub(super) fn explore<W>(
    orders_max: u128,
    tasks: impl Fn(u128) -> (W, Vec<Task>),
    verdict: impl Fn(&W) -> Verdict,
) -> Result<u128, String> {
    let mut choices: Vec<(usize, usize)> = Vec::new();
    for number in 1..=orders_max {
        let (world, tasks) = tasks(number);
        let steps = run(tasks, &mut choices);
        verdict(&world).map_err(|fault| format!("{fault}: {}", steps.join(", ")))?;
        // The next order is another one from the last step on at which there was a choice left.
        while choices.pop_if(|(chosen, of)| *chosen + 1 == *of).is_some() {}
        match choices.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None => return Ok(number),
        }
    }
    panic!("there are more than {orders_max} orders")
}

/// Runs `tasks` in one order.
pub(super) fn run_once(tasks: Vec<Task>) {
    run(tasks, &mut Vec::new());
}

/// Runs one order: the one that `choices` begin, and then always the first task that can go on.
fn run(mut tasks: Vec<Task>, choices: &mut Vec<(usize, usize)>) -> Vec<&'static str> {
    let ready: Vec<Arc<Ready>> = tasks.iter().map(|_| Arc::new(Ready(true.into()))).collect();
    let (mut ended, mut steps) = (vec![false; tasks.len()], Vec::new());
    let step = |task: &mut Task, ready: &Arc<Ready>| {
        ready.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(ready));
        task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    };
    for (task, ready) in tasks.iter_mut().zip(&ready).filter(|(task, _)| task.serves) {
        assert!(!step(task, ready), "it serves to the end");
    }
    loop {
        let able = |at: &usize| !ended[*at] && ready[*at].0.load(SeqCst);
        let able: Vec<usize> = (0..tasks.len()).filter(able).collect();
        let all = tasks.iter().zip(&ended).all(|(task, ended)| *ended || task.serves);
        if all && able.iter().all(|at| tasks[*at].serves) {
            return steps;
        }
        assert!(!able.is_empty(), "nobody can go on after {steps:?}");
        if steps.len() == choices.len() {
            choices.push((0, able.len()));
        }
        let (chosen, of) = choices[steps.len()];
        assert_eq!(of, able.len(), "what can go on follows from what was chosen before: {steps:?}");
        let at = able[chosen];
        steps.push(tasks[at].name);
        ended[at] = step(&mut tasks[at], &ready[at]);
    }
}

#[test]
fn every_order_is_run_once() {
    let seen = RefCell::new(Vec::new());
    let tasks = |_| {
        let told = std::rc::Rc::new(RefCell::new(String::new()));
        let task = |name: &'static str| {
            let told = std::rc::Rc::clone(&told);
            let future = async move {
                for _ in 0..2 {
                    told.borrow_mut().push_str(name);
                    turn().await;
                }
            };
            Task { name, serves: false, future: Box::pin(future) }
        };
        let both = vec![task("a"), task("b")];
        (told, both)
    };
    let verdict = |told: &std::rc::Rc<RefCell<String>>| {
        seen.borrow_mut().push(told.borrow().clone());
        Ok(())
    };
    // Three steps each, the last of which says nothing: 6 over 3.
    assert_eq!(explore(100, tasks, verdict), Ok(20));
    let mut seen = seen.into_inner();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["aabb", "abab", "abba", "baab", "baba", "bbaa"]);
}
