//! The deployment's own certificate authority: what it signs is how services of its members are known. Keys are of the curve P-256
//! and certificates are PEM, which Java, Erlang, OpenSSL and Go all read.
//!
//! Each service has a key of its own, also where several are on one node: a service that is broken into gives away no other's key. All
//! keys are made on this box and kept with the secrets; the authority's own never leaves it.

use std::collections::BTreeMap;

use jiff::{Span, Timestamp};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

use crate::receipt::Secrets;
use crate::secret::Secret;

/// The place of the authority's own among the secrets.
const AUTHORITY: &str = "authority";
const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";
/// What the deployer itself shows, when it asks brokers.
const OPERATOR: &str = "deployer";
/// The place of the services' certificates among the secrets.
pub const SERVICES: &str = "certificates";
/// Where the authority's own key is among the secrets.
pub const KEY_PLACE: (&str, &str) = (AUTHORITY, KEY);
/// Where the deployer's own key and certificate are.
pub const OPERATOR_PLACE: (&str, &str) = (AUTHORITY, OPERATOR);

/// How long the authority is good for.
const AUTHORITY_YEARS: i16 = 10;
/// How long a certificate is good for.
const YEARS: i16 = 2;
/// A third of that: with fewer days left it is made anew.
const LAST_DAYS: i32 = 365 * YEARS as i32 / 3;

/// The subject of the certificate that the deployer itself shows. No component has this name.
pub const OPERATOR_NAME: &str = OPERATOR;

/// A service that shows a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The certificate's subject: its component, so that all nodes of a cluster are one to each other.
    pub component: &'static str,
    /// The names and addresses by which clients ask for it.
    pub names: Vec<String>,
}

/// The services of a deployment that show certificates, by node and component.
pub type Services = BTreeMap<String, Service>;

/// The place of a service's certificate.
pub fn place(node: &str, component: &str) -> String {
    format!("{node}/{component}")
}

/// Says why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of {of} cannot be made")]
pub struct AuthorityError {
    of: String,
    source: rcgen::Error,
}

/// The authority's certificate, by which clients know the services.
pub fn certificate(secrets: &Secrets) -> &str {
    secrets.get(AUTHORITY, CERTIFICATE)
}

/// A service's key and certificate.
pub fn of_service<'a>(secrets: &'a Secrets, node: &str, component: &str) -> &'a str {
    secrets.get(SERVICES, &place(node, component))
}

/// The key, and the certificate, that the deployer itself shows.
pub fn of_operator(secrets: &Secrets) -> (&str, &str) {
    let both = secrets.get(AUTHORITY, OPERATOR);
    let begin = both.find("-----BEGIN CERTIFICATE").unwrap_or(both.len());
    both.split_at(begin)
}

/// Lets go of the authority, and of all that it has signed: the next is another one.
pub fn forget(secrets: &mut Secrets) {
    secrets.forget(AUTHORITY, |_| true);
    secrets.forget(SERVICES, |_| true);
}

/// The same secrets without what is to be made anew: so a plan shows that it will be.
pub fn without_due(secrets: &Secrets, now: Timestamp) -> Secrets {
    let mut good = secrets.clone();
    let lost = good.known(AUTHORITY, KEY).is_none()
        || is_due(
            good.known(AUTHORITY, CERTIFICATE),
            365 * i32::from(YEARS),
            now,
        );
    if lost {
        forget(&mut good);
    }
    let due: Vec<(String, String)> = good
        .all()
        .filter(|(of, key, _)| *of == SERVICES || (*of == AUTHORITY && *key == OPERATOR))
        .filter(|(.., pem)| is_due(Some(pem), LAST_DAYS, now))
        .map(|(of, key, _)| (of.to_owned(), key.to_owned()))
        .collect();
    for (of, key) in due {
        good.forget(&of, |one| one == key);
    }
    good
}

