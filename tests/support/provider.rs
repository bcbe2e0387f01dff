//! A stand-in for the OAuth provider, and the expiries of its tokens.
#![allow(clippy::disallowed_methods, reason = "the programs that it is for have the machine's clock")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers what it is told to, one request after another, on a free port of this machine. It ends with the test's process.
pub(crate) struct Provider {
    pub(crate) url: String,
    answer: Arc<Mutex<(u16, &'static str)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub(crate) fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new((200, answer))), Arc::new(Mutex::new(Vec::new())));
        let shared = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                serve(&mut connection.unwrap(), &shared.0, &shared.1);
            }
        });
        Self { url, answer, asked }
    }

    pub(crate) fn answers(&self, status: u16, body: &'static str) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// The requests so far, each as path, blank, body.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve(connection: &mut TcpStream, answer: &Mutex<(u16, &'static str)>, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
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
    let (status, body) = *answer.lock().unwrap();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

/// That many seconds from here, as the SDKs write an expiry.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    (i64::try_from(now).unwrap() + seconds * 1000).to_string()
}
