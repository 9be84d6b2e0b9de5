//! The document as one page of HTML: everything that it says, an anchor for each call and type, a `curl` line for each call.

use std::collections::HashMap;

use askama::Template;
use pulldown_cmark::{Event, Options, Parser, html};

use super::ordered::Node;

/// The page's only style, allowed by its hash.
pub(super) const STYLE: &str = include_str!("../../../templates/docs.css");

/// Pages that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("the document is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the template: {0}")]
    Template(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    style: &'static str,
    title: String,
    version: String,
    license: String,
    guide: String,
    sections: Vec<Section>,
    groups: Vec<Group>,
    schemas: Vec<SchemaView>,
}

/// A heading of the guide.
struct Section {
    anchor: String,
    name: String,
}

struct Group {
    anchor: String,
    name: String,
    description: String,
    calls: Vec<Call>,
}

struct Call {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    needs_key: bool,
    parameters: Vec<Field>,
    body: Option<BodyView>,
    curl: String,
    answers: Vec<Answer>,
}

struct BodyView {
    description: String,
    kind: String,
    samples: Vec<Sample>,
}

struct Answer {
    status: String,
    description: String,
    media: String,
    kind: String,
    headers: Vec<Field>,
    errors: Vec<ErrorView>,
    samples: Vec<Sample>,
}

struct ErrorView {
    code: String,
    text: String,
    when: String,
}

struct Sample {
    name: String,
    text: String,
}

struct SchemaView {
    name: String,
    description: String,
    parts: Vec<String>,
    /// Members that are always there, of a type that is put together of others.
    always: String,
    fields: Vec<Field>,
    words: String,
}

/// A member, a parameter or a header.
struct Field {
    name: String,
    place: String,
    kind: String,
    is_required: bool,
    description: String,
}

/// The page of a document.
pub(super) fn render(document: &str) -> Result<String, PageError> {
    let document: Node = serde_json::from_str(document)?;
    let reader = Reader::new(&document);
    let info = document.get("info");
    let guide = info.get("description").text();
    let page = Page {
        style: STYLE,
        title: info.get("title").text().to_owned(),
        version: info.get("version").text().to_owned(),
        license: info.get("license").get("name").text().to_owned(),
        sections: sections(guide),
        guide: markdown(guide),
        groups: document.get("tags").items().iter().map(|tag| reader.group(tag)).collect(),
        schemas: reader.schemas(),
    };
    Ok(page.render()?)
}

/// Text for HTML.
pub(super) fn escaped(text: &str) -> String {
    askama::filters::escape(text, askama::filters::Html).map(|safe| safe.to_string()).unwrap_or_default()
}

fn markdown(text: &str) -> String {
    let mut out = String::new();
    // Our own text, and no HTML in it: what looks like it is shown as text.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "all other events pass as they are, also those of later versions"
    )]
    let as_text = |event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(as_text);
    html::push_html(&mut out, events);
    // Headings get the anchors that the table of contents points to.
    for section in sections(text) {
        let heading = format!("<h2>{}</h2>", escaped(&section.name));
        out =
            out.replace(&heading, &format!("<h2 id=\"{}\">{}</h2>", section.anchor, escaped(&section.name)));
    }
    out
}

/// One paragraph, without the paragraph.
fn inline(text: &str) -> String {
    let html = markdown(text);
    let html = html.trim();
    match html.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>")) {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => html.to_owned(),
    }
}

fn sections(guide: &str) -> Vec<Section> {
    let names = guide.lines().filter_map(|line| line.strip_prefix("## "));
    names.map(|name| Section { anchor: anchor(name), name: name.to_owned() }).collect()
}

fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

