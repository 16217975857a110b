//! A sender of HL7 v2 messages that speaks plain MLLP.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Sender(TcpStream);

impl Sender {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends a message, whose segments end in LF here, in a frame.
    pub(crate) async fn send(&mut self, message: &str) {
        self.send_raw(&frame(message)).await;
    }

    /// Sends a message; `false` when the server is gone.
    pub(crate) async fn try_send(&mut self, message: &str) -> bool {
        self.0.write_all(&frame(message)).await.is_ok()
    }

    /// The next answer; `None` when the connection was closed.
    pub(crate) async fn receive(&mut self) -> Option<String> {
        let mut answer = Vec::new();
        loop {
            match self.0.read_u8().await.ok()? {
                0x0b => answer.clear(),
                0x1c => break,
                byte => answer.push(byte),
            }
        }
        assert_eq!(self.0.read_u8().await.ok()?, b'\r');
        Some(String::from_utf8(answer).unwrap())
    }

    /// Sends a message and gives its answer.
    pub(crate) async fn exchange(&mut self, message: &str) -> String {
        self.send(message).await;
        self.receive().await.unwrap()
    }
}

/// A message in its frame.
pub(crate) fn frame(message: &str) -> Vec<u8> {
    let message = message.replace('\n', "\r");
    [b"\x0b", message.as_bytes(), b"\x1c\r"].concat()
}
