//! What is looked for in the short answers of services that speak XML.

/// The text of the first element of this name, where it has one.
pub fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim()).filter(|inner| !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn an_element_is_found_by_its_name_and_an_empty_one_is_none() {
        let text =
            "<Error><Code>NoSuchEntity</Code><Message>\n x y </Message><Roles></Roles></Error>";
        assert_eq!(element(text, "Code"), Some("NoSuchEntity"));
        assert_eq!(element(text, "Message"), Some("x y"));
        assert_eq!(element(text, "Roles"), None);
        assert_eq!(element(text, "Region"), None);
    }
}
