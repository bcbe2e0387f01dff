//! A stand-in for the OAuth provider, and the expiries of its tokens.
#![allow(clippy::disallowed_methods, reason = "the programs that it is for have the machine's clock")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// What it answers with: a status, more lines of the head, and the body.
type Reply = (u16, &'static str, &'static str);

/// Answers what it is told to, one request after another, on a free port of this machine. It ends with the test's process.
pub(crate) struct Provider {
    pub(crate) url: String,
    answer: Arc<Mutex<Reply>>,
    first: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub(crate) fn start(answer: &'static str) -> Self {
        Self::start_behind("http", answer, |connection| connection)
    }

    /// One whose connections go through `wrap`.
    pub(crate) fn start_behind<C: Read + Write>(
        scheme: &str,
        answer: &'static str,
        wrap: impl Fn(TcpStream) -> C + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new((200, "", answer))), Arc::new(Mutex::new(Vec::new())));
        let provider = Self { url, answer, first: Arc::default(), asked };
        let (answer, first) = (Arc::clone(&provider.answer), Arc::clone(&provider.first));
        let asked = Arc::clone(&provider.asked);
        std::thread::spawn(move || {
            let reply = || first.lock().unwrap().pop_front().unwrap_or(*answer.lock().unwrap());
            for connection in listener.incoming() {
                serve(wrap(connection.unwrap()), reply, &asked);
            }
        });
        provider
    }

    pub(crate) fn answers(&self, status: u16, body: &'static str) {
        self.answers_with(status, "", body);
    }

    /// One answer each for the requests that come next, before it goes on as it is told else.
    pub(crate) fn answers_first(&self, replies: &[(u16, &'static str)]) {
        self.first.lock().unwrap().extend(replies.iter().map(|(status, body)| (*status, "", *body)));
    }

    /// The same with more lines in the head.
    pub(crate) fn answers_with(&self, status: u16, head: &'static str, body: &'static str) {
        *self.answer.lock().unwrap() = (status, head, body);
    }

    /// The requests so far, each as path, blank, body.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve(connection: impl Read + Write, reply: impl Fn() -> Reply, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection);
    let (mut line, mut length) = (String::new(), 0);
    // Whoever does not trust it hangs up.
    if reader.read_line(&mut line).is_err() {
        return;
    }
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.lock().unwrap().push(format!("{path} {}", String::from_utf8(body).unwrap()));
    let (status, more, body) = reply();
    let head = format!("HTTP/1.1 {status} x\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Whoever has had enough hangs up, too.
    let _ = reader.get_mut().write_all(format!("{head}{body}").as_bytes());
}

/// That many seconds from here, as the SDKs write an expiry.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    (i64::try_from(now).unwrap() + seconds * 1000).to_string()
}
