use std::collections::HashSet;

use deposit_core::Ticker;
use serde_json::Value;

use super::ordered::Node;
use super::*;

fn document() -> Value {
    serde_json::from_str(openapi()).unwrap()
}

/// Every object of the document, with where it is.
fn walk<'a>(node: &'a Value, at: String, visit: &mut dyn FnMut(&'a Value, &str)) {
    visit(node, &at);
    match node {
        Value::Object(members) => {
            members.iter().for_each(|(name, child)| walk(child, format!("{at}/{name}"), visit));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, child)| walk(child, format!("{at}/{number}"), visit));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            found.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    found
}

#[test]
fn the_document() {
    insta::assert_snapshot!("openapi", openapi());
}

#[test]
fn every_reference_and_every_link_leads_somewhere() {
    let document = document();
    let ids: Vec<&str> =
        operations(&document).iter().map(|(_, o)| o["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "operation ids are unique: {ids:?}");
    let (mut references, mut links) = (0, 0);
    walk(&document, String::new(), &mut |node, at| {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            references += 1;
            let target =
                reference.strip_prefix('#').unwrap_or_else(|| panic!("{at}: {reference} is elsewhere"));
            assert!(document.pointer(target).is_some(), "{at}: {reference}");
        }
        if let Some(id) = node.get("operationId").and_then(Value::as_str)
            && at.contains("/links/")
        {
            links += 1;
            assert!(ids.contains(&id), "{at}: {id}");
        }
    });
    assert!(references > 50 && links >= 2, "{references} {links}");
}

#[test]
fn every_type_is_used() {
    let text = openapi();
    for name in document()["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is nobody's type");
    }
    for name in document()["components"]["headers"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/headers/{name}\"")), "{name} is in no answer");
    }
}

#[test]
fn every_call_is_documented_whole() {
    let document = document();
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (call, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{call}");
        assert!(tags.contains(&&operation["tags"][0]), "{call}");
        let answers = operation["responses"].as_object().unwrap();
        let needs_key = call.contains(" /api/") && !call.contains("-price");
        assert_eq!(operation.get("security").is_some(), needs_key, "{call}");
        if needs_key {
            assert!(answers.contains_key("401"), "{call}");
        }
        for (status, answer) in answers {
            assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{call} {status}");
            assert!(answer["headers"].get("X-Request-ID").is_some(), "{call} {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{call}: {parameter}"
            );
        }
    }
}

