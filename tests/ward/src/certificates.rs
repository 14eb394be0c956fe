//! Certificates of a trial's own authority: a root, an intermediate, and the server's in every state of neglect.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::{
    WardError,
    daemon::{output_of, write},
    isolation::folder,
};

/// A day, for terms of validity.
const DAY: Duration = Duration::from_secs(86_400);

/// A key and the certificates a server shows with it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The private key, PEM.
    pub key: String,
    /// The chain as the server sends it, PEM, its own certificate first.
    pub chain: String,
}

impl Identity {
    /// The SHA-256 of the public key of a certificate of the chain, from 0, as TLSA records hold it (selector 1, matching type 1;
    /// RFC 6698 section 2.1), by OpenSSL.
    ///
    /// # Errors
    /// When there is no such certificate, or OpenSSL does not run.
    pub fn key_digest(&self, place: usize) -> Result<String, WardError> {
        let mark = "-----BEGIN CERTIFICATE-----";
        let certificate = self.chain.split(mark).nth(place + 1);
        let certificate =
            certificate.ok_or_else(|| WardError::Wrong(format!("the chain has no certificate {place}")))?;
        let file = folder()?.join("certificate.pem");
        write(&file, format!("{mark}{certificate}"))?;
        let pipe =
            "openssl x509 -noout -pubkey -in \"$1\" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r";
        let said = output_of(Command::new("sh").args(["-euc", pipe, "sh"]).arg(&file))?;
        Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

/// A root, which the program is told to trust, and an intermediate, which signs.
#[derive(Debug)]
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, whose certificates begin with `name`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn named(name: &str) -> Result<Self, WardError> {
        let root = CertifiedIssuer::self_signed(issuer(&format!("{name} Root"))?, KeyPair::generate()?)?;
        let intermediate =
            CertifiedIssuer::signed_by(issuer(&format!("{name} Intermediate"))?, KeyPair::generate()?, &root)?;
        Ok(Self { root, intermediate })
    }

    /// The root, PEM.
    #[must_use]
    pub fn root(&self) -> String {
        self.root.pem()
    }

    /// A whole and valid identity for `names`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn identity(&self, names: &[&str]) -> Result<Identity, WardError> {
        self.signed(&leaf(names)?, true)
    }

    /// Valid but for its term, which ended ten days ago.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn expired(&self, names: &[&str]) -> Result<Identity, WardError> {
        let mut params = leaf(names)?;
        params.not_before = (SystemTime::now() - 100 * DAY).into();
        params.not_after = (SystemTime::now() - 10 * DAY).into();
        self.signed(&params, true)
    }

    /// Valid, but the server forgets to send the intermediate.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn without_intermediate(&self, names: &[&str]) -> Result<Identity, WardError> {
        self.signed(&leaf(names)?, false)
    }

    /// Signed by nobody but itself.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn self_signed(names: &[&str]) -> Result<Identity, WardError> {
        let key = KeyPair::generate()?;
        let certificate = leaf(names)?.self_signed(&key)?;
        Ok(Identity { key: key.serialize_pem(), chain: certificate.pem() })
    }

    fn signed(&self, params: &CertificateParams, with_intermediate: bool) -> Result<Identity, WardError> {
        let key = KeyPair::generate()?;
        let mut chain = params.signed_by(&key, &self.intermediate)?.pem();
        if with_intermediate {
            chain.push_str(&self.intermediate.pem());
        }
        Ok(Identity { key: key.serialize_pem(), chain })
    }
}

fn issuer(name: &str) -> Result<CertificateParams, WardError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (SystemTime::now() - 400 * DAY).into();
    params.not_after = (SystemTime::now() + 3650 * DAY).into();
    Ok(params)
}

fn leaf(names: &[&str]) -> Result<CertificateParams, WardError> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (SystemTime::now() - 10 * DAY).into();
    params.not_after = (SystemTime::now() + 300 * DAY).into();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
