//! Typed settings, one file per subsystem; the only reader of environment and config files.
//!
//! Precedence: command line, then `VESTA_*` environment variables, then the TOML file, then the
//! defaults written here. Nested settings use two underscores in the environment:
//! `VESTA_LIMITS__BODY_BYTES_MAX`. Reference: `docs/configuration.md`.

pub mod account;
pub mod address_range;
pub mod audit;
pub mod care;
pub mod hl7v2;
pub mod keys;
pub mod limits;
pub mod mail;
pub mod openid;
pub mod operations;
pub mod proxy;
pub mod rate;
pub mod reindex;
pub mod rest;
pub mod search;
pub mod smart;
pub mod store;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::config::account::AccountConfig;
use crate::config::audit::AuditConfig;
use crate::config::care::{CACHED_SECONDS_MAX, CareConfig};
use crate::config::hl7v2::Hl7v2Config;
use crate::config::keys::KeysConfig;
use crate::config::limits::Limits;
use crate::config::mail::MailConfig;
use crate::config::openid::OpenidConfig;
use crate::config::operations::OperationsConfig;
use crate::config::proxy::ProxyConfig;
use crate::config::rate::RateConfig;
use crate::config::reindex::ReindexConfig;
use crate::config::rest::RestConfig;
use crate::config::search::SearchConfig;
use crate::config::smart::{ACCESS_TOKEN_SECONDS_MAX, SmartConfig};
use crate::config::store::{EmbeddedConfig, MongoConfig};
use crate::config::tls::TlsConfig;

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// `embedded:PATH` or a `mongodb://` URI.
    pub store: String,
    /// The address clients use, when it is not `http://LISTEN`; the FHIR base is `/fhir` below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The FHIR base that the store was written under, when the server has moved from it for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_base_url: Option<String>,
    /// How access is decided.
    pub access: AccessMode,
    /// What the log shows, in the syntax of `RUST_LOG`.
    pub log: String,
    /// Bounds on requests and work.
    pub limits: Limits,
    /// Where the master key comes from.
    pub keys: KeysConfig,
    /// Choices that FHIR leaves to the server.
    pub rest: RestConfig,
    /// Indexing anew.
    pub reindex: ReindexConfig,
    /// What can be searched by.
    pub search: SearchConfig,
    /// What opens a patient's record to clinicians.
    pub care: CareConfig,
    /// The authorization server.
    pub smart: SmartConfig,
    /// The journal of who did what.
    pub audit: AuditConfig,
    /// Accounts and sign-in.
    pub account: AccountConfig,
    /// HL7 v2 messages.
    pub hl7v2: Hl7v2Config,
    /// Encrypted connections.
    pub tls: TlsConfig,
    /// Proxies in front of the server.
    pub proxy: ProxyConfig,
    /// How much one party may ask for.
    pub rate: RateConfig,
    /// Who may see how the server is.
    pub operations: OperationsConfig,
    /// Where mail is handed over.
    pub mail: MailConfig,
    /// An outside provider to sign in with.
    pub openid: OpenidConfig,
    /// The embedded store.
    pub embedded: EmbeddedConfig,
    /// The MongoDB store.
    pub mongo: MongoConfig,
}

/// How access is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AccessMode {
    /// SMART on FHIR: every request needs a right that can be shown.
    Smart,
    /// Nobody is asked for anything; loopback only, for development, tests and benchmarks.
    Open,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            store: "embedded:vesta-data".to_owned(),
            base_url: None,
            former_base_url: None,
            access: AccessMode::Smart,
            log: "info".to_owned(),
            limits: Limits::default(),
            keys: KeysConfig::default(),
            rest: RestConfig::default(),
            reindex: ReindexConfig::default(),
            search: SearchConfig::default(),
            care: CareConfig::default(),
            smart: SmartConfig::default(),
            audit: AuditConfig::default(),
            account: AccountConfig::default(),
            hl7v2: Hl7v2Config::default(),
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            rate: RateConfig::default(),
            operations: OperationsConfig::default(),
            mail: MailConfig::default(),
            openid: OpenidConfig::default(),
            embedded: EmbeddedConfig::default(),
            mongo: MongoConfig::default(),
        }
    }
}

