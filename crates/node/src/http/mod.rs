//! The http stub.
use std::net::SocketAddr;
use std::sync::Arc;
use lathe_actor::{Shutdown, Supervisor};
use lathe_engine::View;
use tokio::sync::watch;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use crate::metrics::Metrics;
use crate::clock::Time;
use crate::{chain, store};

#[derive(Clone, Copy)]
pub(crate) struct Addresses { pub api: Option<SocketAddr>, pub metrics: Option<SocketAddr> }
pub(crate) struct Sockets(Vec<TcpListener>, Addresses);
#[derive(Clone)]
pub(crate) struct NodeApi { view: watch::Receiver<Arc<View>>, time: Time, metrics: Arc<Metrics> }
impl NodeApi {
    pub(crate) fn new(view: watch::Receiver<Arc<View>>, _: store::Reader, _: chain::Mailbox, time: Time, metrics: Arc<Metrics>) -> Self { Self { view, time, metrics } }
}
pub(crate) async fn bind(options: &crate::NodeOptions) -> Result<Sockets, crate::NodeError> {
    let mut out = Vec::new();
    for a in [options.api, options.metrics].into_iter().flatten() {
        out.push(TcpListener::bind(a).map_err(|source| crate::NodeError::HttpListen { address: a, option: "--api-port", source })?);
    }
    Ok(Sockets(out, Addresses { api: options.api, metrics: options.metrics }))
}
pub(crate) fn spawn(supervisor: &mut Supervisor, sockets: Sockets, api: NodeApi, shutdown: &Shutdown) -> Addresses {
    for listener in sockets.0 {
        let (api, shutdown) = (api.clone(), shutdown.clone());
        let _ = (&supervisor, &shutdown);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(mut socket) = socket else { continue };
                let mut buf = [0; 2048];
                let Ok(n) = socket.read(&mut buf) else { continue };
                let req = String::from_utf8_lossy(&buf[..n]).into_owned();
                let view = api.view.borrow().clone();
                let body = if req.contains("/metrics") {
                    api.metrics.observe_view(&view, api.time.now());
                    api.metrics.render().unwrap()
                } else {
                    let nodes: Vec<String> = view.nodes.iter().map(|n| format!("{{\"root\":\"{}\",\"slot\":{},\"parent_root\":\"{}\"}}", n.root, n.slot, n.parent_root)).collect();
                    format!("{{\"nodes\":[{}],\"head\":\"{}\",\"justified\":{{\"slot\":{},\"root\":\"{}\"}},\"finalized\":{{\"slot\":{},\"root\":\"{}\"}},\"safe_target\":\"{}\",\"validator_count\":{}}}", nodes.join(","), view.head.root, view.justified.slot, view.justified.root, view.finalized.slot, view.finalized.root, view.safe_target.root, view.validator_count)
                };
                let _ = socket.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).as_bytes());
            }
        });
    }
    sockets.1
}
