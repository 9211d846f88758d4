//! Credentials: found where OpenStack's own tools find them, and mended where users get them wrong. Reads files, asks nobody.
//!
//! <https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html> has the rules for `clouds.yaml` and `OS_*`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::places::Places;
use super::settings::{Settings, Site};
use super::trust::{self, Trusted};
use crate::cloud::CloudError;
use crate::secret::Secret;
use crate::yaml::{self, Position};

/// What it takes to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The identity service, with its version.
    pub auth_url: String,
    /// The region, as far as the user says.
    pub region: Option<String>,
    /// The body of the call that asks for a token.
    pub request: Secret,
    /// Whether it is an application credential: then it names the project.
    pub application_credential: bool,
    /// Where it was found, in words.
    pub origin: String,
    /// The only certificates that may vouch for the site; `None`: those of this box.
    pub trusted: Option<Trusted>,
}

/// What to click for, where nothing was found.
const CURE: &str = "in the site's web interface under Identity → Application Credentials make one with the roles `reader` and \
     `member` and with `Unrestricted` checked, download its clouds.yaml, and put it into ~/.config/openstack";

/// The kinds of authentication that are known here, by the names that OpenStack's own tools have for them (keystoneauth's
/// `keystoneauth1.plugin`).
const OURS: [&str; 6] = [
    "password",
    "v3password",
    "token",
    "v3token",
    "v3applicationcredential",
    "application_credential",
];

/// What kinds have in common that are not known here.
fn elsewhere(kind: &str) -> &'static str {
    let begins = |heads: &[&str]| heads.iter().any(|head| kind.starts_with(head));
    if begins(&[
        "v3oidc",
        "v3saml",
        "v3adfs",
        "v3kerberos",
        "v3fedkerb",
        "v3websso",
    ]) {
        " (the password, or the browser, is for another service that vouches for you; Chameleon's `cc-login` and its CLI password \
         are such)"
    } else if begins(&["v2"]) {
        " (it is of a version of Keystone that no site has any more)"
    } else {
        ""
    }
}

/// Finds the credentials.
pub fn find(places: &Places, settings: &Settings) -> Result<Login, CloudError> {
    // What is said for this run goes before what is written down.
    let named = places.variable("OS_CLOUD").or(settings.cloud.as_deref());
    let variables = variables(places);
    let usable = variables.keys().any(|key| {
        matches!(
            key.as_str(),
            "application_credential_secret" | "password" | "token"
        )
    });
    if named.is_none() && usable {
        let region = places.variable("OS_REGION_NAME").map(Into::into);
        let kind = places.variable("OS_AUTH_TYPE");
        let origin = "the OS_* variables".to_owned();
        let trusted = trust::find(places, &Value::Null, &origin)?;
        let login = login(&variables, kind, region, settings, origin)?;
        return Ok(Login { trusted, ..login });
    }
    let (path, text) = file(places)?;
    let shown = path.display().to_string();
    let wrong = |why: String| CloudError::Refused(format!("{shown}: {why}"));
    let read = yaml::read(&text);
    if let Some(fault) = read.faults.first() {
        let Position { line, column } = fault.position;
        let hint = fault.hint.iter().map(|hint| format!("; {hint}"));
        let hint: String = hint.collect();
        let why = format!("{shown}:{line}:{column}: {}{hint}", fault.message);
        return Err(CloudError::Refused(why));
    }
    let all = read.root.map_or(Value::Null, |root| root.to_json());
    let clouds = all
        .get("clouds")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("has no `clouds`".into()))?;
    let names: Vec<&str> = clouds.keys().map(String::as_str).collect();
    let name = match (named, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) if clouds.contains_key("openstack") => "openstack",
        (None, _) => {
            return Err(wrong(format!(
                "has several clouds: say which with OS_CLOUD or `cloud`: {}",
                names.join(", ")
            )));
        }
    };
    let entry = clouds.get(name).ok_or_else(|| {
        wrong(format!(
            "there is no cloud `{name}`; there are {}",
            names.join(", ")
        ))
    })?;
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in entry
        .get("auth")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        fields.insert(key.clone(), text);
    }
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let region = text("region_name").map(Into::into);
    let origin = format!("`{name}` of {shown}");
    let trusted = trust::find(places, entry, &origin)?;
    let login = login(&fields, text("auth_type"), region, settings, origin)?;
    Ok(Login { trusted, ..login })
}