/// What the command line sets; what is `None` is left to the environment, the file, the default.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overrides {
    /// As [`Config::listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// As [`Config::store`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// As [`Config::base_url`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// As [`Config::access`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessMode>,
    /// As [`Config::log`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line is not there.
    #[error("the configuration file {0} does not exist")]
    NoFile(PathBuf),
    /// A value is missing, unknown or of the wrong form.
    #[error("configuration: {0}")]
    Unusable(String),
}

/// Variables that begin with `VESTA_` and are no settings.
const NOT_SETTINGS: [&str; 2] = ["config", "test_data"];

impl Config {
    /// Puts the settings together.
    pub fn load(file: Option<PathBuf>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = file.or_else(|| Env::var("VESTA_CONFIG").map(PathBuf::from));
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError::NoFile(path));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        let environment = Env::prefixed("VESTA_").split("__").ignore(&NOT_SETTINGS);
        let config: Self = figment
            .merge(environment)
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(|error| ConfigError::Unusable(error.to_string()))?;
        config.check()
    }

    /// The address of the server that clients use, without a slash at the end.
    pub fn root(&self) -> String {
        match &self.base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.tls.is_on() => format!("https://{}", self.listen),
            None => format!("http://{}", self.listen),
        }
    }

    /// Whether only this machine reaches the server, without TLS: for development and tests.
    pub fn is_local(&self) -> bool {
        let root = self.root();
        let rest = root.strip_prefix("http://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_loopback || bare == "localhost"
    }

    /// The FHIR base URL that clients use.
    pub fn fhir_base(&self) -> String {
        format!("{}/fhir", self.root())
    }

    fn check(self) -> Result<Self, ConfigError> {
        if self.access == AccessMode::Open && !self.listen.ip().is_loopback() {
            return Err(ConfigError::Unusable(format!(
                "access = open asks nobody for anything and therefore listens on loopback only, \
                 not on {}; listen on 127.0.0.1",
                self.listen
            )));
        }
        let mllp = self.hl7v2.listen;
        if self.access == AccessMode::Open && mllp.is_some_and(|at| !at.ip().is_loopback()) {
            return Err(ConfigError::Unusable(
                "access = open takes HL7 v2 messages on loopback only: hl7v2.listen must be on \
                 127.0.0.1"
                    .to_owned(),
            ));
        }
        self.check_encryption()?;
        let lifetimes = 1..=ACCESS_TOKEN_SECONDS_MAX;
        if !lifetimes.contains(&self.smart.access_token_seconds) {
            return Err(ConfigError::Unusable(format!(
                "smart.access_token_seconds must be 1 to {ACCESS_TOKEN_SECONDS_MAX}"
            )));
        }
        if self.care.cached_seconds_max > CACHED_SECONDS_MAX {
            return Err(ConfigError::Unusable(format!(
                "care.cached_seconds_max must be {CACHED_SECONDS_MAX} at most"
            )));
        }
        let known = self.store.starts_with("embedded:")
            || self.store.starts_with("mongodb://")
            || self.store.starts_with("mongodb+srv://");
        if !known {
            return Err(ConfigError::Unusable(
                "store must be embedded:PATH or a mongodb:// URI".to_owned(),
            ));
        }
        let base_is_usable = self.base_url.as_deref().is_none_or(|url| {
            (url.starts_with("http://") || url.starts_with("https://")) && !url.contains(['?', '#'])
        });
        if !base_is_usable {
            return Err(ConfigError::Unusable(
                "base_url must begin with http:// or https:// and have no query".to_owned(),
            ));
        }
        Ok(self)
    }
}

