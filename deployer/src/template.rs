//! Templates: all of them are in the binary. What is not defined is an error, and nothing is escaped that a template
//! does not ask for.

use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult};

/// Why a template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("template {name}")]
pub struct TemplateError {
    /// The template's name below `templates/`.
    pub name: String,
    /// What Tera says.
    #[source]
    pub source: tera::Error,
}

/// Name → text: all that is in `templates/`, see `build.rs`.
const TEMPLATES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// What every unit of ours is closed in by, for those that no template makes.
pub const SANDBOX: &str = include_str!("../../templates/sandbox.tera");

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_filter("quote", quote);
    tera.register_filter("line", line);
    tera.register_filter("property", property);
    tera.add_raw_templates(TEMPLATES.iter().copied())
        .expect("the embedded templates parse; a test loads them");
    tera
});

/// Renders the template `templates/<name>.tera`. Beside the fields of `context` it may use `rendered`, the sentence that
/// the first line of every file holds.
pub fn render(name: &str, context: &impl Serialize) -> Result<String, TemplateError> {
    let error = |source| TemplateError {
        name: name.to_owned(),
        source,
    };
    let mut values = Context::from_serialize(context).map_err(error)?;
    values.insert("rendered", &rendered(name));
    TERA.render(name, &values).map_err(error)
}

/// Renders a template that needs nothing.
pub fn fixed(name: &str) -> Result<String, TemplateError> {
    #[derive(Serialize)]
    struct Nothing {}
    render(name, &Nothing {})
}

/// The sentence that names what rendered a file.
fn rendered(name: &str) -> String {
    format!("Rendered by deployer from templates/{name}.tera; changes by hand are drift.")
}

/// A text as a string of JSON, which is one of TOML too.
fn quote(text: &str, _: Kwargs, _: &State) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text that must not begin another line of a file whose format is made of lines.
fn line(text: &str, _: Kwargs, _: &State) -> TeraResult<String> {
    if text.chars().any(char::is_control) {
        return Err(tera::Error::message(format!(
            "{text:?} holds a control character"
        )));
    }
    Ok(text.to_owned())
}

/// A value of a file that Java reads as properties: in Latin-1, without spaces in front, and with `\\` for what is special.
fn property(text: &str, arguments: Kwargs, state: &State) -> TeraResult<String> {
    let text = line(text, arguments, state)?;
    let mut escaped = String::new();
    for one in text.encode_utf16() {
        match char::from_u32(u32::from(one)) {
            Some('\\') => escaped.push_str("\\\\"),
            Some(' ') if escaped.chars().all(|one| matches!(one, '\\' | ' ')) => {
                escaped.push_str("\\ ");
            }
            Some(plain) if plain.is_ascii() => escaped.push(plain),
            _ => escaped.extend(format!("\\u{one:04x}").chars()),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{TEMPLATES, TERA, render};

    #[test]
    fn every_template_is_loaded() {
        assert_eq!(TERA.get_template_names().count(), TEMPLATES.len());
    }

    #[test]
    fn what_is_not_defined_is_an_error() {
        let error =
            render("zookeeper/zoo.cfg", &BTreeMap::from([("port", 2181)])).expect_err("no data");
        assert_eq!(error.to_string(), "template zookeeper/zoo.cfg");
        assert!(
            error.source.to_string().contains("data"),
            "{}",
            error.source
        );
    }

    #[test]
    fn nothing_is_escaped_and_strings_are_quoted_where_asked() {
        #[derive(serde::Serialize)]
        struct Producer {
            client: &'static str,
            bootstrap: &'static str,
            topic: &'static str,
            source: Option<()>,
            state: &'static str,
        }
        let text = render(
            "agent/producer.toml",
            &Producer {
                client: "a\"b\\c<&>\n",
                bootstrap: "b",
                topic: "t",
                source: None,
                state: "/s",
            },
        )
        .expect("rendered");
        assert!(text.contains(r#"client = "a\"b\\c<&>\n""#), "{text}");
    }
}
