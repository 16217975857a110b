//! A server that takes mail and keeps it: SMTP without TLS, on this machine.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What has been taken.
pub(crate) struct MailServer {
    /// Its URL, as `mail.smtp` wants it.
    pub(crate) url: String,
    received: Arc<Mutex<UnboundedReceiver<String>>>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (sender, received) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, sender.clone()));
            }
        });
        Self {
            url,
            received: Arc::new(Mutex::new(received)),
        }
    }

    /// The next mail, as it was sent.
    pub(crate) async fn next(&self) -> String {
        self.received.lock().await.recv().await.unwrap()
    }
}

async fn take(stream: TcpStream, sender: UnboundedSender<String>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    let mut mail = None::<String>;
    while let Some(line) = lines.next_line().await? {
        if let Some(mut text) = mail.take() {
            if line == "." {
                sender.send(decoded(&text)).unwrap();
                write.write_all(b"250 taken\r\n").await?;
            } else {
                text.push_str(&line);
                text.push('\n');
                mail = Some(text);
            }
            continue;
        }
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "DATA" => {
                mail = Some(String::new());
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

/// A text of quoted-printable, as far as links need it.
fn decoded(text: &str) -> String {
    text.replace("=\n", "").replace("=3D", "=")
}

/// The link in a mail: its path, so that it works wherever the server listens.
pub(crate) fn link(text: &str) -> String {
    let start = text
        .find("http")
        .unwrap_or_else(|| panic!("no link in {text}"));
    let link = text.get(start..).unwrap();
    let link = link.split_whitespace().next().unwrap();
    path(link)
}

/// The path and query of a URL.
pub(crate) fn path(url: &str) -> String {
    let after = url.split_once("://").unwrap().1;
    format!("/{}", after.split_once('/').unwrap().1)
}
