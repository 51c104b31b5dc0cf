//! What stands behind the `?` of an admin path: each name once, and none that means nothing.

use percent_encoding::percent_decode_str;

/// The values of `names`, in their order; `None` for those that are left out or empty.
///
/// # Errors
/// One line that says which part cannot be read, and which names there are.
pub(crate) fn read<const N: usize>(
    query: Option<&str>,
    names: [&str; N],
) -> Result<[Option<String>; N], String> {
    let mut values = [const { None }; N];
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let known = names.iter().zip(&mut values).find(|(known, _)| **known == name);
        let Some((_, place)) = known else {
            return Err(format!("unknown parameter; there are {}", names.join(", ")));
        };
        let decoded = percent_decode_str(value).decode_utf8();
        let Ok(decoded) = decoded else { return Err(format!("{name}: not UTF-8")) };
        if place.is_some() {
            return Err(format!("{name}: given twice"));
        }
        *place = (!decoded.is_empty()).then(|| decoded.into_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_value_once() {
        let read = |query| read(Some(query), ["a", "b"]);
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(read("b=1&a=x%2Fy%20z"), Ok([value("x/y z"), value("1")]));
        assert_eq!(read("&a=&"), Ok([None, None]));
        for (query, wrong) in [
            ("c=1", "unknown parameter; there are a, b"),
            ("a=1&a=2", "a: given twice"),
            ("b=%ff", "b: not UTF-8"),
        ] {
            assert_eq!(read(query), Err(wrong.to_owned()), "{query}");
        }
    }
}
