//! Users, roles and instance profiles, as their owners make them.

use serde_json::json;

/// IAM of a moto.
pub(crate) struct Iam {
    port: u16,
    http: reqwest::Client,
}

impl Iam {
    pub(crate) fn new(port: u16) -> Self {
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            port,
            http: http.expect("client"),
        }
    }

    pub(crate) async fn call(&self, parameters: &[(&str, &str)]) -> String {
        let body: Vec<String> = parameters
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value)))
            .collect();
        let answer = self
            .http
            .post(format!("http://127.0.0.1:{}/", self.port))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=key/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none",
            )
            .body(format!("Version=2010-05-08&{}", body.join("&")))
            .send()
            .await
            .expect("moto answers");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        assert!(status.is_success(), "{text}");
        text
    }

    /// An instance profile with a role of the same name.
    pub(crate) async fn profile(&self, name: &str) {
        self.call(&[
            ("Action", "CreateRole"),
            ("RoleName", name),
            ("AssumeRolePolicyDocument", "{}"),
        ])
        .await;
        self.profile_without_role(name).await;
        self.call(&[
            ("Action", "AddRoleToInstanceProfile"),
            ("RoleName", name),
            ("InstanceProfileName", name),
        ])
        .await;
    }

    /// An instance profile that lets nobody in.
    pub(crate) async fn profile_without_role(&self, name: &str) {
        self.call(&[
            ("Action", "CreateInstanceProfile"),
            ("InstanceProfileName", name),
        ])
        .await;
    }

    /// From now on what is not allowed is refused.
    pub(crate) async fn enforce(&self) {
        let reset = format!("http://127.0.0.1:{}/moto-api/reset-auth", self.port);
        let sent = self.http.post(reset).body("0").send().await;
        sent.expect("reset");
    }

    /// A user with these actions; the access key.
    pub(crate) async fn user(&self, name: &str, actions: &[&str]) -> (String, String) {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
        });
        self.call(&[("Action", "CreateUser"), ("UserName", name)])
            .await;
        let document = document.to_string();
        let put = [
            ("Action", "PutUserPolicy"),
            ("UserName", name),
            ("PolicyName", "p"),
            ("PolicyDocument", &document),
        ];
        self.call(&put).await;
        let answer = self
            .call(&[("Action", "CreateAccessKey"), ("UserName", name)])
            .await;
        let inside = |tag: &str| {
            let start = answer.find(&format!("<{tag}>")).expect("tag") + tag.len() + 2;
            let end = answer[start..].find("</").expect("end") + start;
            answer[start..end].to_owned()
        };
        (inside("AccessKeyId"), inside("SecretAccessKey"))
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
