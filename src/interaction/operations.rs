//! Operations as entries of a Bundle: what the layer above gives, for GET entries to call.
//!
//! Interactions know no operation; they hand over the URL of an entry that names one.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::access::Grant;
use crate::interaction::Context;
use crate::outcome::Outcome;

/// The JSON that an operation answers with.
pub type Answer<'f> = Pin<Box<dyn Future<Output = Result<Bytes, Outcome>> + Send + 'f>>;

/// The operations that change nothing and take their parameters from a URL.
pub trait Operations: Send + Sync {
    /// Answers the call that a URL is, relative to the base: its path and what is behind the
    /// question mark.
    fn get<'f>(&'f self, ctx: &'f Context, grant: &'f Grant, url: (&'f str, &'f str))
    -> Answer<'f>;
}
