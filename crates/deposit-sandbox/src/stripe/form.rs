//! Form bodies and queries with brackets: dossier section 1.2. Read strictly: what nobody asked for is an error.

use super::error::{Outcome, Refusal};

/// A decoded pair.
pub(super) type Pair = (String, String);

#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Map(Vec<(String, Node)>),
}

/// The parameters of an object, taken out one by one; [`Params::finish`] refuses what is left.
#[derive(Debug, Clone)]
pub(super) struct Params {
    path: String,
    members: Vec<(String, Node)>,
}

/// Decodes `application/x-www-form-urlencoded`; brackets may come raw or encoded.
pub(super) fn pairs(text: &[u8]) -> Vec<Pair> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// `a[b][0]` in its parts; `None` where brackets do not match.
fn keys(name: &str) -> Option<Vec<&str>> {
    let (first, rest) = match name.split_once('[') {
        None => return (!name.is_empty() && !name.contains(']')).then(|| vec![name]),
        Some((first, rest)) => (first, rest.strip_suffix(']')?),
    };
    let mut keys = vec![first];
    keys.extend(rest.split("]["));
    let clean = keys.iter().all(|key| !key.contains(['[', ']']));
    (clean && !first.is_empty()).then_some(keys)
}

fn insert(members: &mut Vec<(String, Node)>, keys: &[&str], value: &str) -> Option<()> {
    let (first, rest) = keys.split_first()?;
    // `list[]=v` appends.
    let name = if first.is_empty() { members.len().to_string() } else { (*first).to_owned() };
    let at = members.iter().position(|(known, _)| *known == name);
    if rest.is_empty() {
        match at.and_then(|at| members.get_mut(at)) {
            Some((_, Node::Map(_))) => return None,
            Some((_, node)) => *node = Node::Text(value.to_owned()),
            None => members.push((name, Node::Text(value.to_owned()))),
        }
        return Some(());
    }
    let at = at.unwrap_or_else(|| {
        members.push((name, Node::Map(Vec::new())));
        members.len().saturating_sub(1)
    });
    match members.get_mut(at)? {
        (_, Node::Map(inner)) => insert(inner, rest, value),
        (_, Node::Text(_)) => None,
    }
}

impl Params {
    pub(super) fn read(pairs: &[Pair]) -> Outcome<Self> {
        let mut members = Vec::new();
        for (name, value) in pairs {
            let inserted = keys(name).and_then(|keys| insert(&mut members, &keys, value));
            inserted.ok_or_else(|| Refusal::invalid(format!("Invalid parameter name: {name}")))?;
        }
        Ok(Self { path: String::new(), members })
    }

