//! Shaking hands: the verifier records and lets pass, and what the chain is worth is looked at afterwards.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maildoctor_wire::hello::{self, HelloAnswer};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::case::millis;
use crate::questions::tls::{Certificate, HandshakeEnd, MAX_CHAIN, NO_TLS, Shaken, TlsWire, Trust};
use crate::vantage::{Connection, Stream};

/// Roots that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read as PEM certificates.
    #[error("the roots in {file} cannot be used: {why}; give a file of PEM certificates")]
    CaFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// rustls does not take them.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// The roots we trust, and how we shake hands.
pub struct Trusted {
    config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    /// The system's roots (Mozilla's where the system has none), and those of `ca_file`.
    ///
    /// # Errors
    /// [`TrustError`] where the file cannot be used.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(file) = ca_file {
            let bad = |why: String| TrustError::CaFile { file: file.display().to_string(), why };
            let given: Vec<_> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|e| bad(e.to_string()))?;
            if given.is_empty() {
                return Err(bad("it holds no certificate".to_owned()));
            }
            for root in given {
                roots.add(root).map_err(|e| bad(e.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let setup = |e: String| TrustError::Setup(e);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| setup(e.to_string()))?;
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| setup(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(LetPass(provider)))
            .with_no_client_auth();
        // A resumed session sends no certificates, and those are what we came for.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config), verifier })
    }

    /// What a chain is worth, dates and names left aside.
    pub fn trust(&self, chain: &[CertificateDer<'_>]) -> Option<Trust> {
        let (leaf, rest) = chain.split_first()?;
        let read: Vec<Certificate> = chain.iter().filter_map(|der| Certificate::of(der)).collect();
        let own = read.first()?;
        // In the middle of its own time a certificate is not expired: dates are another question.
        let middle = (own.not_before.as_second() / 2 + own.not_after.as_second() / 2).max(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(middle).unwrap_or(0)));
        let name = ServerName::try_from("name.invalid").ok()?;
        Some(match self.verifier.verify_server_cert(leaf, rest, &name, &[], at) {
            Ok(_) => Trust::Anchored,
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Trust::Anchored,
            Err(_) if own.subject == own.issuer => Trust::SelfSigned,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => unknown_issuer(&read),
            Err(Error::InvalidCertificate(error)) => Trust::Unusable { error: format!("{error}") },
            Err(error) => Trust::Unusable { error: error.to_string() },
        })
    }
}

/// Tells a chain that is not whole from one that ends at a root nobody knows.
fn unknown_issuer(chain: &[Certificate]) -> Trust {
    let mut top = match chain.first() {
        Some(leaf) => leaf,
        None => {
            return Trust::Unusable { error: "no certificate".to_owned() };
        }
    };
    for _ in 0..chain.len() {
        match chain.iter().find(|c| c.subject == top.issuer && c.fingerprint != top.fingerprint) {
            Some(next) => top = next,
            None => break,
        }
    }
    let alone = chain.first().is_some_and(|leaf| leaf.fingerprint == top.fingerprint);
    if alone {
        // Its issuer was not sent: an intermediate that is missing, or a private root.
        Trust::IssuerMissing { issuer: top.issuer.clone() }
    } else {
        // The root itself need not be sent.
        Trust::UnknownRoot { root: if top.subject == top.issuer { top.subject.clone() } else { top.issuer.clone() } }
    }
}

/// Lets every certificate pass, so that the dialogue goes on; signatures of the handshake are checked.
#[derive(Debug)]
struct LetPass(Arc<CryptoProvider>);

