//! Sessions: who is signed in, where, and for how much longer.
//!
//! All sessions of a person are one sealed document, so that they are listed, revoked and lost
//! together. The browser keeps the person's id and a secret, the document the secret's hash.
//! Spec: OWASP Session Management, NIST SP 800-63B section 7.

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Kept};
use crate::access::person::{self, Person};
use crate::account::accounts::{Accounts, ms};
use crate::account::error::AccountError;
use crate::account::sign_in::Origin;
use crate::audit::event::Act;
use crate::seal::hex;

/// The collection of sessions, by the id of the person.
const SESSIONS: &str = "session";

/// Sessions of one person; the one that was used longest ago makes room.
const SESSIONS_MAX: usize = 20;

/// Seconds for which a sign-in waits for its second factor.
const HALF_SECONDS_MAX: u64 = 600;

/// Milliseconds between two notes that a session is used.
const TOUCH_MS: i64 = 60_000;

/// How often a change that somebody else overtook is tried again.
const ATTEMPTS_MAX: usize = 16;

/// Characters of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 120;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 8;

/// How far a sign-in has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The password was right; the second factor is still to be shown.
    NeedsFactor,
    /// The password was right; the role needs a second factor, and there is none yet.
    NeedsEnrolment,
    /// Signed in.
    Full,
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// What it is called where it is listed; opens nothing.
    pub id: String,
    hash: String,
    /// How far the sign-in has come.
    pub stage: Stage,
    /// When it began, in ms since the epoch.
    pub created_ms: i64,
    /// When it was last used, within a minute.
    pub seen_ms: i64,
    expires_ms: i64,
    /// What the browser called itself.
    pub agent: String,
}

impl Session {
    fn lives(&self, now_ms: i64, idle_ms: i64) -> bool {
        now_ms < self.expires_ms && now_ms.saturating_sub(self.seen_ms) < idle_ms
    }
}

/// All sessions of a person.
type Sessions = Vec<Session>;

/// A session that was just begun: the only moment at which its token is known.
#[derive(Debug)]
pub struct Begun {
    /// What the browser keeps.
    pub token: String,
    /// How far the sign-in has come.
    pub stage: Stage,
    /// Whose it is.
    pub person: Person,
}

fn digest(secret: &str) -> String {
    hex::encode(blake3::hash(secret.as_bytes()).as_bytes())
}

impl Accounts {
    fn idle_ms(&self) -> i64 {
        ms(self.config.session_idle_seconds_max)
    }

    /// Begins a session, in place of the one that the browser had.
    pub(super) async fn begin_session(
        &self,
        person: Person,
        stage: Stage,
        (agent, former): (&str, Option<&str>),
    ) -> Result<Begun, AccountError> {
        if let Some(former) = former {
            self.end_session(former).await?;
        }
        let secret = self.fresh::<SECRET_BYTES>()?;
        let now_ms = self.now_ms();
        let seconds = match stage {
            Stage::Full => self.config.session_seconds_max,
            Stage::NeedsFactor | Stage::NeedsEnrolment => HALF_SECONDS_MAX,
        };
        let session = Session {
            id: self.fresh::<ID_BYTES>()?,
            hash: digest(&secret),
            stage,
            created_ms: now_ms,
            seen_ms: now_ms,
            expires_ms: now_ms.saturating_add(ms(seconds)),
            agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
        };
        self.change_sessions(&person.id, |sessions| {
            while sessions.len() >= SESSIONS_MAX {
                let oldest = sessions.iter().map(|session| session.seen_ms).min();
                let at = sessions.iter().position(|s| Some(s.seen_ms) == oldest);
                sessions.remove(at.unwrap_or_default());
            }
            sessions.push(session.clone());
        })
        .await?;
        Ok(Begun {
            token: format!("{}.{secret}", person.id),
            stage,
            person,
        })
    }

    /// The session that a token opens, and whose it is; `None` when it has ended, or the person was
    /// disabled.
    pub async fn session(&self, token: &str) -> Result<Option<(Person, Session)>, AccountError> {
        let Some((person_id, secret)) = token.split_once('.') else {
            return Ok(None);
        };
        let Some(kept) = self.sessions_kept(person_id).await? else {
            return Ok(None);
        };
        let hash = digest(secret);
        let is_it = |session: &&Session| {
            let (a, b) = (session.hash.as_bytes(), hash.as_bytes());
            constant_time::verify_slices_are_equal(a, b).is_ok()
        };
        let now_ms = self.now_ms();
        let found = kept.content.iter().find(is_it);
        let Some(session) = found.filter(|session| session.lives(now_ms, self.idle_ms())) else {
            return Ok(None);
        };
        let Some(person) = person::find(&self.documents, person_id).await? else {
            return Ok(None);
        };
        if person.content.is_disabled {
            return Ok(None);
        }
        let session = session.clone();
        if now_ms.saturating_sub(session.seen_ms) >= TOUCH_MS {
            self.touch(person_id, kept, &session.id).await?;
        }
        Ok(Some((person.content, session)))
    }

