//! The routes of a test driver, with a driver that only repeats what it hears.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lathe_http::{DriverCall, Limits, Server, TestDriver};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::common::{Node, Running, loopback, request};

/// Counts what is under way at the same time.
#[derive(Default)]
struct Echo {
    busy: AtomicUsize,
    most: AtomicUsize,
}

impl TestDriver for Echo {
    fn call(&self, call: DriverCall, body: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        std::thread::yield_now();
        self.busy.fetch_sub(1, Ordering::SeqCst);
        match (call, body) {
            (_, b"bad") => Err("what is that?".into()),
            (DriverCall::InitForkChoice | DriverCall::Reset, _) => Ok(None),
            _ => Ok(Some(format!("{call:?} of {} bytes", body.len()).into_bytes())),
        }
    }
}

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(driver: Arc<Echo>) -> Self {
        let server = Server::bind_test_driver(loopback(), driver, Limits::default()).await.unwrap();
        let address = server.api_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async { _ = stopped.await }));
        Self { address, stop, task }
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String, String) {
        self.ask("POST", &format!("/lean/v0/test_driver/{path}"), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String, String) {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        let text = format!("{head}content-length: {length}\r\n\r\n{body}");
        let (status, content_type, body) = request(self.address, &text).await;
        (status, content_type, String::from_utf8(body).unwrap())
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

const JSON: &str = "application/json";

fn json(status: u16, body: &str) -> (u16, String, String) {
    (status, JSON.into(), body.into())
}

#[tokio::test]
async fn each_route_has_its_call() {
    let served = Served::start(Arc::default()).await;
    assert_eq!(served.post("fork_choice/init", "{}").await, (204, String::new(), String::new()));
    assert_eq!(served.post("fork_choice/step", "{}").await, json(200, "StepForkChoice of 2 bytes"));
    assert_eq!(served.post("state_transition/run", "").await, json(200, "RunStateTransition of 0 bytes"));
    assert_eq!(served.post("verify_signatures/run", "{ }").await, json(200, "VerifySignatures of 3 bytes"));
    assert_eq!(served.post("fork_choice/reset", "").await, (204, String::new(), String::new()));
    let snapshot = served.ask("GET", "/lean/v0/test_driver/fork_choice/snapshot", "").await;
    assert_eq!(snapshot, json(200, "Snapshot of 0 bytes"));
    assert_eq!(served.post("fork_choice/init", "bad").await, json(400, r#"{"error":"what is that?"}"#));
    let healthy = json(200, r#"{"status":"healthy","service":"lean-rpc-api"}"#);
    assert_eq!(served.ask("GET", "/lean/v0/health", "").await, healthy);
    assert_eq!(served.ask("GET", "/v0/health", "").await, healthy);
    served.stop().await;
}

#[tokio::test]
async fn nothing_else_is_served_and_a_node_serves_none_of_it() {
    let served = Served::start(Arc::default()).await;
    for path in ["/lean/v0/fork_choice", "/metrics", "/lean/v0/test_driver", "/lean/v0/test_driver/other"] {
        assert_eq!(served.ask("GET", path, "").await.0, 404, "{path}");
    }
    assert_eq!(served.ask("GET", "/lean/v0/test_driver/fork_choice/step", "").await.0, 405);
    served.stop().await;
    let node = Running::start(Node::default(), Limits::default()).await;
    for path in ["fork_choice/init", "fork_choice/step", "state_transition/run", "verify_signatures/run"] {
        let path = format!("/lean/v0/test_driver/{path}");
        assert_eq!(node.send("POST", &path, "", "{}").await.0, 404, "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded() {
    let served = Served::start(Arc::default()).await;
    let fits = "x".repeat(16 << 20);
    let (status, _, said) = served.post("fork_choice/step", &fits).await;
    assert_eq!((status, said.as_str()), (200, "StepForkChoice of 16777216 bytes"));
    let (status, ..) = served.post("fork_choice/step", &format!("{fits}x")).await;
    assert_eq!(status, 413);
    served.stop().await;
}

#[tokio::test]
async fn one_request_is_judged_at_a_time() {
    let echo = Arc::new(Echo::default());
    let served = Arc::new(Served::start(echo.clone()).await);
    let call = |served: Arc<Served>| async move { served.post("fork_choice/step", "{}").await.0 };
    let calls: JoinSet<u16> = (0..8).map(|_| call(served.clone())).collect();
    assert_eq!(calls.join_all().await, [200; 8]);
    assert_eq!(echo.most.load(Ordering::SeqCst), 1);
    Arc::into_inner(served).unwrap().stop().await;
}
