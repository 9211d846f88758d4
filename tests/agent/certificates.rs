//! An authority of a test alone, and the certificates it signs.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef};

pub struct Authority {
    directory: PathBuf,
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate, with the authority's after it, and its key.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority that keeps its files in a directory of its own.
    pub fn new(directory: &Path, name: &str) -> Self {
        let directory = directory.join(name);
        std::fs::create_dir(&directory).unwrap();
        let (key, subject) = (new_key(), subject(name));
        let basic = BasicConstraints::new().critical().ca().build().unwrap();
        let certificate = sign((&subject, &key), (&subject, &key), basic, [0, 1]);
        std::fs::write(directory.join("ca.pem"), certificate.to_pem().unwrap()).unwrap();
        Self {
            directory,
            certificate,
            key,
        }
    }

    /// The certificate that all others are checked by.
    pub fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Makes a certificate for whoever is at 127.0.0.1, good for a day from now.
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_for(name, "127.0.0.1", [0, 1])
    }

    /// Makes a certificate for whoever is at an address, good from one day to another, by their distance from now.
    pub fn issue_for(&self, name: &str, address: &str, days: [i64; 2]) -> Issued {
        let key = new_key();
        let mut builder = SubjectAlternativeName::new();
        let names = builder.ip(address);
        let issuer = self.certificate.subject_name();
        let names = names
            .build(
                &X509::builder()
                    .unwrap()
                    .x509v3_context(Some(&self.certificate), None),
            )
            .unwrap();
        let certificate = sign((&subject(name), &key), (issuer, &self.key), names, days);
        let file = |end: &str, parts: &[Vec<u8>]| {
            let path = self.directory.join(format!("{name}.{end}"));
            std::fs::write(&path, parts.concat()).unwrap();
            path
        };
        let chain = [&certificate, &self.certificate].map(|one| one.to_pem().unwrap());
        let issued = Issued {
            certificate: file("pem", &chain),
            key: file("key", &[key.private_key_to_pem_pkcs8().unwrap()]),
        };
        crate::lab::close_to_others(&issued.key);
        issued
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn subject(name: &str) -> X509Name {
    let mut builder = X509Name::builder().unwrap();
    builder.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    builder.build()
}

/// A name with its key.
type Named<'a> = (&'a X509NameRef, &'a PKey<Private>);

fn sign(
    (subject, key): Named<'_>,
    (issuer, issuer_key): Named<'_>,
    extension: X509Extension,
    [from, to]: [i64; 2],
) -> X509 {
    let in_days = |days: i64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap();
        Asn1Time::from_unix(seconds + days * 86_400).unwrap()
    };
    let mut builder = X509Builder::new().unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_not_before(&in_days(from)).unwrap();
    builder.set_not_after(&in_days(to)).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.append_extension(extension).unwrap();
    builder.sign(issuer_key, MessageDigest::sha256()).unwrap();
    builder.build()
}