fn file(places: &Places) -> Result<(PathBuf, String), CloudError> {
    let named = places.variable("OS_CLIENT_CONFIG_FILE").map(PathBuf::from);
    let usual = places
        .directories
        .iter()
        .flat_map(|directory| ["clouds.yaml", "clouds.yml"].map(|name: &str| directory.join(name)));
    let path = named.clone().or_else(|| {
        let mut usual = usual;
        usual.find(|path| path.is_file())
    });
    let Some(path) = path else {
        let looked: Vec<String> = places
            .directories
            .iter()
            .map(|directory| directory.join("clouds.yaml").display().to_string())
            .collect();
        return Err(CloudError::Refused(format!(
            "there are no credentials for Chameleon: no OS_* variables, and no {}: {CURE}",
            looked.join(", ")
        )));
    };
    let text = std::fs::read_to_string(&path).map_err(|source| CloudError::File {
        what: "cannot read the credentials".into(),
        path: path.display().to_string(),
        source,
    })?;
    Ok((path, text))
}

fn login(
    fields: &BTreeMap<String, String>,
    kind: Option<&str>,
    region: Option<String>,
    settings: &Settings,
    origin: String,
) -> Result<Login, CloudError> {
    if let Some(kind) = kind.filter(|kind| !OURS.contains(kind)) {
        return Err(CloudError::Refused(format!(
            "{origin} has the authentication `{kind}`, of which this program knows nothing{}: {CURE}",
            elsewhere(kind)
        )));
    }
    let field = |key: &str| fields.get(key).map(String::as_str);
    let need = |key: &str| {
        field(key).ok_or_else(|| CloudError::Refused(format!("{origin} has no `{key}`: {CURE}")))
    };
    let site = settings.site.unwrap_or(Site::KvmTacc);
    let auth_url = with_version(field("auth_url").unwrap_or(site.auth_url()));
    let user_domain = json!(named(
        field("user_domain_id"),
        field("user_domain_name"),
        "default"
    ));
    let user = match (field("user_id"), field("username")) {
        (Some(id), _) => json!({"id": id}),
        (None, Some(name)) => json!({"name": name, "domain": user_domain}),
        (None, None) => Value::Null,
    };
    let application_credential = kind
        .map_or(field("application_credential_secret").is_some(), |kind| {
            kind.contains("applicationcredential")
        });
    let (identity, scope) = if application_credential {
        let secret = need("application_credential_secret")?;
        let mut credential = match field("application_credential_id") {
            Some(id) => json!({"id": id}),
            None => json!({"name": need("application_credential_name")?, "user": user}),
        };
        credential["secret"] = json!(secret);
        // It is for one project: naming that again is refused.
        (
            json!({"methods": ["application_credential"], "application_credential": credential}),
            Value::Null,
        )
    } else if let Some(token) = field("token") {
        (
            json!({"methods": ["token"], "token": {"id": token}}),
            scope(fields),
        )
    } else {
        let mut user = user;
        if user.is_null() {
            need("username")?;
        }
        user["password"] = json!(need("password")?);
        (
            json!({"methods": ["password"], "password": {"user": user}}),
            scope(fields),
        )
    };
    let mut auth = json!({"identity": identity});
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    Ok(Login {
        auth_url,
        region: settings.site.map(|site| site.name().to_owned()).or(region),
        request: Secret::new(json!({"auth": auth}).to_string()),
        application_credential,
        origin,
        trusted: None,
    })
}

fn named(id: Option<&str>, name: Option<&str>, otherwise: &str) -> Value {
    match (id, name) {
        (Some(id), _) => json!({"id": id}),
        (None, Some(name)) => json!({"name": name}),
        (None, None) => json!({"id": otherwise}),
    }
}

fn scope(fields: &BTreeMap<String, String>) -> Value {
    let field = |key: &str| fields.get(key).map(String::as_str);
    let domain = named(
        field("project_domain_id"),
        field("project_domain_name"),
        "default",
    );
    match (field("project_id"), field("project_name")) {
        (Some(id), _) => json!({"project": {"id": id}}),
        (None, Some(name)) => json!({"project": {"name": name, "domain": domain}}),
        (None, None) => Value::Null,
    }
}

/// The identity service's address with its version, which people leave away or copy with too much behind it.
fn with_version(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix("/auth/tokens").unwrap_or(url);
    let url = url.strip_suffix("/v2.0").unwrap_or(url);
    if url.ends_with("/v3") {
        url.into()
    } else {
        format!("{url}/v3")
    }
}

/// The variables as the keys of a `clouds.yaml`'s `auth`.
fn variables(places: &Places) -> BTreeMap<String, String> {
    places
        .variables
        .keys()
        .filter_map(|name| {
            let key = name.strip_prefix("OS_")?.to_ascii_lowercase();
            Some((key, places.variable(name)?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_get_their_version() {
        for url in [
            "https://a:5000",
            "https://a:5000/",
            "https://a:5000/v3/",
            "https://a:5000/v2.0",
            " https://a:5000/v3/auth/tokens",
        ] {
            assert_eq!(super::with_version(url), "https://a:5000/v3");
        }
    }
}