struct Reader<'a> {
    document: &'a Node,
    ranks: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Node) -> Self {
        // Members of examples in the order in which the types declare them.
        let mut ranks = HashMap::new();
        for name in ["Deposit", "DepositState", "Payment", "Error", "Limits", "Balance"] {
            for (member, _) in document.get("components").get("schemas").get(name).get("properties").members()
            {
                let next = ranks.len();
                ranks.entry(member.as_str()).or_insert(next);
            }
        }
        Self { document, ranks }
    }

    fn pretty(&self, node: &Node) -> String {
        match node.text() {
            "" => node.pretty(&|name| self.ranks.get(name).copied().unwrap_or(usize::MAX)),
            text => text.to_owned(),
        }
    }

    /// The node itself, or what it refers to.
    fn followed(&self, node: &'a Node) -> &'a Node {
        match node.get("$ref").text() {
            "" => node,
            reference => self.document.pointed(reference),
        }
    }

    fn group(&self, tag: &Node) -> Group {
        let name = tag.get("name").text();
        let mut calls = Vec::new();
        for (path, item) in self.document.get("paths").members() {
            for (method, operation) in item.members() {
                if operation.get("tags").items().iter().any(|tag| tag.text() == name) {
                    calls.push(self.call(method, path, operation));
                }
            }
        }
        Group {
            anchor: anchor(name),
            name: name.to_owned(),
            description: inline(tag.get("description").text()),
            calls,
        }
    }

    fn call(&self, method: &str, path: &str, operation: &'a Node) -> Call {
        let needs_key = !operation.get("security").items().is_empty();
        let parameters = operation.get("parameters").items();
        let body = operation.get("requestBody");
        let content = body.get("content").get("application/json");
        let samples = self.samples(content);
        Call {
            id: operation.get("operationId").text().to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            summary: operation.get("summary").text().to_owned(),
            description: markdown(operation.get("description").text()),
            needs_key,
            parameters: parameters.iter().map(|parameter| self.parameter(parameter)).collect(),
            curl: curl(method, path, parameters, needs_key, content),
            answers: operation.get("responses").members().iter().map(|(s, a)| self.answer(s, a)).collect(),
            body: (!body.is_null()).then(|| BodyView {
                description: inline(body.get("description").text()),
                kind: kind(content.get("schema")),
                samples,
            }),
        }
    }

    fn parameter(&self, parameter: &Node) -> Field {
        Field {
            name: parameter.get("name").text().to_owned(),
            place: parameter.get("in").text().to_owned(),
            kind: kind(parameter.get("schema")),
            is_required: parameter.get("required").is_true(),
            description: inline(parameter.get("description").text()),
        }
    }

    fn samples(&self, content: &Node) -> Vec<Sample> {
        let mut samples: Vec<Sample> = content
            .get("examples")
            .members()
            .iter()
            .map(|(name, example)| Sample {
                name: Some(example.get("summary").text())
                    .filter(|s| !s.is_empty())
                    .unwrap_or(name)
                    .to_owned(),
                text: self.pretty(example.get("value")),
            })
            .collect();
        if !content.get("example").is_null() {
            samples.push(Sample { name: "Example".to_owned(), text: self.pretty(content.get("example")) });
        }
        samples
    }

    fn answer(&self, status: &str, answer: &'a Node) -> Answer {
        let (media, content) = match answer.get("content").members().first() {
            Some((media, content)) => (media.as_str(), content),
            None => ("", answer.get("content")),
        };
        let is_error = content
            .get("schema")
            .get("allOf")
            .items()
            .iter()
            .any(|part| part.get("$ref").text() == "#/components/schemas/Error");
        let errors =
            content.get("examples").members().iter().filter(|_| is_error).map(|(_, example)| ErrorView {
                code: example.get("value").get("code").text().to_owned(),
                text: example.get("value").get("error").text().to_owned(),
                when: inline(example.get("summary").text()),
            });
        // Said once, in the guide.
        let everywhere = ["X-Request-ID", "Cache-Control"];
        let headers =
            answer.get("headers").members().iter().filter(|(name, _)| !everywhere.contains(&name.as_str()));
        let headers = headers.map(|(name, header)| {
            let header = self.followed(header);
            Field {
                name: name.clone(),
                place: String::new(),
                kind: kind(header.get("schema")),
                is_required: false,
                description: inline(header.get("description").text()),
            }
        });
        Answer {
            status: status.to_owned(),
            description: inline(answer.get("description").text()),
            media: media.to_owned(),
            kind: if is_error {
                kind_of_reference("#/components/schemas/Error")
            } else {
                kind(content.get("schema"))
            },
            headers: headers.collect(),
            errors: errors.collect(),
            samples: if is_error { Vec::new() } else { self.samples(content) },
        }
    }

    fn schemas(&self) -> Vec<SchemaView> {
        let schemas = self.document.get("components").get("schemas").members();
        schemas.iter().map(|(name, schema)| self.schema(name, schema)).collect()
    }

    fn schema(&self, name: &str, schema: &'a Node) -> SchemaView {
        let parts = schema.get("allOf").items().iter().filter(|part| !part.get("$ref").is_null());
        SchemaView {
            name: name.to_owned(),
            description: markdown(schema.get("description").text()),
            parts: parts.map(kind).collect(),
            always: codes(schema.get("allOf").items().iter().flat_map(|part| part.get("required").items())),
            fields: fields(schema),
            words: words(schema),
        }
    }
}

