//! Revocation: a token that its client no longer wants counts no longer, at once and everywhere.
//!
//! With a refresh token goes the whole grant, and every access token of it.
//! Spec: RFC 7009.

use crate::smart::authority::Authority;
use crate::smart::bearer::BearerError;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;
use crate::smart::grant;
use crate::smart::token::TOKENS;

impl Authority {
    /// Answers a request to the revocation endpoint. What is no token of the client's is left as
    /// it is, and the client does not learn what it was.
    pub async fn revoke(&self, form: &Form) -> Result<(), OauthError> {
        let client = self.any_client(form).await?;
        let token = form
            .get("token")
            .ok_or_else(|| OauthError::new(Code::InvalidRequest, "token is missing."))?;
        if let Some(kept) = self.grant_of_refresh_token(token).await? {
            if kept.content.client_id == client.client_id {
                grant::take_away(&self.documents, &kept.content.id).await?;
            }
            return Ok(());
        }
        let verified = match self.verified(token).await {
            Ok(verified) => verified,
            Err(BearerError::Invalid) => return Ok(()),
            Err(BearerError::Failed(error)) => return Err(error),
        };
        if verified.claims.client_id == client.client_id {
            self.documents.delete(TOKENS, &verified.claims.jti).await?;
        }
        Ok(())
    }
}
