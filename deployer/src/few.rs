//! Some of many names, for a line that is to be read.

/// `a, b and 3 more`: the first `shown`, and how many there are besides.
pub fn few<Name: AsRef<str>>(names: &[Name], shown: usize) -> String {
    let (first, more) = names.split_at(names.len().min(shown));
    let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match more.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn what_is_not_shown_is_counted() {
        let names = ["a", "b", "c", "d", "e"];
        assert_eq!(few(&names, 5), "a, b, c, d, e");
        assert_eq!(few(&names, 2), "a, b and 3 more");
        assert_eq!(few::<&str>(&[], 2), "");
    }
}
