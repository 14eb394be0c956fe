//! Certificates of the lab: a root, an intermediate, and leaves that are right or wrong in one way.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::LabError;

/// In which way a certificate is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// It is right.
    #[default]
    Good,
    /// It ended yesterday.
    Expired,
    /// It ends in a few days.
    ExpiresSoon,
    /// It begins tomorrow.
    NotYetValid,
    /// It is for another name.
    OtherName,
    /// It is its own issuer.
    SelfSigned,
    /// The intermediate is not sent.
    ChainIncomplete,
    /// Its root is known to nobody.
    UnknownRoot,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The authority of a lab.
pub struct Authority {
    root: Issuer,
    intermediate: Issuer,
    stranger: Issuer,
    stranger_intermediate: Issuer,
}

fn failed(error: impl std::fmt::Display) -> LabError {
    LabError::Certificates(error.to_string())
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    /// Makes the keys.
    ///
    /// # Errors
    /// Where a key cannot be made.
    pub fn new() -> Result<Self, LabError> {
        let key = || KeyPair::generate().map_err(failed);
        let root = CertifiedIssuer::self_signed(ca("Lab Root"), key()?).map_err(failed)?;
        let intermediate = CertifiedIssuer::signed_by(ca("Lab Intermediate"), key()?, &root).map_err(failed)?;
        let stranger = CertifiedIssuer::self_signed(ca("Stranger Root"), key()?).map_err(failed)?;
        let stranger_intermediate =
            CertifiedIssuer::signed_by(ca("Stranger Intermediate"), key()?, &stranger).map_err(failed)?;
        Ok(Self { root, intermediate, stranger, stranger_intermediate })
    }

    /// The root as PEM, for `--ca-file`.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The TLS settings of a server for some names.
    ///
    /// # Errors
    /// Where a certificate cannot be made.
    pub fn server(&self, names: &[&str], variant: Variant) -> Result<Arc<ServerConfig>, LabError> {
        self.server_with_key(names, variant).map(|(config, _)| config)
    }

    /// The same, with the public key as a certificate holds it.
    ///
    /// # Errors
    /// Where a certificate cannot be made.
    pub fn server_with_key(&self, names: &[&str], variant: Variant) -> Result<(Arc<ServerConfig>, Vec<u8>), LabError> {
        let names: Vec<String> = if variant == Variant::OtherName {
            vec!["other.example".to_owned()]
        } else {
            names.iter().map(|n| (*n).to_owned()).collect()
        };
        let mut params = CertificateParams::new(names.clone()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, names.first().cloned().unwrap_or_default());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = std::time::SystemTime::now();
        let day = std::time::Duration::from_secs(86_400);
        let (from, to) = match variant {
            Variant::Expired => (now - day * 90, now - day),
            Variant::ExpiresSoon => (now - day * 80, now + day * 5),
            Variant::NotYetValid => (now + day, now + day * 90),
            _ => (now - day, now + day * 90),
        };
        params.not_before = from.into();
        params.not_after = to.into();
        let key = KeyPair::generate().map_err(failed)?;
        let chain: Vec<CertificateDer<'static>> = match variant {
            Variant::SelfSigned => vec![params.self_signed(&key).map_err(failed)?.der().clone()],
            Variant::UnknownRoot => vec![
                params.signed_by(&key, &self.stranger_intermediate).map_err(failed)?.der().clone(),
                self.stranger_intermediate.der().clone(),
                self.stranger.der().clone(),
            ],
            Variant::ChainIncomplete => vec![params.signed_by(&key, &self.intermediate).map_err(failed)?.der().clone()],
            _ => vec![
                params.signed_by(&key, &self.intermediate).map_err(failed)?.der().clone(),
                self.intermediate.der().clone(),
            ],
        };
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .map_err(failed)?;
        Ok((Arc::new(config), rcgen::PublicKeyData::subject_public_key_info(&key)))
    }
}

/// TLS settings of a server that has lost its certificate: every handshake ends in an alert.
///
/// # Errors
/// Where rustls cannot be set up.
pub fn without_certificate() -> Result<Arc<ServerConfig>, LabError> {
    #[derive(Debug)]
    struct NoCertificate;
    impl rustls::server::ResolvesServerCert for NoCertificate {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(NoCertificate));
    Ok(Arc::new(config))
}
