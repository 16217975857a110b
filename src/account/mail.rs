//! Mail to people: handed over by SMTP, apart from the request that causes it.
//!
//! So a request takes as long whether anybody is written to or not. Without SMTP a server that only
//! this machine reaches writes the link to its log, for development; any other says in the log that
//! there is no way to send mail.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::sync::Semaphore;

use crate::config::mail::MailConfig;

/// Mails that are on their way at once; one more is not sent.
const AT_ONCE_MAX: usize = 64;

/// How long handing over may take.
const HAND_OVER_MAX: Duration = Duration::from_secs(30);

/// A mail.
pub(super) struct Mail {
    /// To whom.
    pub(super) to: String,
    /// What it is about.
    pub(super) subject: &'static str,
    /// The text; the link stands in a line of its own behind it.
    pub(super) text: &'static str,
    /// The link that it brings.
    pub(super) link: String,
}

/// Why mail cannot be sent as it is set.
#[derive(Debug, thiserror::Error)]
#[error("mail: {0}")]
pub struct MailError(String);

/// What hands mail over.
pub(super) struct Mailer {
    way: Way,
    room: Arc<Semaphore>,
}

enum Way {
    Smtp {
        transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
        from: Mailbox,
    },
    Log,
    None,
}

impl Mailer {
    /// The mailer of a configuration; `is_local` where only this machine reaches the server.
    pub(super) fn new(config: &MailConfig, is_local: bool) -> Result<Self, MailError> {
        let failed = |error: &dyn std::fmt::Display| MailError(error.to_string());
        let way = match (&config.smtp, &config.from) {
            (Some(url), Some(from)) => {
                let built = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
                // What cannot be read may hold a password: it is not quoted.
                let built =
                    built.map_err(|_unread| failed(&"mail.smtp is no URL of an SMTP server"))?;
                Way::Smtp {
                    transport: Box::new(built.timeout(Some(HAND_OVER_MAX)).build()),
                    from: from.parse().map_err(|error| failed(&error))?,
                }
            }
            (Some(_), None) => return Err(failed(&"mail.from is needed beside mail.smtp")),
            (None, _) if is_local => Way::Log,
            (None, _) => Way::None,
        };
        Ok(Self {
            way,
            room: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        })
    }

    /// Hands a mail over, some time soon.
    pub(super) fn send(&self, mail: Mail) {
        let (transport, from) = match &self.way {
            Way::Smtp { transport, from } => (transport.clone(), from.clone()),
            Way::Log => {
                let (subject, link) = (mail.subject, &mail.link);
                tracing::warn!(subject, %link, "mail.smtp is not set: this would have been mailed");
                return;
            }
            Way::None => {
                tracing::error!(
                    subject = mail.subject,
                    "mail.smtp is not set: nothing was sent"
                );
                return;
            }
        };
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::error!("too many mails are on their way: one was not sent");
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            let Some(message) = message(&mail, from) else {
                tracing::warn!("a mail was not sent: its address is none");
                return;
            };
            if let Err(error) = transport.send(message).await {
                // What the mail server answers may repeat the address.
                let (permanent, timeout) = (error.is_permanent(), error.is_timeout());
                tracing::error!(permanent, timeout, "a mail could not be handed over");
            }
        });
    }
}

fn message(mail: &Mail, from: Mailbox) -> Option<Message> {
    let text = format!("{}\n\n{}\n", mail.text, mail.link);
    Message::builder()
        .from(from)
        .to(mail.to.parse().ok()?)
        .subject(mail.subject)
        .body(text)
        .ok()
}

/// Whether text is an address that mail can be sent to.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Mailer, Way, is_address};
    use crate::config::mail::MailConfig;

    #[tokio::test]
    async fn a_configuration_is_whole_or_refused() {
        let of = |smtp: Option<&str>, from: Option<&str>, is_local| {
            let config = MailConfig {
                smtp: smtp.map(ToOwned::to_owned),
                from: from.map(ToOwned::to_owned),
            };
            Mailer::new(&config, is_local).map(|mailer| mailer.way)
        };
        assert!(matches!(of(None, None, false), Ok(Way::None)));
        assert!(matches!(of(None, None, true), Ok(Way::Log)));
        assert!(of(Some("smtps://user:secret@mail.example"), None, false).is_err());
        let wrong = of(Some("secret"), Some("a@b.example"), false);
        assert!(!wrong.err().unwrap().to_string().contains("secret"));
        let from = Some("Vesta <a@b.example>");
        assert!(matches!(
            of(Some("smtps://mail.example"), from, true),
            Ok(Way::Smtp { .. })
        ));
    }

    #[test]
    fn mail_goes_to_one_address() {
        assert!(is_address("ada@example.org"));
        for wrong in ["ada", "a@b, c@d", "ada@example.org\r\nBcc: x@y"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
