//! `cargo xtask docs`: the reference documents, written by the binary itself.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::settings;
use crate::test::FEATURES;
use crate::workspace::{cargo, root};

/// Writes the documents, or with `--check` only compares; `true` where nothing was stale.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    let check = match words {
        [] => false,
        ["--check"] => true,
        other => bail!("`docs {}`: only `--check` is known", other.join(" ")),
    };
    let openapi = ask("openapi")?;
    let documents = [
        ("docs/CLI.md", ask("cli")?),
        ("docs/ENV.md", ask("env")?),
        ("docs/API.md", api(&serde_json::from_str(&openapi).context("the OpenAPI document is no JSON")?)),
    ];
    let mut fresh = true;
    for (path, text) in documents {
        let old = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if old == text {
            continue;
        }
        if check {
            println!("{path} is stale: run `cargo xtask docs`");
            fresh = false;
        } else {
            std::fs::write(root().join(path), text).with_context(|| format!("{path} cannot be written"))?;
            println!("{path} written");
        }
    }
    Ok(fresh)
}

fn ask(what: &str) -> Result<String> {
    let mut command = cargo();
    // With what the tests have, so that it is built once for both. The documents are the same.
    command.args(["run", "--quiet", "--package", "mirage", "--features", FEATURES, "--", "docs", what]);
    // The help shows the values that variables have just now.
    for name in settings::mirage_variables() {
        command.env_remove(name);
    }
    let output = command.output().context("`cargo run` cannot be started")?;
    if !output.status.success() {
        bail!("`mirage docs {what}`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("the document is not UTF-8")?;
    Ok(format!("{}\n", text.trim_end()))
}

/// The OpenAPI document as a page: each path with its methods, parameters, bodies and answers.
fn api(document: &Value) -> String {
    let mut page = String::from(
        "# REST API\n\nWritten by `cargo xtask docs` from the OpenAPI document, which a running platform serves at \
         `/api/openapi.json`. Every request but those to `/healthz`, `/readyz` and the document itself carries \
         `Authorization: Bearer <token>`. Errors are `application/problem+json` with `code`, `title`, `detail`, `hint`, \
         `status` and, where one is at fault, `field`.\n",
    );
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            page.push_str(&format!("\n## `{} {path}`\n\n", method.to_uppercase()));
            for text in [&operation["summary"], &operation["description"]] {
                if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
                    page.push_str(&format!("{}\n\n", text.trim()));
                }
            }
            page.push_str(&parameters(operation));
            page.push_str(&bodies(operation));
        }
    }
    page.push_str("\n# Types\n");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        page.push_str(&format!("\n## {name}\n\n{}", properties(schema)));
    }
    page
}

fn parameters(operation: &Value) -> String {
    let Some(list) = operation["parameters"].as_array().filter(|list| !list.is_empty()) else {
        return String::new();
    };
    let mut table = String::from("| parameter | in | meaning |\n|---|---|---|\n");
    for parameter in list {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        table.push_str(&format!("| `{name}` | {place} | {} |\n", cell(&parameter["description"])));
    }
    table + "\n"
}

fn bodies(operation: &Value) -> String {
    let mut lines = String::new();
    for (media, content) in entries(&operation["requestBody"]["content"]) {
        lines.push_str(&format!("Body: {} as `{media}`\n\n", kind(&content["schema"])));
    }
    for (status, answer) in entries(&operation["responses"]) {
        let body = entries(&answer["content"]).next().map(|(_, content)| kind(&content["schema"]));
        let body = body.map(|body| format!(": {body}")).unwrap_or_default();
        lines.push_str(&format!("- {status} {}{body}\n", cell(&answer["description"])));
    }
    lines
}

fn properties(schema: &Value) -> String {
    let mut page = match schema["description"].as_str() {
        Some(text) => format!("{}\n\n", text.trim()),
        None => String::new(),
    };
    match schema["allOf"].as_array() {
        None => page.push_str(&fields(schema)),
        Some(parts) => {
            let (whole, own): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part["$ref"].is_string());
            let whole: Vec<String> = whole.into_iter().map(kind).collect();
            page.push_str(&format!("Everything of {}, and:\n\n", whole.join(", ")));
            page.extend(own.into_iter().map(fields));
        }
    }
    page
}

fn fields(schema: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rows: Vec<String> = entries(&schema["properties"])
        .map(|(name, property)| {
            let must = if required.contains(&name.as_str()) { "yes" } else { "" };
            format!("| `{name}` | {} | {must} | {} |\n", kind(property), cell(&property["description"]))
        })
        .collect();
    if rows.is_empty() {
        return format!("{}\n", kind(schema));
    }
    format!("| field | type | always | meaning |\n|---|---|---|---|\n{}", rows.concat())
}

/// What a schema is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(list) = schema[choice].as_array() {
            let kinds: Vec<String> = list.iter().map(kind).filter(|kind| kind != "null").collect();
            return kinds.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", text(value))).collect();
        return values.join(", ");
    }
    let name = match &schema["type"] {
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("any")
        }
        name => name.as_str().unwrap_or("any"),
    };
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        other => other.to_owned(),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text that fits into one cell of a table.
fn cell(value: &Value) -> String {
    text(value).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