/// Whether a certificate cannot be read, or has no more than so many days left.
fn is_due(pem: Option<&Secret>, days: i32, now: Timestamp) -> bool {
    let left = || {
        let certificate = X509::from_pem(pem?.expose().as_bytes()).ok()?;
        let now = Asn1Time::from_unix(now.as_second()).ok()?;
        Some(now.diff(certificate.not_after()).ok()?.days)
    };
    left().is_none_or(|left| left <= days)
}

/// Makes the authority where there is none, and the certificates that are missing or due; those of services that are gone go.
///
/// # Errors
/// When a name is none.
pub fn complete(
    secrets: &Secrets,
    deployment: &str,
    services: &Services,
    now: Timestamp,
) -> Result<Secrets, AuthorityError> {
    let mut secrets = without_due(secrets, now);
    secrets.forget(SERVICES, |one| !services.contains_key(one));
    let failed = |of: &str| {
        let of = of.to_owned();
        move |source| AuthorityError { of, source }
    };
    let params = authority(deployment, now);
    let key = match secrets.known(AUTHORITY, KEY) {
        Some(key) => KeyPair::from_pem(key.expose()),
        None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
    };
    let key = key.map_err(failed("the authority"))?;
    if secrets.known(AUTHORITY, CERTIFICATE).is_none() {
        let certificate = params.self_signed(&key).map_err(failed("the authority"))?;
        secrets.set(AUTHORITY, KEY, Secret::new(key.serialize_pem()));
        secrets.set(AUTHORITY, CERTIFICATE, Secret::new(certificate.pem()));
    }
    let issuer = Issuer::new(params, key);
    if secrets.known(AUTHORITY, OPERATOR).is_none() {
        let issued = issue(&issuer, OPERATOR_NAME, &[], now).map_err(failed("the deployer"))?;
        secrets.set(AUTHORITY, OPERATOR, issued);
    }
    for (place, service) in services {
        if secrets.known(SERVICES, place).is_none() {
            let issued = issue(&issuer, service.component, &service.names, now);
            secrets.set(SERVICES, place, issued.map_err(failed(place))?);
        }
    }
    Ok(secrets)
}

