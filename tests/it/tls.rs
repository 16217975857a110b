//! Encrypted connections: which versions, which files, and files that are replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vesta::config::{AccessMode, Config};
use vesta::server::Server;

use crate::support::server::{Backend, TestServer};

/// How long a replaced file may take to be noticed.
const NOTICED_MAX: Duration = Duration::from_secs(30);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

/// Puts a certificate and its key where a server reads them.
fn install(directory: &Path, name: &str) {
    for kind in ["cert", "key"] {
        let place = directory.join(format!("{kind}.new"));
        fs::copy(fixture(&format!("{name}.{kind}.pem")), &place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(place, directory.join(format!("{kind}.pem"))).unwrap();
    }
}

fn with_files(config: &mut Config, directory: &Path) {
    config.access = AccessMode::Smart;
    config.tls.certificate = Some(directory.join("cert.pem"));
    config.tls.key = Some(directory.join("key.pem"));
    config.tls.poll_ms = 20;
}

/// Says hello to a server, trusting one of the certificates, and asks it for its metadata.
async fn ask(
    base: &str,
    trusted: &str,
    version: &'static SupportedProtocolVersion,
) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    let path = fixture(&format!("{trusted}.cert.pem"));
    roots
        .add(CertificateDer::from_pem_file(path).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = base.replace("https://", "").replace("/fhir", "");
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let connected = connector.connect(name, stream).await;
    let mut stream = connected.map_err(|error| error.to_string())?;
    let request = "GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_encrypted_and_follow_their_files() {
    let files = tempfile::TempDir::new().unwrap();
    install(files.path(), "first");
    let server = TestServer::start_with(Backend::Embedded, |config| {
        with_files(config, files.path());
    })
    .await;
    assert!(server.base.starts_with("https://"), "{}", server.base);
    for version in [&TLS12, &TLS13] {
        let answer = ask(&server.base, "first", version).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );
        assert!(answer.contains(&server.base), "links are encrypted ones");
    }
    let stranger = ask(&server.base, "second", &TLS13).await.unwrap_err();
    assert!(stranger.contains("certificate"), "{stranger}");
    // Half of a pair changes nothing.
    let half = files.path().join("cert.pem");
    fs::copy(fixture("second.cert.pem"), &half).unwrap();
    assert!(ask(&server.base, "first", &TLS13).await.is_ok());
    install(files.path(), "second");
    let began = Instant::now();
    while let Err(reason) = ask(&server.base, "second", &TLS13).await {
        assert!(began.elapsed() < NOTICED_MAX, "{reason}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ask(&server.base, "first", &TLS13).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_and_plain_requests_get_nothing() {
    let files = tempfile::TempDir::new().unwrap();
    install(files.path(), "first");
    let server = TestServer::start_with(Backend::Embedded, |config| {
        with_files(config, files.path());
    })
    .await;
    let address = server.base.replace("https://", "").replace("/fhir", "");
    // A hello of TLS 1.1 with one suite that is common to it and to TLS 1.2.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let plain = b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    for sent in [hello, plain] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        let mut answer = Vec::new();
        let _ended = stream.read_to_end(&mut answer).await;
        // An alert, or nothing at all.
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
        assert!(!answer.windows(4).any(|part| part == b"HTTP"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_keep_the_server_from_starting() {
    let files = tempfile::TempDir::new().unwrap();
    let place = |name: &str| Some(files.path().join(name));
    let mut config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: format!("embedded:{}", files.path().join("data").display()),
        ..Config::default()
    };
    install(files.path(), "first");
    fs::copy(fixture("second.key.pem"), files.path().join("other.pem")).unwrap();
    fs::copy(fixture("first.key.pem"), files.path().join("open.pem")).unwrap();
    for (name, mode) in [("other.pem", 0o600), ("open.pem", 0o604)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(files.path().join(name), mode).unwrap();
    }
    for (certificate, key, says) in [
        (place("cert.pem"), None, "set both"),
        (None, place("key.pem"), "set both"),
        (place("missing.pem"), place("key.pem"), "missing.pem"),
        (place("key.pem"), place("key.pem"), "no certificate"),
        (place("cert.pem"), place("cert.pem"), "cert.pem"),
        (place("cert.pem"), place("other.pem"), "cert.pem"),
        (place("cert.pem"), place("open.pem"), "chmod o="),
    ] {
        config.tls.certificate = certificate;
        config.tls.key = key;
        let failed = Server::start(&config).await.err().expect(says).to_string();
        assert!(failed.contains(says), "{says}: {failed}");
    }
}
