//! PKCE: only whoever began an authorization request can use its code.
//!
//! S256 only: `plain` proves nothing to whoever saw the request. Spec: RFC 7636.

use oauth2::{PkceCodeChallenge, PkceCodeVerifier};

use crate::smart::secret;

/// The only method there is.
pub const METHOD: &str = "S256";

/// Characters of a challenge: 256 bits in base64url.
const CHALLENGE_CHARS: usize = 43;

/// Characters of a verifier.
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// Whether a text may be a challenge.
pub(super) fn is_challenge(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() == CHALLENGE_CHARS && text.bytes().all(is_known)
}

/// Whether a verifier is that of a challenge.
pub(super) fn verifies(verifier: &str, challenge: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !VERIFIER_CHARS.contains(&verifier.len()) || !verifier.bytes().all(is_known) {
        return false;
    }
    let verifier = PkceCodeVerifier::new(verifier.to_owned());
    let made = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    secret::is_same(made.as_str(), challenge)
}

#[cfg(test)]
mod tests {
    use super::{is_challenge, verifies};

    // The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_verifier_hashes_to_its_challenge() {
        assert!(is_challenge(CHALLENGE) && verifies(VERIFIER, CHALLENGE));
        assert!(!verifies(CHALLENGE, CHALLENGE), "plain");
        for wrong in [
            "",
            "short",
            &VERIFIER.replace('d', "e"),
            &VERIFIER.repeat(4),
        ] {
            assert!(!verifies(wrong, CHALLENGE), "{wrong}");
        }
        let strange = format!("{}/", VERIFIER.trim_end_matches('k'));
        assert!(!verifies(&strange, CHALLENGE));
        assert!(!is_challenge("") && !is_challenge(&CHALLENGE.replace('-', "+")));
    }
}