    /// The sessions of a person that have not ended, the newest first.
    pub async fn sessions(&self, person_id: &str) -> Result<Vec<Session>, AccountError> {
        let kept = self.sessions_kept(person_id).await?;
        let mut all = kept.map(|kept| kept.content).unwrap_or_default();
        let now_ms = self.now_ms();
        all.retain(|session| session.stage == Stage::Full && session.lives(now_ms, self.idle_ms()));
        all.sort_by_key(|session| std::cmp::Reverse(session.created_ms));
        Ok(all)
    }

    /// Ends the session that a token opens.
    pub(super) async fn end_session(&self, token: &str) -> Result<(), AccountError> {
        let Some((person_id, secret)) = token.split_once('.') else {
            return Ok(());
        };
        if self.sessions_kept(person_id).await?.is_none() {
            return Ok(());
        }
        let hash = digest(secret);
        self.change_sessions(person_id, |sessions| {
            sessions.retain(|session| session.hash != hash);
        })
        .await
    }

    /// Ends a session of a person's own, by what it is called where it is listed.
    pub async fn end_own(
        &self,
        person: &Person,
        id: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        self.change_sessions(&person.id, |sessions| {
            sessions.retain(|session| session.id != id);
        })
        .await?;
        self.note_own((Act::Revoke, origin), person).await
    }

    /// Ends all sessions of a person's own but the one that is used.
    pub async fn end_others(
        &self,
        person: &Person,
        session_id: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        self.revoke_sessions(&person.id, Some(session_id)).await?;
        self.note_own((Act::Revoke, origin), person).await
    }

    /// Ends all sessions of a person but one, or all.
    pub(super) async fn revoke_sessions(
        &self,
        person_id: &str,
        but: Option<&str>,
    ) -> Result<(), AccountError> {
        self.change_sessions(person_id, |sessions| {
            sessions.retain(|session| Some(session.id.as_str()) == but);
        })
        .await
    }

    async fn sessions_kept(&self, person_id: &str) -> Result<Option<Kept<Sessions>>, AccountError> {
        Ok(self.documents.get(SESSIONS, person_id).await?)
    }

    /// Notes that a session is used; somebody else may note it instead.
    async fn touch(
        &self,
        person_id: &str,
        mut kept: Kept<Sessions>,
        id: &str,
    ) -> Result<(), AccountError> {
        let now_ms = self.now_ms();
        for session in kept.content.iter_mut().filter(|session| session.id == id) {
            session.seen_ms = now_ms;
        }
        match self
            .put_sessions(person_id, &kept.content, Before::Revision(kept.revision))
            .await
        {
            Err(DocumentError::Changed) => Ok(()),
            other => Ok(other?),
        }
    }

    async fn change_sessions(
        &self,
        person_id: &str,
        mut change: impl FnMut(&mut Sessions),
    ) -> Result<(), AccountError> {
        for _ in 0..ATTEMPTS_MAX {
            let known = self.sessions_kept(person_id).await?;
            let (mut sessions, before) = match known {
                Some(kept) => (kept.content, Before::Revision(kept.revision)),
                None => (Sessions::new(), Before::Nothing),
            };
            let now_ms = self.now_ms();
            sessions.retain(|session| session.lives(now_ms, self.idle_ms()));
            change(&mut sessions);
            match self.put_sessions(person_id, &sessions, before).await {
                Err(DocumentError::Changed) => {}
                other => return Ok(other?),
            }
        }
        Err(DocumentError::Changed.into())
    }

    async fn put_sessions(
        &self,
        person_id: &str,
        sessions: &Sessions,
        before: Before,
    ) -> Result<(), DocumentError> {
        let last_ms = sessions.iter().map(|session| session.expires_ms).max();
        let expires_ms = last_ms.unwrap_or_else(|| self.now_ms());
        let place = (SESSIONS, person_id);
        self.documents
            .put(place, sessions, before, Some(expires_ms))
            .await
    }
}
