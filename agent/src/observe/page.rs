//! Several registries on one page: the figures of one name stand together, as `OpenMetrics` wants them.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The last line of a page.
const END: &str = "# EOF\n";

/// Writes all figures of some registries that have the same names.
pub(super) fn page(registries: &[Registry]) -> Result<String, fmt::Error> {
    let mut pages = Vec::new();
    for registry in registries {
        let mut text = String::new();
        encode(&mut text, registry)?;
        pages.push(text);
    }
    let [_, _, ..] = &pages[..] else {
        return Ok(pages.pop().unwrap_or_else(|| END.to_owned()));
    };
    let mut families: Vec<(String, String)> = Vec::new();
    for text in &pages {
        let mut present = 0;
        for line in text.lines().filter(|line| *line != END.trim_end()) {
            let head = line.strip_prefix("# ");
            if let Some(name) = head.and_then(|head| head.split(' ').nth(1)) {
                let known = families.iter().position(|(known, _)| known == name);
                // What a family is, is said once.
                let is_said = known.is_some_and(|known| families[known].1.contains(line));
                present = known.unwrap_or_else(|| {
                    families.push((name.to_owned(), String::new()));
                    families.len() - 1
                });
                if is_said {
                    continue;
                }
            }
            if let Some((_, lines)) = families.get_mut(present) {
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    let mut text: String = families.into_iter().map(|(_, lines)| lines).collect();
    text.push_str(END);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn figures_of_a_name_stand_together_whatever_sink_they_are_of() {
        let registry = |sink: Option<&'static str>, number| {
            let label = sink.map(|name| ("sink".into(), name.into()));
            let mut registry = Registry::with_prefix_and_labels("consumer", label.into_iter());
            for name in ["a", "b"] {
                let counter: Counter = Counter::default();
                counter.inc_by(number);
                registry.register(name, "Help", counter);
            }
            registry
        };
        let alone = page(&[registry(None, 1)]).expect("is written");
        let both = page(&[registry(None, 1), registry(Some("x"), 2)]).expect("is written");
        let of = |name: &str, more: &str| {
            format!(
                "# HELP consumer_{name} Help.\n# TYPE consumer_{name} counter\nconsumer_{name}_total 1\n{more}"
            )
        };
        assert_eq!(alone, of("a", "") + &of("b", "") + END);
        let x = |name: &str| format!("consumer_{name}_total{{sink=\"x\"}} 2\n");
        assert_eq!(both, of("a", &x("a")) + &of("b", &x("b")) + END);
    }
}
