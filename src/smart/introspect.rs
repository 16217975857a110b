//! Introspection: whether a token counts, and what it says.
//!
//! A client learns of its own tokens, and of others' only when it was registered as one that
//! serves resources; of anything else it learns that it does not count, and no more.
//! Spec: RFC 7662.

use serde_json::{Value, json};

use crate::smart::asked::ScopeSet;
use crate::smart::authority::Authority;
use crate::smart::bearer::BearerError;
use crate::smart::client;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// Who asks: by assertion, or as the bearer of a token.
struct Asker {
    client_id: String,
    may_introspect: bool,
}

impl Authority {
    /// Answers a request to the introspection endpoint; `bearer` is the token it came with.
    pub async fn introspect(&self, form: &Form, bearer: Option<&str>) -> Result<Value, OauthError> {
        let asker = self.asker(form, bearer).await?;
        let token = form
            .get("token")
            .ok_or_else(|| OauthError::new(Code::InvalidRequest, "token is missing."))?;
        let inactive = json!({ "active": false });
        let active = match self.active(token).await {
            Ok(active) => active,
            Err(BearerError::Invalid) => return Ok(inactive),
            Err(BearerError::Failed(error)) => return Err(error),
        };
        let claims = &active.verified.claims;
        if claims.client_id != asker.client_id && !asker.may_introspect {
            return Ok(inactive);
        }
        let mut told = json!({
            "active": true,
            "client_id": claims.client_id,
            "scope": claims.scope,
            "sub": claims.sub,
            "iss": claims.iss,
            "aud": claims.aud,
            "exp": claims.exp,
            "iat": claims.iat,
            "jti": claims.jti,
            "token_type": "Bearer",
        });
        if let (Some(behalf), Some(members)) = (&active.behalf, told.as_object_mut()) {
            let context = &behalf.grant.context;
            let scopes = ScopeSet::read(claims.scope.split(' '));
            let fhir_user = self.fhir_user(&behalf.person, &scopes);
            let more = [
                ("patient", context.patient.clone()),
                ("encounter", context.encounter.clone()),
                ("fhirUser", fhir_user),
            ];
            for (name, value) in more {
                if let Some(value) = value {
                    members.insert(name.to_owned(), Value::String(value));
                }
            }
        }
        Ok(told)
    }

    async fn asker(&self, form: &Form, bearer: Option<&str>) -> Result<Asker, OauthError> {
        let Some(token) = bearer else {
            let client = self.proved_client(form).await?;
            return Ok(Asker {
                client_id: client.client_id,
                may_introspect: client.may_introspect,
            });
        };
        let active = match self.active(token).await {
            Ok(active) => active,
            Err(BearerError::Invalid) => {
                return Err(OauthError::invalid_client(
                    &"the bearer's token does not count",
                ));
            }
            Err(BearerError::Failed(error)) => return Err(error),
        };
        let client_id = active.verified.claims.client_id.clone();
        let client = client::find(&self.documents, &client_id).await?;
        Ok(Asker {
            may_introspect: client.is_some_and(|client| client.may_introspect),
            client_id,
        })
    }
}
