//! How a client proves itself: by assertion, by secret, or, where it can keep none, not at all.
//!
//! Each client in the one way it was registered with: a client with keys is not let in by less.
//! Spec: RFC 6749 section 2.3, OAuth 2.1 section 2.4.

use crate::smart::assertion;
use crate::smart::authority::Authority;
use crate::smart::client::{self, Client, ClientKind};
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// The ways, as they are published.
pub const METHODS: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];

/// Those that prove something.
pub const PROVING_METHODS: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

/// Characters of an id of a client that is looked up.
const ID_CHARS_MAX: usize = 200;

/// Which client a form says it is from, before anything is proved: for the journal.
pub fn claimed(form: &Form) -> Option<String> {
    if form.get("client_assertion").is_some() {
        return assertion::claimed(form);
    }
    let claimed = form.get("client_id")?;
    (claimed.len() <= ID_CHARS_MAX).then(|| claimed.to_owned())
}

impl Authority {
    /// The client that a form proves; one that cannot prove anything is taken at its word.
    pub(super) async fn any_client(&self, form: &Form) -> Result<Client, OauthError> {
        let has_assertion =
            form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some();
        let secret = form.get("client_secret");
        if has_assertion && secret.is_some() {
            let text = "Authenticate in one way only.";
            return Err(OauthError::new(Code::InvalidRequest, text));
        }
        let claimed = form.get("client_id");
        let Some(client_id) = claimed.filter(|_| !has_assertion) else {
            return self.client_of_assertion(form).await;
        };
        if client_id.len() > ID_CHARS_MAX {
            return Err(OauthError::invalid_client(&"the id is too long"));
        }
        let client = client::find(&self.documents, client_id).await?;
        let client =
            client.ok_or_else(|| OauthError::invalid_client(&"there is no such client"))?;
        if !client.may_act() {
            return Err(OauthError::invalid_client(
                &"the client is disabled or waits",
            ));
        }
        let is_proved = match (client.kind, secret, &client.secret) {
            (ClientKind::Public, None, _) => true,
            (ClientKind::Secret, Some(secret), Some(digest)) => digest.is_of(secret),
            _ => false,
        };
        if !is_proved {
            return Err(OauthError::invalid_client(
                &"the credentials are not those of the client",
            ));
        }
        // Whoever proves nothing could use up the turns of others.
        if client.kind != ClientKind::Public {
            self.count_client(&client)?;
        }
        Ok(client)
    }

    /// As [`Authority::any_client`], where a client's word is not enough.
    pub(super) async fn proved_client(&self, form: &Form) -> Result<Client, OauthError> {
        let client = self.any_client(form).await?;
        if client.kind == ClientKind::Public {
            let text = "This client cannot prove itself.";
            return Err(OauthError::new(Code::InvalidClient, text));
        }
        Ok(client)
    }
}