fn fields(schema: &Node) -> Vec<Field> {
    let required = schema.get("required").items();
    let of = |(name, member): &(String, Node)| Field {
        name: name.clone(),
        place: String::new(),
        kind: kind(member),
        is_required: required.iter().any(|needed| needed.text() == name),
        description: inline(member.get("description").text()),
    };
    schema.get("properties").members().iter().map(of).collect()
}

fn words(schema: &Node) -> String {
    codes(schema.get("enum").items())
}

fn codes<'a>(words: impl IntoIterator<Item = &'a Node>) -> String {
    let words = words.into_iter().map(|word| match word.text() {
        "" => format!("<code>{}</code>", escaped(&word.pretty(&|_| 0))),
        text => format!("<code>{}</code>", escaped(text)),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn kind_of_reference(reference: &str) -> String {
    let name = escaped(reference.rsplit('/').next().unwrap_or_default());
    format!("<a href=\"#type-{name}\">{name}</a>")
}

/// A schema in a word or two, as HTML.
fn kind(schema: &Node) -> String {
    if !schema.get("$ref").is_null() {
        return kind_of_reference(schema.get("$ref").text());
    }
    if !schema.get("enum").is_null() {
        return words(schema);
    }
    let name = schema.get("type").text();
    let format = schema.get("format").text();
    let data = schema.get("properties").get("data").get("contentSchema");
    match name {
        "object" if !data.is_null() => format!("events, each with {}", kind(data)),
        "array" => format!("array of {}", kind(schema.get("items"))),
        "object" if !schema.get("additionalProperties").get("type").is_null() => {
            format!("object of {}", kind(schema.get("additionalProperties")))
        }
        "number" if format == "decimal" => "number, exact".to_owned(),
        "string" if format == "date-time" => "string, time".to_owned(),
        "" if schema.is_null() => String::new(),
        "" => "anything".to_owned(),
        other => escaped(other),
    }
}

/// A line that can be copied: path and query filled with examples.
fn curl(method: &str, path: &str, parameters: &[Node], needs_key: bool, content: &Node) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    let mut headers = String::new();
    for parameter in parameters {
        let name = parameter.get("name").text();
        let schema = parameter.get("schema");
        let example = schema.get("examples").items().first().map_or("", Node::text);
        let example = if example.is_empty() {
            schema.get("enum").items().first().map_or("", Node::text)
        } else {
            example
        };
        match parameter.get("in").text() {
            "path" => path = path.replace(&format!("{{{name}}}"), example),
            "query" if parameter.get("required").is_true() => query.push(format!("{name}={example}")),
            "header" if name == "Idempotency-Key" => {
                headers.push_str(" \\\n  -H \"Idempotency-Key: order-1\"")
            }
            _ => {}
        }
    }
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let verb = if method == "post" { " -X POST" } else { "" };
    let stream = if path.ends_with("/events") { "N" } else { "" };
    let mut line = format!("curl -s{stream}{verb} \"{}{path}{query}\"", super::EXAMPLE_URL);
    if needs_key {
        line.push_str(" \\\n  -H \"Authorization: Bearer $DEPOSIT_API_KEY\"");
    }
    line.push_str(&headers);
    if let Some((_, example)) = content.get("examples").members().first() {
        let body = example.get("value").pretty(&|_| 0).replace(['\n', ' '], "");
        line.push_str(&format!(" \\\n  -d '{body}'"));
    }
    line
}
