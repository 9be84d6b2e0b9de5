//! JSON read with the order of its members, and written so that a person can read it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value whose objects keep their order, which `serde_json::Value` does not.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

static NONE: Node = Node::Leaf(Value::Null);

impl Node {
    /// A member, or null.
    pub(super) fn get(&self, name: &str) -> &Self {
        self.members().iter().find(|(key, _)| key == name).map_or(&NONE, |(_, node)| node)
    }

    /// The members in their order.
    pub(super) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Map(members) => members,
            Self::Leaf(_) | Self::List(_) => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Leaf(_) | Self::Map(_) => &[],
        }
    }

    /// A string, or an empty one.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Leaf(value) => value.as_str().unwrap_or_default(),
            Self::List(_) | Self::Map(_) => "",
        }
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self, Self::Leaf(Value::Bool(true)))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(Value::Null))
    }

    /// What a `$ref` points to within `self`.
    pub(super) fn pointed(&self, reference: &str) -> &Self {
        reference.trim_start_matches("#/").split('/').fold(self, |node, name| node.get(name))
    }

    /// As JSON on several lines, members by the rank of their names.
    pub(super) fn pretty(&self, rank: &dyn Fn(&str) -> usize) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, rank);
        out
    }

    fn write(&self, out: &mut String, depth: usize, rank: &dyn Fn(&str) -> usize) {
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        };
        match self {
            Self::Leaf(value) => out.push_str(&value.to_string()),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::Map(members) if members.is_empty() => out.push_str("{}"),
            Self::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    line(out, depth + 1);
                    item.write(out, depth + 1, rank);
                }
                line(out, depth);
                out.push(']');
            }
            Self::Map(members) => {
                let mut sorted: Vec<&(String, Self)> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| rank(name));
                out.push('{');
                for (number, (name, node)) in sorted.into_iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    line(out, depth + 1);
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(": ");
                    node.write(out, depth + 1, rank);
                }
                line(out, depth);
                out.push('}');
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Map(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_or_given() {
        let node: Node =
            serde_json::from_str(r##"{"z":1,"a":{"b":[true,null,0.0004,"x"]},"e":[],"f":{}}"##).unwrap();
        let names: Vec<&str> = node.members().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "a", "e", "f"]);
        assert_eq!(node.pointed("#/a/b").items().len(), 4);
        let by_name = |name: &str| name.bytes().map(usize::from).sum::<usize>();
        assert_eq!(
            node.pretty(&by_name),
            "{\n  \"a\": {\n    \"b\": [\n      true,\n      null,\n      0.0004,\n      \"x\"\n    ]\n  },\n  \"e\": [],\n  \"f\": {},\n  \"z\": 1\n}"
        );
    }
}
