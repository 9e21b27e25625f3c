//! Any actor's end stops all of them; a stop has a deadline. Time is paused, so deadlines cost nothing.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use lathe_actor::{Bounds, Failure, Message, Policy, Reason, Shutdown, Supervisor, mailbox};

fn stop() -> Reason {
    Reason::Requested("test".into())
}

fn ended(actor: &'static str, cause: &str) -> Failure {
    Failure::ActorEnded { actor, cause: cause.into() }
}

/// Starts an actor that ends well once told to, and says so through the flag.
fn spawn_obedient(supervisor: &mut Supervisor) -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let (shutdown, flag) = (supervisor.shutdown().clone(), Arc::clone(&stopped));
    supervisor.spawn("obedient", async move {
        shutdown.wait().await;
        flag.store(true, Ordering::SeqCst);
        Ok::<_, Infallible>(())
    });
    stopped
}

#[tokio::test(start_paused = true)]
async fn a_requested_stop_ends_well() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    let stopped = spawn_obedient(&mut supervisor);
    assert!(supervisor.shutdown().trigger(stop()));
    assert_eq!(supervisor.run().await, Ok(()));
    assert!(stopped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_returns_stops_the_others() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    let stopped = spawn_obedient(&mut supervisor);
    supervisor.spawn("brief", async { Ok::<_, Infallible>(()) });
    let shutdown = supervisor.shutdown().clone();
    assert_eq!(supervisor.run().await, Err(ended("brief", "ended")));
    assert!(stopped.load(Ordering::SeqCst));
    assert_eq!(shutdown.reason(), Some(Reason::ActorEnded { actor: "brief", cause: "ended".into() }));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_fails_is_named_with_its_error() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    spawn_obedient(&mut supervisor);
    supervisor.spawn("store", async { Err(io::Error::other("disk gone")) });
    assert_eq!(supervisor.run().await, Err(ended("store", "failed: disk gone")));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_named_whether_task_or_thread() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    supervisor.spawn::<_, Infallible>("task", async { panic!("at the disco") });
    assert_eq!(supervisor.run().await, Err(ended("task", "panicked: at the disco")));

    let mut supervisor = Supervisor::new(Shutdown::new());
    supervisor.spawn_thread::<_, Infallible>("thread", || panic!("{}", "formatted"));
    assert_eq!(supervisor.run().await, Err(ended("thread", "panicked: formatted")));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_ignores_a_requested_stop_is_named_at_the_deadline() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    spawn_obedient(&mut supervisor);
    supervisor.spawn::<_, Infallible>("deaf", pending());
    supervisor.shutdown().trigger(stop());
    assert_eq!(supervisor.run().await, Err(Failure::Stuck { actors: vec!["deaf"] }));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_even_if_another_actor_is_stuck() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    supervisor.spawn::<_, Infallible>("deaf", pending());
    supervisor.spawn("brief", async { Ok::<_, Infallible>(()) });
    assert_eq!(supervisor.run().await, Err(ended("brief", "ended")));
}

#[tokio::test(start_paused = true)]
async fn an_error_while_stopping_is_not_a_good_end() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    let shutdown = supervisor.shutdown().clone();
    supervisor.spawn("store", async move {
        shutdown.wait().await;
        Err(io::Error::other("flush failed"))
    });
    supervisor.shutdown().trigger(stop());
    assert_eq!(supervisor.run().await, Err(ended("store", "failed: flush failed")));
}

struct Order;

impl Message for Order {
    fn policy(&self) -> Policy {
        Policy::Keep
    }
}

#[tokio::test]
async fn a_thread_drains_its_mailbox_before_it_ends() {
    let mut supervisor = Supervisor::new(Shutdown::new());
    let (sender, mut inbox) = mailbox("thread", Bounds::messages(4));
    inbox.close_on(supervisor.shutdown());
    let (report, done) = mpsc::channel();
    supervisor.spawn_thread("thread", move || {
        let mut taken = 0;
        while let Some(Order) = inbox.recv_blocking() {
            taken += 1;
        }
        report.send(taken)
    });
    for _ in 0..3 {
        sender.send(Order).await.unwrap();
    }
    supervisor.shutdown().trigger(stop());
    assert_eq!(supervisor.run().await, Ok(()));
    assert_eq!(done.recv(), Ok(3));
}

#[test]
fn the_last_resort_is_called_when_the_runtime_is_blocked() {
    let (call, called) = mpsc::channel();
    let shutdown = Shutdown::new();
    let supervisor = Supervisor::new(shutdown.clone()).with_last_resort(move || call.send(()).unwrap());
    shutdown.trigger(Reason::ActorEnded { actor: "chain", cause: "ended".into() });
    // Nobody runs the supervisor: this stands for a runtime whose threads are all busy.
    assert_eq!(called.recv(), Ok(()));
    drop(supervisor);
}

#[tokio::test]
async fn the_last_resort_is_called_off_by_a_good_end() {
    let (call, called) = mpsc::channel();
    let supervisor = Supervisor::new(Shutdown::new()).with_last_resort(move || call.send(()).unwrap());
    supervisor.shutdown().trigger(stop());
    assert_eq!(supervisor.run().await, Ok(()));
    assert_eq!(called.recv(), Err(mpsc::RecvError), "the closure was dropped uncalled");
}

#[test]
fn the_first_reason_stays() {
    let shutdown = Shutdown::new();
    assert!(shutdown.trigger(stop()));
    assert!(!shutdown.trigger(Reason::Requested("later".into())));
    assert_eq!(shutdown.reason(), Some(stop()));
}
