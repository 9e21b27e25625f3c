//! A scripted Engine API server: what it answers is a function of the call, and every call is on record.
//!
//! It speaks just enough HTTP to be spoken to, and as bad HTTP as a test wants. Shared by the tests of the client and
//! of the node; each uses a part of it.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod el;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest request that a test sends.
const MAX_REQUEST: usize = 64 << 20;

/// A call as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub params: Vec<Value>,
    /// The `authorization` header.
    pub token: String,
    /// Which TCP connection brought it, counted from 0.
    pub connection: usize,
}

/// How it is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// `result` of JSON-RPC.
    Result(Value),
    /// `error` of JSON-RPC.
    Error(i64, &'static str),
    /// Another status with this body.
    Status(u16, &'static str),
    /// Success with this body, whatever it is.
    Body(Vec<u8>),
    /// Success with a body that is announced with this length and never sent.
    Announce(u64),
    /// Success with a body of this many spaces, sent in chunks without saying how many.
    Endless(usize),
    /// Nothing, ever.
    Hang,
    /// The connection is closed.
    Close,
    /// This answer after a pause.
    After(Duration, Box<Answer>),
}

type Script = Box<dyn FnMut(&Call) -> Answer + Send>;

/// The server. Dropping it closes the port and every connection.
pub struct Fake {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    calls: Arc<Mutex<Vec<Call>>>,
    serving: JoinHandle<()>,
}

impl Fake {
    /// Serves on a free port of the loopback interface.
    pub async fn start(script: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    /// Serves on a given port, such as that of a server that was dropped.
    pub async fn start_at(address: SocketAddr, script: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                // The port of a dropped server is free as soon as its task has ended.
                Err(_) if address.port() != 0 => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("no free port: {error}"),
            }
        };
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (to_script, record) = (script.clone(), calls.clone());
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(serve(stream, connection, to_script.clone(), record.clone()));
            }
        });
        Self { address, script, calls, serving }
    }

    /// Answers otherwise from now on.
    pub fn script(&self, script: impl FnMut(&Call) -> Answer + Send + 'static) {
        *lock(&self.script) = Box::new(script);
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The methods called so far.
    pub fn methods(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.method).collect()
    }

    /// Where the Engine API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    script: Arc<Mutex<Script>>,
    calls: Arc<Mutex<Vec<Call>>>,
) -> std::io::Result<()> {
    while let Some((token, body)) = read_request(&mut stream).await? {
        let mut request: Value = serde_json::from_slice(&body).unwrap();
        let params = match request["params"].take() {
            Value::Array(params) => params,
            _ => panic!("parameters are positional"),
        };
        let method = request["method"].as_str().unwrap().to_owned();
        let call = Call { method, params, token, connection };
        lock(&calls).push(call.clone());
        let mut answer = (lock(&script))(&call);
        if let Answer::After(pause, later) = answer {
            tokio::time::sleep(pause).await;
            answer = *later;
        }
        if !write_answer(&mut stream, &request["id"], answer).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// The token and the body of the next request; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length").unwrap().parse().unwrap();
    assert!(length <= MAX_REQUEST);
    let mut body = bytes.split_off(head_end);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((header("authorization").unwrap_or_default(), body)))
}

/// Answers; false if the connection is to be closed.
async fn write_answer(stream: &mut TcpStream, id: &Value, answer: Answer) -> std::io::Result<bool> {
    let (status, body) = match answer {
        Answer::Result(result) => {
            (200, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into())
        }
        Answer::Error(code, message) => {
            let error = json!({ "code": code, "message": message });
            (200, json!({ "jsonrpc": "2.0", "id": id, "error": error, "result": null }).to_string().into())
        }
        Answer::Status(status, body) => (status, body.as_bytes().to_vec()),
        Answer::Body(body) => (200, body),
        Answer::Announce(length) => {
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())
                .await?;
            std::future::pending().await
        }
        Answer::Endless(length) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            for _ in 0..length / 0x10000 {
                stream.write_all(&chunk).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
            return Ok(true);
        }
        Answer::Hang => std::future::pending().await,
        Answer::Close => return Ok(false),
        Answer::After(..) => panic!("a pause within a pause"),
    };
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(true)
}
