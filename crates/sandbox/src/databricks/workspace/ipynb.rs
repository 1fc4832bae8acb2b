//! Notebooks in Jupyter's format, version 4.

use serde::Deserialize;
use serde_json::{Value, json};

use super::notebook::{Cell, Language};

#[derive(Deserialize)]
struct Jupyter {
    cells: Vec<JupyterCell>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct JupyterCell {
    cell_type: String,
    source: Source,
}

/// Jupyter writes lines or one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Lines(Vec<String>),
    Text(String),
}

/// The language and the cells: word and text.
pub(super) fn read(text: &[u8]) -> Result<(Language, Vec<(String, String)>), String> {
    let notebook: Jupyter =
        serde_json::from_slice(text).map_err(|error| format!("The content is not a Jupyter notebook: {error}"))?;
    let named = |path: &str| notebook.metadata.pointer(path).and_then(Value::as_str);
    let name = named("/application~1vnd.databricks.v1+notebook/language").or(named("/language_info/name"));
    let language = match name.map(str::to_ascii_lowercase).as_deref() {
        Some("sql") => Language::Sql,
        Some("scala") => Language::Scala,
        Some("r") => Language::R,
        _ => Language::Python,
    };
    let own = match language {
        Language::Python => "python",
        Language::Sql => "sql",
        Language::Scala => "scala",
        Language::R => "r",
    };
    let cells = notebook.cells.into_iter().filter_map(|cell| {
        let text = match cell.source {
            Source::Lines(lines) => lines.concat(),
            Source::Text(text) => text,
        };
        match cell.cell_type.as_str() {
            "markdown" => Some(("md".to_owned(), text)),
            "code" => Some(match text.trim_start().strip_prefix('%') {
                Some(magic) => {
                    let (word, rest) = magic.split_once(char::is_whitespace).unwrap_or((magic, ""));
                    (word.to_ascii_lowercase(), rest.to_owned())
                }
                None => (own.to_owned(), text),
            }),
            // Raw cells are for converters.
            _ => None,
        }
    });
    Ok((language, cells.collect()))
}

pub(super) fn write(language: Language, name: &str, cells: &[Cell]) -> Vec<u8> {
    let own = language.name().to_ascii_lowercase();
    let cells: Vec<Value> = cells
        .iter()
        .map(|cell| {
            let text = match cell.magic.as_str() {
                "md" | "md-sandbox" => {
                    return json!({ "cell_type": "markdown", "metadata": {}, "source": lines(&cell.text) });
                }
                word if word == own => cell.text.clone(),
                "run" => format!("%run {}", cell.text),
                word => format!("%{word}\n{}", cell.text),
            };
            json!({
                "cell_type": "code",
                "execution_count": 0,
                "metadata": {},
                "outputs": [],
                "source": lines(&text),
            })
        })
        .collect();
    let notebook = json!({
        "cells": cells,
        "metadata": {
            "application/vnd.databricks.v1+notebook": { "language": own, "notebookName": name, "widgets": {} },
            "language_info": { "name": own },
        },
        "nbformat": 4,
        "nbformat_minor": 0,
    });
    serde_json::to_vec_pretty(&notebook).unwrap_or_default()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}