/// Why `value` is not what `schema` says, if so. Stricter than JSON Schema where it counts: a member that is not documented is a fault.
fn fault(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let properties = members_of(document, schema);
    if let (Some(object), true) =
        (value.as_object(), !properties.is_empty() && schema["additionalProperties"].is_null())
        && let Some(unknown) = object.keys().find(|name| !properties.contains(name.as_str()))
    {
        return Some(format!("`{unknown}` is not documented"));
    }
    shape_fault(document, schema, value)
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn members_of<'a>(document: &'a Value, schema: &'a Value) -> HashSet<&'a str> {
    let schema = resolved(document, schema);
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let inherited =
        schema["allOf"].as_array().into_iter().flatten().flat_map(|part| members_of(document, part));
    own.chain(inherited).collect()
}

fn shape_fault(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(document, schema);
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => true,
    };
    if !fits {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        return Some(format!("{value} is none of {words:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Some(format!("{name} is missing"));
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(why) = value.get(name).and_then(|value| fault(document, member, value)) {
            return Some(format!("{name}: {why}"));
        }
    }
    let items = value.as_array().into_iter().flatten().filter(|_| schema.get("items").is_some());
    let parts = schema["allOf"].as_array().into_iter().flatten();
    items
        .filter_map(|item| fault(document, &schema["items"], item))
        .next()
        .or_else(|| parts.filter_map(|part| shape_fault(document, part, value)).next())
}

#[test]
fn every_example_is_what_its_schema_says() {
    let document = document();
    let mut seen = 0;
    walk(&document, String::new(), &mut |node, at| {
        let Some(schema) = node
            .get("schema")
            .filter(|_| at.contains("application~1json") || at.contains("application/json"))
        else {
            return;
        };
        for (name, example) in node["examples"].as_object().into_iter().flatten() {
            seen += 1;
            assert_eq!(fault(&document, schema, &example["value"]), None, "{at} {name}");
        }
    });
    assert!(seen > 30, "{seen}");
}

/// The snapshots of the wire are what the code really writes.
#[test]
fn every_snapshot_of_the_wire_is_what_the_schemas_say() {
    let document = document();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/wire/snapshots");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(text.splitn(3, "---").nth(2).unwrap()).unwrap();
        let schema = match name.rsplit("tests__").next().unwrap() {
            name if name.starts_with("created_") => "CreatedDeposit",
            name if name.starts_with("status_") => "DepositStatus",
            _ => continue,
        };
        seen += 1;
        let schema = serde_json::json!({"$ref": format!("#/components/schemas/{schema}")});
        assert_eq!(fault(&document, &schema, &value), None, "{name}");
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn the_checker_of_these_tests_finds_faults() {
    let document = document();
    let schema = serde_json::json!({"$ref": "#/components/schemas/Limits"});
    let of = |text: &str| fault(&document, &schema, &serde_json::from_str(text).unwrap());
    let good =
        r#"{"minimum":1,"maximum":2,"fiatEquivalentMinimum":1,"fiatEquivalentMaximum":2,"timestamp":3}"#;
    assert_eq!(of(good), None);
    assert!(of(&good.replace("\"minimum\":1,", "")).unwrap().contains("missing"));
    assert!(of(&good.replace(":3", ":3.5")).unwrap().contains("integer"));
    assert!(of(&good.replace(":3", ":3,\"more\":1")).unwrap().contains("not documented"));
}

#[test]
fn every_ticker_is_in_the_guide() {
    let guide = guide();
    for ticker in Ticker::KNOWN {
        // The first column may hold several.
        let of = |line: &&str| {
            line.split('|').nth(1).is_some_and(|cell| cell.trim().split(", ").any(|t| t == ticker.as_str()))
        };
        let line = guide.lines().find(of).unwrap_or_else(|| panic!("{ticker} is not in the guide"));
        let name = ticker.display_name().unwrap();
        assert!(line.contains(name) || name.ends_with("MWEB"), "{ticker} is {name}: {line}");
    }
}

#[test]
fn the_guide_has_every_error_of_the_table_once() {
    let guide = guide();
    for code in [
        "amount_missing",
        "invalid_json",
        "idempotency_conflict",
        "rate_limit_exceeded",
        "price_unavailable",
        "internal_error",
    ] {
        assert!(guide.contains(&format!("| `{code}` |")), "{code}");
    }
    assert!(!guide.contains("ERROR_TABLE"));
}

/// Attribute values of the page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_every_anchor_exists() {
    let page = &DOCUMENT.page;
    assert!(page.len() > 20_000, "{page}");
    assert!(!page.contains("<script") && !page.contains("javascript:") && !page.contains(" onclick"));
    for attribute in ["src", "srcset", "action", "data", "poster", "style"] {
        assert_eq!(values(page, attribute), Vec::<&str>::new(), "{attribute}");
    }
    assert!(!page::STYLE.contains("url(") && !page::STYLE.contains("@import"));
    let ids = values(page, "id");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
    for link in values(page, "href") {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(ids.contains(&anchor), "{link}"),
            None => assert!(["/openapi.json", "data:,"].contains(&link), "{link}"),
        }
    }
}

#[test]
fn the_page_says_everything_that_the_document_says() {
    let page = &DOCUMENT.page;
    let document = document();
    for (call, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let (_, rest) =
            page.split_once(&format!("<article id=\"{id}\">")).unwrap_or_else(|| panic!("{call}"));
        let article = rest.split("</article>").next().unwrap();
        let (method, path) = call.split_once(' ').unwrap();
        assert!(article.contains(&format!("<b>{method}</b> {path}")), "{call}");
        for status in operation["responses"].as_object().unwrap().keys() {
            assert!(article.contains(&format!("<b>{status}</b>")), "{call} {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(article.contains(&format!("<code>{name}</code>")), "{call} {name}");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let (_, rest) = page.split_once(&format!("<article id=\"type-{name}\">")).unwrap();
        let article = rest.split("</article>").next().unwrap();
        for member in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(article.contains(&format!("<td><code>{member}</code>")), "{name} {member}");
        }
    }
    // Examples keep the order of the types.
    assert!(page.find("&quot;txId&quot;").or(page.find("&#34;txId&#34;")).is_some());
    let sample = page.split("<summary>Cryptocurrency</summary>").nth(1).unwrap();
    let (id, fiat) = (sample.find("txId").unwrap(), sample.find("amountFiat").unwrap());
    assert!(id < fiat);
}

#[test]
fn raw_html_in_a_description_is_shown_as_text() {
    let document: Node = serde_json::from_str(
        r#"{"info":{"title":"<T>","version":"1","description":"a <b onclick=x>b</b>"}}"#,
    )
    .unwrap();
    assert_eq!(document.get("info").get("title").text(), "<T>");
    let page = page::render(r#"{"info":{"title":"<T>","version":"1","description":"a <script>b</script>"}}"#)
        .unwrap();
    assert!(!page.contains("<script") && !page.contains("<T>"), "{page}");
}
