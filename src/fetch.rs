//! Requests to other servers: keys of clients, an outside provider of identities.
//!
//! HTTPS only, no redirects, small answers, little time; names that lead into a private network are
//! refused unless the operator named them. Plain HTTP is for this machine, and only where the
//! server itself is reached that way. It knows nothing of what is fetched.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use tower::Service;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long a request may take in all.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Whom requests may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Servers on the internet: for addresses that somebody else named.
    Public,
    /// Servers in the operator's own network too: for addresses that the operator named.
    Any,
    /// Any, this machine by plain HTTP as well: for development and tests.
    Local,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address may not be asked.
    #[error("{0}")]
    Refused(&'static str),
    /// The server could not be reached, or broke off.
    #[error("the request failed: {0}")]
    Failed(String),
    /// The answer took too long or is too large.
    #[error("the answer took too long or is too large")]
    TooMuch,
}

const PRIVATE: &str = "the address is in a private network";

/// What sends requests.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
}

impl Fetcher {
    /// Sends requests as far as they may reach.
    pub fn new(reach: Reach) -> Result<Self, FetchError> {
        let mut http = HttpConnector::new_with_resolver(Resolver { reach });
        http.enforce_http(false);
        http.set_connect_timeout(Some(TIME_MAX));
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(aws_lc_rs::default_provider())
            .map_err(|error| FetchError::Failed(error.to_string()))?;
        let connector = if reach == Reach::Local {
            tls.https_or_http().enable_http1().wrap_connector(http)
        } else {
            tls.https_only().enable_http1().wrap_connector(http)
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            reach,
        })
    }

    /// Sends a request and reads the answer, whatever its status. Redirects are not followed.
    pub async fn fetch(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        self.check(request.uri())?;
        let answer = async {
            let request = request.map(|body| Full::new(body.into()));
            let response = self.client.request(request).await;
            let response = response.map_err(|error| failed(&error))?;
            let (parts, body) = response.into_parts();
            let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = read.map_err(|_large_or_broken| FetchError::TooMuch)?;
            Ok(Response::from_parts(parts, bytes.to_bytes().into()))
        };
        let answered = tokio::time::timeout(TIME_MAX, answer).await;
        answered.map_err(|_elapsed| FetchError::TooMuch)?
    }

    /// What the resolver does not see: the scheme, and addresses written as numbers.
    fn check(&self, uri: &Uri) -> Result<(), FetchError> {
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse::<IpAddr>().ok();
        let is_loopback = bare == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.reach == Reach::Local && is_loopback => {}
            _ => return Err(FetchError::Refused("only https:// addresses are asked")),
        }
        if host.is_empty() || ip.is_some_and(|ip| !may_reach(self.reach, ip)) {
            return Err(FetchError::Refused(PRIVATE));
        }
        Ok(())
    }
}

/// An error with what caused it.
fn failed(error: &dyn std::error::Error) -> FetchError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        text = format!("{text}: {deeper}");
        source = deeper.source();
    }
    FetchError::Failed(text)
}

/// Looks up names, and leaves out addresses that may not be reached.
#[derive(Debug, Clone)]
struct Resolver {
    reach: Reach,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|at| may_reach(reach, at.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other(PRIVATE));
            }
            Ok(allowed.into_iter())
        })
    }
}

fn may_reach(reach: Reach, ip: IpAddr) -> bool {
    match reach {
        Reach::Any | Reach::Local => true,
        Reach::Public => match ip {
            IpAddr::V4(ip) => is_public_v4(ip),
            IpAddr::V6(ip) => match ip.to_ipv4() {
                Some(inside) => is_public_v4(inside),
                None => is_public_v6(ip),
            },
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_benchmark = first == 198 && (second == 18 || second == 19);
    let is_assignment = (first, second, third) == (192, 0, 0);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || is_shared
        || is_benchmark
        || is_assignment
        || first == 0
        || first >= 240)
}

/// Global unicast, without what carries an IPv4 address inside.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let is_global = (0x2000..0x4000).contains(&first);
    let is_tunnel = first == 0x2002 || (first == 0x2001 && second == 0);
    let is_documentation = first == 0x2001 && second == 0x0db8;
    is_global && !is_tunnel && !is_documentation
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::Request;

    use super::{FetchError, Fetcher, Reach, may_reach};

    #[test]
    fn private_networks_are_no_part_of_the_internet() {
        let reaches = |reach, text: &str| may_reach(reach, text.parse::<IpAddr>().unwrap());
        for good in ["93.184.216.34", "100.128.0.1", "2606:2800:220:1::1"] {
            assert!(reaches(Reach::Public, good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
        ] {
            assert!(!reaches(Reach::Public, bad), "{bad}");
            assert!(reaches(Reach::Any, bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_may_not_be_asked_is_refused_before_anything_is_sent() {
        for (reach, url) in [
            (Reach::Public, "http://example.org/"),
            (Reach::Public, "https://127.0.0.1/"),
            (Reach::Public, "https://[::1]/"),
            (Reach::Any, "http://127.0.0.1/"),
            (Reach::Local, "http://example.org/"),
            (Reach::Any, "/path"),
        ] {
            let fetcher = Fetcher::new(reach).unwrap();
            let request = Request::get(url).body(Vec::new()).unwrap();
            let refused = fetcher.fetch(request).await;
            assert!(matches!(refused, Err(FetchError::Refused(_))), "{url}");
        }
        let fetcher = Fetcher::new(Reach::Public).unwrap();
        let request = Request::get("https://localhost:1/").body(Vec::new());
        let error = fetcher.fetch(request.unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("private network"), "{error}");
    }
}
