//! Connections that bring messages, each answered before the next one is read.
//!
//! So a sender that is faster than the store has to wait, and answers come in order. A message that
//! was taken is applied even when its sender is gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::codec::Framed;

use crate::ingest::Ingest;
use crate::mllp::codec::{MllpCodec, MllpError};

/// How long to wait after a connection could not be accepted.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// How long an answer may take to be read by the sender.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Accepts connections until told to stop, then waits until each has its answer.
pub async fn serve(listener: TcpListener, ingest: Arc<Ingest>, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(
        ingest
            .config()
            .connections_max
            .clamp(1, Semaphore::MAX_PERMITS),
    ));
    let mut connections = JoinSet::new();
    loop {
        let accepting = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepting => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((_stream, peer)) if !may_connect(&ingest, peer.ip()) => {
                tracing::warn!("an MLLP connection from an address not in hl7v2.peers was closed");
            }
            Ok((stream, _peer)) => {
                let (ingest, stopped) = (Arc::clone(&ingest), stopped.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    if let Err(error) = converse(stream, &ingest, stopped).await {
                        tracing::debug!(%error, "an MLLP connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an MLLP connection could not be accepted");
                tokio::time::sleep(ACCEPT_WAIT).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Whether messages are taken from an address.
fn may_connect(ingest: &Ingest, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback() || ingest.config().peers.contains(&peer)
}

/// Takes message after message from a connection.
async fn converse(
    stream: TcpStream,
    ingest: &Arc<Ingest>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), MllpError> {
    stream.set_nodelay(true)?;
    let config = ingest.config();
    let idle_max = Duration::from_secs(config.idle_seconds_max);
    let mut frames = Framed::new(stream, MllpCodec::new(config.message_bytes_max));
    while !*stopped.borrow() {
        let next = tokio::select! {
            next = tokio::time::timeout(idle_max, frames.next()) => next,
            _ = stopped.changed() => return Ok(()),
        };
        let message = match next {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(MllpError::TooLarge))) => {
                answer(&mut frames, ingest.refuse_too_large()).await?;
                return Err(MllpError::TooLarge);
            }
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        };
        let taken = ingest.take(&message).await;
        drop(message);
        if let Some(now) = taken.now {
            answer(&mut frames, now).await?;
        }
        if let Some(pending) = taken.later
            && let (_, Some(later)) = pending.answer().await
        {
            answer(&mut frames, later).await?;
        }
    }
    Ok(())
}

async fn answer(
    frames: &mut Framed<TcpStream, MllpCodec>,
    message: Vec<u8>,
) -> Result<(), MllpError> {
    let sending = frames.send(Bytes::from(message));
    let sent = tokio::time::timeout(ANSWER_TIME_MAX, sending).await;
    sent.map_err(|_elapsed| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}
