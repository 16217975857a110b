//! The headers that every answer of every surface carries, whatever made it.
//!
//! What a page or a `Binary` says more exactly stays. Spec: the Fetch standard, CSP level 3,
//! RFC 6797 (HSTS), <https://owasp.org/www-project-secure-headers/>.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// Answers are data: they load nothing, run nothing, and stand in no frame.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                       frame-ancestors 'none'";

/// Browsers come back encrypted for two years.
const TWO_YEARS: &str = "max-age=63072000";

const X_PERMITTED_POLICIES: HeaderName =
    HeaderName::from_static("x-permitted-cross-domain-policies");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const ALWAYS: [(HeaderName, &str); 8] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, NOTHING),
    (OPENER_POLICY, "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (RESOURCE_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (X_PERMITTED_POLICIES, "none"),
];

/// Adds what is not there yet.
pub fn shield(headers: &mut HeaderMap, is_encrypted: bool) {
    for (name, value) in ALWAYS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_encrypted {
        let value = HeaderValue::from_static(TWO_YEARS);
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::shield;

    #[test]
    fn what_is_said_more_exactly_stays() {
        let mut headers = HeaderMap::new();
        let own = HeaderValue::from_static("default-src 'self'");
        headers.insert("content-security-policy", own.clone());
        shield(&mut headers, false);
        assert_eq!(headers["content-security-policy"], own);
        assert_eq!(headers["x-frame-options"], "DENY");
        assert!(!headers.contains_key("strict-transport-security"));
        shield(&mut headers, true);
        assert_eq!(headers["strict-transport-security"], "max-age=63072000");
    }
}