fn authority(deployment: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("deployer authority of {deployment}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, now, AUTHORITY_YEARS);
    params
}

/// A new key with a certificate: PKCS#8 first, then the certificate. Without names it is a client's.
fn issue(
    issuer: &Issuer<'_, KeyPair>,
    subject: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Secret, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = name(subject);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !names.is_empty() {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    lasting(&mut params, now, YEARS);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Secret::new(format!(
        "{}{}",
        key.serialize_pem(),
        certificate.pem()
    )))
}

fn name(common: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// From the day before, for clocks that are behind.
fn lasting(params: &mut CertificateParams, now: Timestamp, years: i16) {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(today.saturating_sub(Span::new().days(1)));
    params.not_after = day(today.saturating_add(Span::new().years(years)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{Timestamp, ToSpan as _};
    use openssl::x509::X509;
    use openssl::x509::store::X509StoreBuilder;
    use openssl::x509::verify::X509VerifyParam;
    use openssl::x509::{X509PurposeId, X509StoreContext};

    use super::{Service, Services, certificate, complete, of_operator, of_service, without_due};
    use crate::receipt::Secrets;

    fn now() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().expect("a time")
    }

    fn services() -> Services {
        let broker = |node: &str| Service {
            component: "broker",
            names: vec![format!("{node}.x.internal"), "127.0.0.1".into()],
        };
        BTreeMap::from([
            ("vm2/broker".to_owned(), broker("vm2")),
            ("vm3/broker".to_owned(), broker("vm3")),
        ])
    }

    fn made(at: Timestamp) -> Secrets {
        complete(&Secrets::default(), "x", &services(), at).expect("made")
    }

    /// Whether OpenSSL takes a certificate for a name, at a time.
    fn is_good(secrets: &Secrets, pem: &str, name: &str, at: Timestamp) -> bool {
        let authority = X509::from_pem(certificate(secrets).as_bytes()).expect("PEM");
        let mut store = X509StoreBuilder::new().expect("a store");
        store.add_cert(authority).expect("added");
        let mut param = X509VerifyParam::new().expect("parameters");
        param.set_time(at.as_second());
        if !name.is_empty() {
            param.set_host(name).expect("a name");
        }
        let purpose = if name.is_empty() {
            X509PurposeId::SSL_CLIENT
        } else {
            X509PurposeId::SSL_SERVER
        };
        param.set_purpose(purpose).expect("a purpose");
        store.set_param(&param).expect("set");
        let leaf = X509::from_pem(pem.as_bytes()).expect("PEM");
        let none = openssl::stack::Stack::new().expect("a stack");
        let mut context = X509StoreContext::new().expect("a context");
        context
            .init(&store.build(), &leaf, &none, |context| {
                context.verify_cert()
            })
            .expect("verified")
    }

    #[test]
    fn openssl_takes_what_it_signs_for_its_names_and_its_time_alone() {
        let secrets = made(now());
        let broker = of_service(&secrets, "vm2", "broker");
        assert!(broker.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
        let (before, after) = (now() - 36.hours(), now() + (24 * 731).hours());
        assert!(is_good(&secrets, broker, "vm2.x.internal", now()));
        assert!(is_good(
            &secrets,
            broker,
            "vm2.x.internal",
            now() - 12.hours()
        ));
        assert!(!is_good(&secrets, broker, "vm3.x.internal", now()));
        assert!(!is_good(
            &secrets,
            broker,
            "vm2.x.internal",
            before - 1.hour()
        ));
        assert!(!is_good(&secrets, broker, "vm2.x.internal", after));
        assert!(
            !is_good(&made(now()), broker, "vm2.x.internal", now()),
            "another authority"
        );
        assert!(is_good(&secrets, of_operator(&secrets).1, "", now()));
        assert!(!is_good(
            &secrets,
            of_operator(&secrets).1,
            "vm2.x.internal",
            now()
        ));
    }

    #[test]
    fn what_is_good_stays_and_what_is_due_is_made_anew_by_the_same_authority() {
        let secrets = made(now());
        let again = |at: Timestamp| complete(&secrets, "x", &services(), at).expect("made");
        assert_eq!(again(now() + (24 * 480).hours()), secrets);
        let renewed = again(now() + (24 * 490).hours());
        assert_eq!(certificate(&renewed), certificate(&secrets));
        for node in ["vm2", "vm3"] {
            let (old, new) = (
                of_service(&secrets, node, "broker"),
                of_service(&renewed, node, "broker"),
            );
            assert_ne!(old, new);
            let name = format!("{node}.x.internal");
            assert!(is_good(&secrets, new, &name, now() + (24 * 800).hours()));
        }
        let shown = without_due(&secrets, now() + (24 * 490).hours());
        assert_eq!(of_service(&shown, "vm2", "broker"), "made at the first up");
    }

    #[test]
    fn a_new_authority_signs_all_anew() {
        let mut secrets = made(now());
        secrets.forget("authority", |key| key == "key");
        let anew = complete(&secrets, "x", &services(), now()).expect("made");
        assert_ne!(certificate(&anew), certificate(&secrets));
        let broker = of_service(&anew, "vm2", "broker");
        assert!(is_good(&anew, broker, "vm2.x.internal", now()));
        // Near its own end it could sign nothing that lasts.
        let late = complete(&anew, "x", &services(), now() + (24 * 3000).hours());
        assert_ne!(certificate(&late.expect("made")), certificate(&anew));
    }

    #[test]
    fn services_that_are_gone_have_none() {
        let mut fewer = services();
        fewer.remove("vm3/broker");
        let secrets = complete(&made(now()), "x", &fewer, now()).expect("made");
        assert!(secrets.known("certificates", "vm3/broker").is_none());
        assert!(secrets.known("certificates", "vm2/broker").is_some());
    }
}
