//! The server: requests of the service's clients, and below `/_simulator` those of the test.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::http::admin;
use crate::simulator::{Lost, Simulator};
use crate::wire::Request;

/// The largest body: a value of 64 KiB with every byte escaped, and room to spare.
const LARGEST: usize = 1024 * 1024;

/// A simulator that listens.
#[derive(Debug)]
pub struct Server {
    simulator: Simulator,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on a loopback address; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The address is not loopback's, or can't be had.
    pub async fn bind(simulator: Simulator, address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let message =
                format!("{address} is not a loopback address: whoever reaches the simulator may do everything");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { simulator, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready; calls under way are then dropped.
    ///
    /// # Errors
    ///
    /// No more connections can be taken.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                taken = self.listener.accept() => {
                    let (stream, _) = taken?;
                    connections.spawn(served(self.simulator.clone(), stream));
                }
                // Ended connections are taken off the list.
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn served(simulator: Simulator, stream: TcpStream) {
    let service = service_fn(move |request| answered(simulator.clone(), request));
    let mut connection = hyper::server::conn::http1::Builder::new();
    // How a connection ends is between it and its client.
    let _ended = connection.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An error here is a connection that breaks without an answer.
async fn answered(
    simulator: Simulator,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        return replied(413, "text/plain", Vec::new(), &[]);
    };
    let body = body.to_bytes();
    if let Some(path) = head.uri.path().strip_prefix("/_simulator/") {
        let (status, answer) = admin::answer(&simulator, &head.method, path, &body);
        return replied(status, "application/json", answer.to_string().into_bytes(), &[]);
    }
    if head.method != Method::POST {
        return replied(405, "text/plain", b"Secrets Manager takes POST requests".to_vec(), &[]);
    }
    let request = Request {
        target: header(&head.headers, "x-amz-target").unwrap_or_default(),
        authorization: header(&head.headers, "authorization"),
        body: body.to_vec(),
    };
    match simulator.call(&request).await {
        Ok(response) => {
            let (date, id) = (response.date_header(), response.request_id);
            let headers = [("date", date), ("x-amzn-requestid", id)];
            replied(response.status, "application/x-amz-json-1.1", response.body, &headers)
        }
        Err(lost @ Lost::Connection) => Err(io::Error::other(lost)),
        // The client's patience ends it.
        Err(Lost::TimedOut) => std::future::pending().await,
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn replied(
    status: u16,
    kind: &str,
    body: Vec<u8>,
    headers: &[(&str, String)],
) -> Result<hyper::Response<Full<Bytes>>, io::Error> {
    let mut reply = hyper::Response::builder().status(status).header("content-type", kind);
    for (name, value) in headers {
        reply = reply.header(*name, value);
    }
    reply.body(Full::new(Bytes::from(body))).map_err(io::Error::other)
}