impl ServerCertVerifier for LetPass {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Shakes hands on a stream. The wire facts come in any case; the stream only where it worked.
pub async fn shake(
    trusted: &Trusted,
    stream: Box<dyn Stream>,
    server_name: Option<&str>,
    limit: Duration,
) -> (TlsWire, Option<Box<dyn Stream>>) {
    let mut wire = TlsWire {
        server_name: server_name.map(str::to_owned),
        shaken: Shaken::Stalled { waited_ms: millis(limit) },
        chain: Vec::new(),
        trust: None,
    };
    let sni = server_name
        .and_then(|n| ServerName::try_from(n.to_owned()).ok())
        .or_else(|| ServerName::try_from("unnamed.invalid").ok());
    let Some(sni) = sni else {
        wire.shaken = Shaken::Failed { error: "the name cannot be asked for".to_owned(), ended: None, hello: None };
        return (wire, None);
    };
    let mut config = (*trusted.config).clone();
    config.enable_sni = server_name.is_some_and(|n| n.parse::<std::net::IpAddr>().is_err());
    match timeout(limit, TlsConnector::from(Arc::new(config)).connect(sni, stream)).await {
        Err(_) => (wire, None),
        Ok(Err(error)) => {
            wire.shaken = Shaken::Failed { error: in_words(&error), ended: ended(&error), hello: None };
            (wire, None)
        }
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let chain: Vec<CertificateDer<'_>> =
                session.peer_certificates().unwrap_or_default().iter().take(MAX_CHAIN).cloned().collect();
            wire.shaken = Shaken::Done {
                version: session.protocol_version().map_or_else(String::new, |v| hello::version_name(u16::from(v))),
                cipher: session.negotiated_cipher_suite().map_or_else(String::new, |s| format!("{:?}", s.suite())),
            };
            wire.trust = trusted.trust(&chain);
            wire.chain = chain.iter().map(|der| STANDARD.encode(der)).collect();
            (wire, Some(Box::new(stream)))
        }
    }
}

/// What TLS itself says of a failure; `None` where the connection failed.
fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

/// Who ended a handshake over what the two do not share. A server that fails of itself says so by an alert that has nothing to do
/// with its client (RFC 8446 section 6.2).
fn ended(error: &io::Error) -> Option<HandshakeEnd> {
    match of_tls(error)? {
        Error::AlertReceived(AlertDescription::InternalError) => None,
        Error::AlertReceived(_) => Some(HandshakeEnd::Alert),
        Error::PeerIncompatible(_) => Some(HandshakeEnd::Incompatible),
        Error::InvalidCertificate(CertificateError::BadSignature) => Some(HandshakeEnd::BadSignature),
        _ => None,
    }
}

fn in_words(error: &io::Error) -> String {
    match of_tls(error) {
        Some(Error::AlertReceived(alert)) => {
            format!("the server sent the alert {}", hello::alert_name(u8::from(*alert)))
        }
        Some(Error::InvalidMessage(_)) => NO_TLS.to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection in the middle of the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

/// Sends our own hello, which offers everything from SSLv3 on, and reads what is answered.
pub async fn own_hello(mut connection: Connection, server_name: Option<&str>, limit: Duration) -> Option<HelloAnswer> {
    ask_hello(&mut connection.stream, server_name, limit).await
}

/// The same on a stream that may have spoken SMTP before.
pub async fn ask_hello(
    stream: &mut Box<dyn Stream>,
    server_name: Option<&str>,
    limit: Duration,
) -> Option<HelloAnswer> {
    let octets = hello::client_hello(hello::Version::Tls12, nonce(), server_name);
    let mut heard = Vec::new();
    let exchange = async {
        stream.write_all(&octets).await.ok()?;
        stream.flush().await.ok()?;
        let mut buffer = [0_u8; 4096];
        while heard.len() < hello::MAX_ANSWER_OCTETS && !hello::has_told_all(&heard) {
            let length = stream.read(&mut buffer).await.ok().filter(|&n| n > 0)?;
            heard.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        Some(())
    };
    // What came until the end, or the limit, is read as far as it goes.
    let _ = timeout(limit, exchange).await;
    hello::read_answer(&heard)
}

/// The random octets of a hello. No secret depends on them: the handshake is never completed.
fn nonce() -> [u8; 32] {
    let mut out = [0; 32];
    for chunk in out.chunks_mut(8) {
        chunk.copy_from_slice(&crate::chance::number().to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_of_itself_is_not_one_that_refuses_us() {
        let alert = |alert| ended(&io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(alert)));
        assert_eq!(alert(AlertDescription::HandshakeFailure), Some(HandshakeEnd::Alert));
        assert_eq!(alert(AlertDescription::InternalError), None);
        assert_eq!(ended(&io::ErrorKind::UnexpectedEof.into()), None);
    }
}