    /// A member's name in bracket form.
    pub(super) fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.path) }
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.remove(at).1)
    }

    pub(super) fn text(&mut self, name: &str) -> Outcome<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Map(_)) => Err(Refusal::value(&self.name(name), "Invalid string: {…}")),
        }
    }

    /// A text that may not be empty.
    pub(super) fn word(&mut self, name: &str) -> Outcome<Option<String>> {
        let text = self.text(name)?;
        if text.as_deref() == Some("") {
            let message = format!(
                "You passed an empty string for '{}'. We assume empty values are an attempt to unset a parameter.",
                self.name(name)
            );
            return Err(Refusal::parameter("parameter_invalid_empty", &self.name(name), message));
        }
        Ok(text)
    }

    pub(super) fn required(&mut self, name: &str) -> Outcome<String> {
        self.word(name)?.ok_or_else(|| Refusal::missing(&self.name(name)))
    }

    pub(super) fn one_of(&mut self, name: &str, words: &[&str]) -> Outcome<Option<String>> {
        let word = self.word(name)?;
        match &word {
            Some(word) if !words.contains(&word.as_str()) => {
                let message = format!("Invalid {}: must be one of {}", self.name(name), words.join(", "));
                Err(Refusal::value(&self.name(name), message))
            }
            _ => Ok(word),
        }
    }

    pub(super) fn limited(&mut self, name: &str, longest: usize) -> Outcome<Option<String>> {
        let text = self.word(name)?;
        if text.as_ref().is_some_and(|text| text.chars().count() > longest) {
            let message = format!("Invalid string: must be at most {longest} characters");
            return Err(Refusal::value(&self.name(name), message));
        }
        Ok(text)
    }

    /// Decimal digits, and a minus sign before them.
    pub(super) fn whole(&mut self, name: &str) -> Outcome<Option<i64>> {
        let Some(text) = self.word(name)? else { return Ok(None) };
        let plain = !text.starts_with('+');
        text.parse().ok().filter(|_| plain).map(Some).ok_or_else(|| {
            let message = format!("Invalid integer: {text}");
            Refusal::parameter("parameter_invalid_integer", &self.name(name), message)
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Outcome<Option<bool>> {
        match self.word(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::value(&self.name(name), format!("Invalid boolean: {other}"))),
        }
    }

    pub(super) fn map(&mut self, name: &str) -> Outcome<Option<Self>> {
        let path = self.name(name);
        match self.take(name) {
            None => Ok(None),
            Some(Node::Map(members)) => Ok(Some(Self { path, members })),
            Some(Node::Text(_)) => Err(Refusal::value(&path, "Invalid object")),
        }
    }

    /// The objects of an array, in the order of their indices.
    pub(super) fn objects(&mut self, name: &str) -> Outcome<Option<Vec<Self>>> {
        let Some(list) = self.map(name)? else { return Ok(None) };
        let mut items = Vec::new();
        for (at, (index, node)) in list.members.into_iter().enumerate() {
            let path = format!("{}[{index}]", list.path);
            match node {
                Node::Map(members) if index == at.to_string() => items.push(Self { path, members }),
                Node::Map(_) | Node::Text(_) => return Err(Refusal::value(&list.path, "Invalid array")),
            }
        }
        Ok(Some(items))
    }

    /// The texts of an array.
    pub(super) fn texts(&mut self, name: &str) -> Outcome<Option<Vec<String>>> {
        let Some(list) = self.map(name)? else { return Ok(None) };
        let mut items = Vec::new();
        for (at, (index, node)) in list.members.into_iter().enumerate() {
            match node {
                Node::Text(text) if index == at.to_string() => items.push(text),
                Node::Map(_) | Node::Text(_) => return Err(Refusal::value(&list.path, "Invalid array")),
            }
        }
        Ok(Some(items))
    }

    /// `metadata`: at most 50 keys of 40 characters with values of 500; an empty value unsets.
    pub(super) fn metadata(&mut self) -> Outcome<Vec<Pair>> {
        let Some(map) = self.map("metadata")? else { return Ok(Vec::new()) };
        let mut pairs = Vec::new();
        for (key, node) in map.members {
            let param = format!("{}[{key}]", map.path);
            let Node::Text(value) = node else { return Err(Refusal::value(&param, "Invalid string")) };
            if key.chars().count() > 40 || value.chars().count() > 500 {
                return Err(Refusal::value(
                    &param,
                    "Metadata keys have up to 40 characters, values up to 500",
                ));
            }
            if !value.is_empty() {
                pairs.push((key, value));
            }
        }
        if pairs.len() > 50 {
            return Err(Refusal::value(&map.path, "Metadata has up to 50 keys"));
        }
        Ok(pairs)
    }

    pub(super) fn finish(self) -> Outcome<()> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::unknown(&self.name(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::read(&pairs(text.as_bytes())).unwrap()
    }

    #[test]
    fn brackets_raw_and_encoded_are_the_same() {
        for text in [
            "items[0][price][amount]=2500&items[0][n]=1&list[]=a&list[]=b",
            "items%5B0%5D%5Bprice%5D%5Bamount%5D=2500&items%5B0%5D%5Bn%5D=1&list%5B0%5D=a&list%5B1%5D=b",
        ] {
            let mut read = params(text);
            let mut item = read.objects("items").unwrap().unwrap().remove(0);
            let mut price = item.map("price").unwrap().unwrap();
            assert_eq!(price.name("amount"), "items[0][price][amount]");
            assert_eq!(price.whole("amount").unwrap(), Some(2500));
            assert_eq!(item.whole("n").unwrap(), Some(1));
            assert_eq!(read.texts("list").unwrap().unwrap(), ["a", "b"]);
            price.finish().and(item.finish()).and(read.finish()).unwrap();
        }
    }

    #[test]
    fn what_nobody_asked_for_is_named() {
        let mut read = params("a[b]=1&a[c]=2");
        let mut inner = read.map("a").unwrap().unwrap();
        inner.text("b").unwrap();
        let refusal = inner.finish().unwrap_err();
        assert!(refusal.body().compact().contains(r#""code":"parameter_unknown","param":"a[c]""#));
    }

    #[test]
    fn wrong_forms_are_refused() {
        for bad in ["a[=1", "a]=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=1&a=2"] {
            assert!(Params::read(&pairs(bad.as_bytes())).is_err(), "{bad}");
        }
        for bad in ["25.00", "1e3", "+5", "abc", "0x10", " 5"] {
            let text = format!("n={}", bad.replace('+', "%2B").replace(' ', "%20"));
            assert!(params(&text).whole("n").is_err(), "{bad}");
        }
        assert!(params("n=").whole("n").is_err());
        assert!(params("f=yes").flag("f").is_err());
        assert!(params("l[1]=a").texts("l").is_err());
        assert!(params("l=a").texts("l").is_err());
    }
}
