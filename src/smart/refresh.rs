//! Refresh tokens: each is good once and brings the next one.
//!
//! One that comes again after it was used is in two hands: the whole grant is taken away. Old ones
//! are not kept; each can be told again from the key of its grant.
//! Spec: RFC 6749 section 6, OAuth 2.1 section 4.3.

use crate::access::documents::{Before, DocumentError, Kept};
use crate::smart::asked::ScopeSet;
use crate::smart::authority::Authority;
use crate::smart::client::{self, Client, ClientKind};
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;
use crate::smart::grant::{self, GRANTS, GrantDocument, Refresh};
use crate::smart::secret;

/// Characters of a token that is looked at.
const TOKEN_CHARS_MAX: usize = 200;

/// What a refresh token says.
struct Parts<'t> {
    grant_id: &'t str,
    place: u32,
    secret: &'t str,
}

fn read(token: &str) -> Option<Parts<'_>> {
    if token.len() > TOKEN_CHARS_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let parts = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let (grant_id, place, secret, None) = parts else {
        return None;
    };
    let place = place.parse().ok()?;
    Some(Parts {
        grant_id,
        place,
        secret,
    })
}

/// What a refresh token that does not do is answered with.
fn invalid() -> OauthError {
    OauthError::new(
        Code::InvalidGrant,
        "The refresh token is none that this client may use now: it was used, revoked or has \
         expired.",
    )
}

/// The refresh token that is good now.
pub(super) fn token_of(grant: &GrantDocument) -> Option<String> {
    let Refresh { chain, place } = grant.refresh.as_ref()?;
    Some(format!("{}.{place}.{}", grant.id, *chain.at(*place)))
}

impl Authority {
    /// The grant that a refresh token of a client stands for, moved on to the next token, and the
    /// scopes that are asked for now.
    pub(super) async fn use_refresh_token(
        &self,
        form: &Form,
        client: &Client,
    ) -> Result<(GrantDocument, ScopeSet), OauthError> {
        let token = form
            .get("refresh_token")
            .ok_or_else(|| OauthError::new(Code::InvalidRequest, "refresh_token is missing."))?;
        let kept = self.grant_of_refresh_token(token).await?;
        let kept = kept.filter(|kept| kept.content.client_id == client.client_id);
        let mut kept = kept.ok_or_else(invalid)?;
        let scopes = asked(form, &kept.content)?;
        let place = read(token).map_or(0, |parts| parts.place);
        let refresh = kept.content.refresh.as_mut().ok_or_else(invalid)?;
        let grant_id = kept.content.id.clone();
        if place != refresh.place {
            return self.misused(&grant_id).await;
        }
        refresh.place = refresh.place.saturating_add(1);
        if let Some(session_id) = &kept.content.session_id
            && !self
                .is_session_alive(&kept.content.person_id, session_id)
                .await
        {
            return self.misused(&grant_id).await;
        }
        if !self.is_person_welcome(&kept.content.person_id).await? {
            return Err(invalid());
        }
        let before = Before::Revision(kept.revision);
        let until_ms = Some(kept.content.expires_ms);
        let place = (GRANTS, grant_id.as_str());
        let put = self.documents.put(place, &kept.content, before, until_ms);
        match put.await {
            // Somebody else used it meanwhile.
            Err(DocumentError::Changed) => self.misused(&grant_id).await,
            Err(error) => Err(error.into()),
            Ok(()) => Ok((kept.content, scopes)),
        }
    }

    /// The client that refreshes. One that cannot prove itself need not say which it is: its token
    /// does, and apps in browsers leave it out.
    pub(super) async fn refreshing_client(&self, form: &Form) -> Result<Client, OauthError> {
        let says = ["client_id", "client_assertion", "client_assertion_type"];
        let token = form.get("refresh_token");
        let (Some(token), true) = (token, says.iter().all(|name| form.get(name).is_none())) else {
            return self.any_client(form).await;
        };
        let kept = self.grant_of_refresh_token(token).await?;
        let client_id = kept.ok_or_else(invalid)?.content.client_id;
        let client = client::find(&self.documents, &client_id).await?;
        let client = client.filter(|client| client.kind == ClientKind::Public && client.may_act());
        client.ok_or_else(|| OauthError::invalid_client(&"the client did not prove itself"))
    }

    /// The grant of a refresh token that was once good.
    pub(super) async fn grant_of_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<Kept<GrantDocument>>, OauthError> {
        let Some(parts) = read(token) else {
            return Ok(None);
        };
        let found = grant::find(&self.documents, parts.grant_id).await?;
        Ok(found.filter(|kept| {
            kept.content.refresh.as_ref().is_some_and(|refresh| {
                let is_past = (1..=refresh.place).contains(&parts.place);
                is_past && secret::is_same(&refresh.chain.at(parts.place), parts.secret)
            })
        }))
    }

    async fn misused<T>(&self, grant_id: &str) -> Result<T, OauthError> {
        grant::take_away(&self.documents, grant_id).await?;
        Err(invalid())
    }
}

/// What is asked for now: all that was agreed to, or some of it.
fn asked(form: &Form, grant: &GrantDocument) -> Result<ScopeSet, OauthError> {
    let agreed = grant.scopes();
    let Some(text) = form.get("scope") else {
        return Ok(agreed);
    };
    let asked = ScopeSet::read(text.split_ascii_whitespace());
    let narrowed = asked.within(&agreed);
    let is_all_agreed = text.split_ascii_whitespace().all(|one| {
        let single = ScopeSet::read(std::iter::once(one));
        !single.is_empty() && single.within(&agreed) == single
    });
    is_all_agreed.then_some(narrowed).ok_or_else(|| {
        OauthError::new(
            Code::InvalidScope,
            "A refresh may ask for what was agreed to, or some of it, and no more.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_refresh_token_has_three_parts() {
        let parts = read("abc.12.secret").unwrap();
        assert_eq!(
            (parts.grant_id, parts.place, parts.secret),
            ("abc", 12, "secret")
        );
        for other in [
            "",
            "abc",
            "abc.1",
            "abc.x.s",
            "a.1.s.t",
            &"a.1.s".repeat(99),
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }
}
