//! Templates: all of them are in the binary.

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
