//! The form of an OAuth request: each parameter at most once, RFC 6749 section 3.2.

use std::collections::BTreeMap;

use crate::fhir::query;
use crate::smart::error::{Code, OauthError};

/// Parameters of one request, at most.
const PARAMETERS_MAX: usize = 32;

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form. A parameter without a value counts as absent.
    pub fn read(text: &str) -> Result<Self, OauthError> {
        let refuse = |text| OauthError::new(Code::InvalidRequest, text);
        query::check(text)
            .map_err(|_undecodable| refuse("The form cannot be decoded as UTF-8."))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in query::pairs(text) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(refuse("The form has too many parameters."));
            }
            if value.is_empty() {
                continue;
            }
            if parameters.insert(name, value).is_some() {
                return Err(refuse("A parameter stands in the form twice."));
            }
        }
        Ok(Self(parameters))
    }

    /// Adds credentials that came beside the form; those in the form may not say otherwise.
    pub fn add_credentials(&mut self, client_id: String, secret: String) -> Result<(), OauthError> {
        let is_other = self.get("client_id").is_some_and(|id| id != client_id);
        if is_other || self.get("client_secret").is_some() {
            let text = "Authenticate in one way only.";
            return Err(OauthError::new(Code::InvalidRequest, text));
        }
        self.0.insert("client_id".to_owned(), client_id);
        self.0.insert("client_secret".to_owned(), secret);
        Ok(())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_parameter_stands_once() {
        let form = Form::read("grant_type=client_credentials&scope=&a=b%20c").unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), None);
        assert_eq!(form.get("a"), Some("b c"));
        assert!(Form::read("a=1&a=1").is_err());
        assert!(Form::read("a=%zz").is_err());
    }
}
