//! Answers to requests that no handler ever sees: hyper refuses a head that it cannot read with a
//! status and nothing else, which is given an `OperationOutcome` here, on its way out.
//!
//! Of HTTP/1 only: in HTTP/2 such a head ends its stream.
//! Spec: <https://hl7.org/fhir/R4/http.html#Status-Codes>, RFC 9110 section 15.5.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::outcome::{self, Issue};

/// A refusal of hyper's is shorter.
const REFUSAL_BYTES_MAX: usize = 256;

/// A connection whose refusals say why.
pub(super) struct Explained<S> {
    stream: S,
    /// What is still to be sent in place of a refusal.
    waiting: Vec<u8>,
}

impl<S> Explained<S> {
    /// Wraps a connection.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
        }
    }
}

impl<S: AsyncWrite + Unpin> Explained<S> {
    /// Sends what stands in place of a refusal.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..sent.min(self.waiting.len()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        match explained(buf) {
            Some(answer) => {
                self.waiting = answer;
                Poll::Ready(Ok(buf.len()))
            }
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs {
            return self.poll_write(cx, only);
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The answer in place of a refusal of hyper's; `None` for what a handler answered, which has a
/// content type.
fn explained(head: &[u8]) -> Option<Vec<u8>> {
    if head.len() > REFUSAL_BYTES_MAX || !head.starts_with(b"HTTP/1.") {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    let (first, headers) = text.strip_suffix("\r\n\r\n")?.split_once("\r\n")?;
    let is_bare = headers.split("\r\n").all(|header| {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        match name.to_ascii_lowercase().as_str() {
            "connection" | "date" => true,
            "content-length" => value.trim() == "0",
            _ => false,
        }
    });
    let (code, reason) = match first.split(' ').nth(1)? {
        "400" => (
            "structure",
            "This is not a request of HTTP/1.1: its first line, or one of its headers, cannot be \
             read.",
        ),
        "414" => (
            "too-long",
            "The URL is too long: send a search as POST [type]/_search, with its parameters in the \
             body.",
        ),
        "431" => (
            "too-long",
            "The headers are too many or too long: 100 of them, and 400 kB with the URL, are the \
             most.",
        ),
        _ => return None,
    };
    if !is_bare {
        return None;
    }
    let body = outcome::to_json(&[Issue::error(code, reason)]);
    let head = format!(
        "{first}\r\ncontent-type: application/fhir+json; fhirVersion=4.0; charset=utf-8\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = head.into_bytes();
    answer.extend(body);
    Some(answer)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{Explained, explained};

    #[test]
    fn only_bare_refusals_are_explained() {
        let bare = "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert!(explained(bare.as_bytes()).is_some());
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 414 URI Too Long\r\ncontent-length: 3\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nand more",
            "",
        ] {
            assert!(explained(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[tokio::test]
    async fn an_explanation_goes_through_a_narrow_connection() {
        let (near, mut far) = tokio::io::duplex(16);
        let writing = async {
            let mut stream = Explained::new(near);
            let refusal = b"HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).await.unwrap();
            stream.write_all(b"behind").await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let mut read = String::new();
        let ((), seen) = futures::join!(writing, far.read_to_string(&mut read));
        seen.unwrap();
        assert!(read.contains("OperationOutcome"), "{read}");
        assert!(read.ends_with("}behind"), "{read}");
    }
}
