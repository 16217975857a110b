//! A file of HL7 v2 messages into a store: each message is taken as from a sender.
//!
//! So a message that was imported before is not applied again, and what cannot be applied is put
//! aside with its reason.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cli::import::carry::{Carrier, Report};
use crate::cli::import::source::Source;
use crate::hl7v2::ack::Verdict;
use crate::hl7v2::batch;
use crate::ingest::Ingest;
use crate::ingest::take::Pending;

/// Messages under way at once.
const UNDER_WAY_MAX: usize = 64;

impl Carrier {
    /// Imports the messages of a file, in order for each patient.
    pub(super) async fn carry_messages(
        &self,
        (ingest, source): (&Arc<Ingest>, &Source),
        report: &mut Report,
    ) -> std::io::Result<()> {
        let bytes_max = self.ctx.settings.limits.body_bytes_max;
        let file = source.read(u64::try_from(bytes_max).unwrap_or(u64::MAX))?;
        let messages = batch::messages(&file);
        let place = source.path.display().to_string();
        if messages.is_empty() {
            report.fail(&place, &"there is no MSH segment in it");
        }
        let mut under_way: VecDeque<(String, Pending)> = VecDeque::new();
        for (index, message) in messages.iter().enumerate() {
            let place = format!("{place}: message {}", index + 1);
            let taken = ingest.take(message).await;
            match taken.later {
                Some(pending) => under_way.push_back((place, pending)),
                None => tell(report, &place, (taken.verdict, taken.now)),
            }
            if under_way.len() >= UNDER_WAY_MAX
                && let Some((place, pending)) = under_way.pop_front()
            {
                tell(report, &place, pending.answer().await);
            }
            self.bar.inc(u64::try_from(message.len()).unwrap_or(0));
        }
        for (place, pending) in under_way {
            tell(report, &place, pending.answer().await);
        }
        Ok(())
    }
}

fn tell(report: &mut Report, place: &str, (verdict, answer): (Verdict, Option<Vec<u8>>)) {
    if verdict == Verdict::Accept {
        report.messages += 1;
        return;
    }
    let answer = answer.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let errors: Vec<&str> = answer
        .split('\r')
        .filter(|line| line.starts_with("ERR"))
        .collect();
    report.fail(place, &errors.join(" "));
}