impl Config {
    /// Tokens and passwords must not be readable on their way.
    fn check_encryption(&self) -> Result<(), ConfigError> {
        let is_near = self.listen.ip().is_loopback();
        let is_safe = is_near || self.tls.is_on() || !self.proxy.trusted.is_empty();
        if self.access == AccessMode::Smart && !is_safe {
            return Err(ConfigError::Unusable(format!(
                "access = smart takes tokens and passwords, which anybody could read on the way to \
                 {}: set tls.certificate and tls.key; or listen on 127.0.0.1; or name the proxy \
                 that encrypts in proxy.trusted",
                self.listen
            )));
        }
        let is_plain = self
            .base_url
            .as_deref()
            .is_some_and(|url| url.starts_with("http://"));
        if self.tls.is_on() && is_plain {
            return Err(ConfigError::Unusable(
                "base_url begins with http://, and with tls.certificate clients come by https://"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{AccessMode, Config, Overrides};

    fn open_on(listen: &str) -> Overrides {
        Overrides {
            listen: listen.parse::<SocketAddr>().ok(),
            access: Some(AccessMode::Open),
            ..Overrides::default()
        }
    }

    #[test]
    fn open_mode_listens_on_loopback_only() {
        assert!(Config::load(None, &open_on("127.0.0.1:0")).is_ok());
        assert!(Config::load(None, &open_on("[::1]:0")).is_ok());
        let refused = Config::load(None, &open_on("0.0.0.0:0")).unwrap_err();
        assert!(refused.to_string().contains("loopback"));
    }

    #[test]
    fn what_must_not_be_read_on_the_way_is_encrypted_or_stays_here() {
        let load = |listen: &str, rest: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, format!("listen = \"{listen}\"\n{rest}")).unwrap();
            Config::load(Some(file.path().into()), &Overrides::default())
        };
        let refused = load("0.0.0.0:0", "").unwrap_err().to_string();
        assert!(refused.contains("proxy.trusted"), "{refused}");
        assert!(load("127.0.0.1:0", "").is_ok());
        assert!(load("0.0.0.0:0", "[proxy]\ntrusted = [\"10.0.0.0/8\"]").is_ok());
        let tls = "[tls]\ncertificate = \"a\"\nkey = \"b\"";
        let config = load("0.0.0.0:8443", tls).unwrap();
        assert_eq!(config.fhir_base(), "https://0.0.0.0:8443/fhir");
        let plain = format!("base_url = \"http://records.example.org\"\n{tls}");
        assert!(load("0.0.0.0:0", &plain).is_err());
        assert!(load("127.0.0.1:0", "[proxy]\ntrusted = [\"proxy\"]").is_err());
    }

    #[test]
    fn the_file_is_below_the_command_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\nlog = \"debug\"\n[limits]\npage_max = 7\n",
        )
        .unwrap();
        let config = Config::load(Some(file.path().into()), &open_on("127.0.0.1:2")).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.log, "debug");
        assert_eq!(config.limits.page_max, 7);
    }

    #[test]
    fn a_server_that_others_reach_is_not_local() {
        let of = |url: &str| {
            let config = Config {
                base_url: Some(url.to_owned()),
                ..Config::default()
            };
            config.is_local()
        };
        assert!(Config::default().is_local());
        for own in [
            "http://127.0.0.1:8080/",
            "http://[::1]:8080",
            "http://localhost:1/below",
        ] {
            assert!(of(own), "{own}");
        }
        for other in [
            "https://localhost",
            "http://vesta.example",
            "http://127.0.0.1.example:80",
            "http://0.0.0.0:8080",
        ] {
            assert!(!of(other), "{other}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[limits]\npages = 7\n").unwrap();
        let refused = Config::load(Some(file.path().into()), &Overrides::default()).unwrap_err();
        assert!(refused.to_string().contains("pages"), "{refused}");
    }
}
