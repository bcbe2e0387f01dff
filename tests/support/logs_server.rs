//! The stand-in for CloudWatch Logs on loopback, for a program in another process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::logs::Logs;

/// Answers one request after another until it is dropped.
pub(crate) struct LogsServer {
    pub(crate) logs: Logs,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LogsServer {
    pub(crate) fn start(logs: Logs) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, is_over) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::default()));
        let (answering, ended) = (logs.clone(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for connection in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever goes away in the middle has reasons of its own.
                let _ = runtime.block_on(answer(&answering, connection.unwrap()));
            }
        });
        Self { logs, address, is_over, thread: Some(thread) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(logs: &Logs, connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => value.trim().clone_into(&mut target),
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
    }
    if target.is_empty() {
        return Ok(());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let Some((status, text)) = logs.answer(&target, &body).await else { return Ok(()) };
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\n");
    reader.get_mut().write_all(format!("{head}connection: close\r\n\r\n{text}").as_bytes())
}

impl Drop for LogsServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
