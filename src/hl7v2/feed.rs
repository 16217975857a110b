//! What is known of a sender, checked once and then asked for every message.

use std::collections::BTreeMap;

use crate::config::hl7v2::FeedConfig;
use crate::hl7v2::charset;
use crate::hl7v2::message::Message;
use crate::hl7v2::zone::Zone;

/// A sender's habits.
#[derive(Debug, Clone)]
pub struct Feed {
    application: String,
    facility: String,
    /// The character set where MSH-18 names none.
    pub character_set: Option<String>,
    /// The zone of times that name none.
    pub zone: Zone,
    /// Whether its messages wait for approval.
    pub is_held: bool,
    authorities: BTreeMap<String, String>,
    code_systems: BTreeMap<String, String>,
}

/// All senders that are known.
#[derive(Debug, Clone)]
pub struct Feeds {
    known: Vec<Feed>,
    other: Feed,
}

/// Settings of a feed that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The time zone is none.
    #[error(
        "hl7v2.feeds: time_zone must be an offset such as +01:00, or a POSIX rule such as \
         CET-1CEST,M3.5.0,M10.5.0/3"
    )]
    TimeZone,
    /// The character set is not known.
    #[error("hl7v2.feeds: character_set must be of HL7 table 0211, such as 8859/1")]
    CharacterSet,
    /// A system is no URI.
    #[error("hl7v2.feeds: authorities and code_systems must name URIs")]
    System,
}

impl Feed {
    fn of(config: &FeedConfig) -> Result<Self, FeedError> {
        let zone = match &config.time_zone {
            Some(text) => Zone::parse(text).ok_or(FeedError::TimeZone)?,
            None => Zone::UTC,
        };
        if config
            .character_set
            .as_deref()
            .is_some_and(|name| !charset::is_known(name))
        {
            return Err(FeedError::CharacterSet);
        }
        let mut systems = config
            .authorities
            .values()
            .chain(config.code_systems.values());
        if systems.any(|uri| !uri.contains(':') || uri.contains(char::is_whitespace)) {
            return Err(FeedError::System);
        }
        Ok(Self {
            application: config.sending_application.clone(),
            facility: config.sending_facility.clone(),
            character_set: config.character_set.clone(),
            zone,
            is_held: config.is_held,
            authorities: config.authorities.clone(),
            code_systems: config.code_systems.clone(),
        })
    }

    /// The system of an authority's identifiers.
    pub(super) fn authority(&self, name: &str) -> Option<&str> {
        self.authorities.get(name).map(String::as_str)
    }

    /// The system of codes that a name stands for.
    pub(super) fn code_system(&self, name: &str) -> Option<&str> {
        self.code_systems.get(name).map(String::as_str)
    }

    fn fits(&self, application: &str, facility: &str) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        fits(&self.application, application) && fits(&self.facility, facility)
    }
}

impl Feeds {
    /// Checks what is configured.
    pub fn new(configs: &[FeedConfig]) -> Result<Self, FeedError> {
        Ok(Self {
            known: configs.iter().map(Feed::of).collect::<Result<_, _>>()?,
            other: Feed::of(&FeedConfig::default())?,
        })
    }

    /// The feed of a message: the first one that fits.
    pub fn of(&self, message: &Message) -> &Feed {
        self.named(
            message.head(3).component(1).raw(),
            message.head(4).component(1).raw(),
        )
    }

    /// The feed of a sender.
    pub fn named(&self, application: &str, facility: &str) -> &Feed {
        let mut known = self.known.iter();
        known
            .find(|feed| feed.fits(application, facility))
            .unwrap_or(&self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedConfig, Feeds};
    use crate::hl7v2::message::Message;

    #[test]
    fn the_first_feed_that_fits_counts() {
        let feed = |application: &str, zone: &str| FeedConfig {
            sending_application: application.to_owned(),
            time_zone: Some(zone.to_owned()),
            ..FeedConfig::default()
        };
        let feeds = Feeds::new(&[feed("LAB", "+01:00"), feed("", "+02:00")]).unwrap();
        for (application, zone) in [("LAB", "+01:00"), ("ADT", "+02:00")] {
            let message = Message::parse(format!("MSH|^~\\&|{application}^x|F")).unwrap();
            assert_eq!(Some(feeds.of(&message).zone), super::Zone::parse(zone));
        }
        assert!(Feeds::new(&[feed("", "Mars")]).is_err());
    }
}
