//! Notebooks in their source format: cells between marks, other languages behind `MAGIC`.

use super::ipynb;

/// What a notebook is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Language {
    Python,
    Sql,
    Scala,
    R,
}

impl Language {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "PYTHON" => Some(Self::Python),
            "SQL" => Some(Self::Sql),
            "SCALA" => Some(Self::Scala),
            "R" => Some(Self::R),
            _ => None,
        }
    }

    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "py" => Some(Self::Python),
            "sql" => Some(Self::Sql),
            "scala" => Some(Self::Scala),
            "r" | "R" => Some(Self::R),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python => "PYTHON",
            Self::Sql => "SQL",
            Self::Scala => "SCALA",
            Self::R => "R",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Python => "py",
            Self::Sql => "sql",
            Self::Scala => "scala",
            Self::R => "r",
        }
    }

    /// The word of a cell in this language.
    fn magic(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Sql => "sql",
            Self::Scala => "scala",
            Self::R => "r",
        }
    }

    fn comment(self) -> &'static str {
        match self {
            Self::Python | Self::R => "#",
            Self::Sql => "--",
            Self::Scala => "//",
        }
    }
}

/// One cell: its word (`python`, `sql`, `md`, `run`, …), its text, and the line of the source where the text begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) magic: String,
    pub(crate) text: String,
    /// Counts from 1.
    pub(crate) line: usize,
}

/// A notebook as its source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notebook {
    pub(crate) language: Language,
    /// Begins with the mark of notebooks.
    pub(crate) source: String,
}

impl Notebook {
    /// A notebook of this text, with or without the mark in its first line.
    pub(crate) fn of_source(language: Language, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        let mark = mark(language);
        let source = if text.lines().next().is_some_and(|first| first.trim_end() == mark) {
            text
        } else {
            format!("{mark}\n{text}")
        };
        Self { language, source }
    }

    /// The notebook that a text says it is, by its first line.
    pub(crate) fn recognise(language: Language, text: &str) -> Option<Self> {
        let first = text.strip_prefix('\u{feff}').unwrap_or(text).lines().next()?;
        (first.trim_end() == mark(language)).then(|| Self::of_source(language, text))
    }

    /// A Jupyter notebook; its outputs are left behind.
    pub(crate) fn of_jupyter(text: &[u8]) -> Result<Self, String> {
        let (language, cells) = ipynb::read(text)?;
        let mut source = mark(language).to_owned();
        for (index, (magic, text)) in cells.iter().enumerate() {
            if index > 0 {
                source.push_str(&format!("\n\n{} COMMAND ----------\n", language.comment()));
            }
            source.push('\n');
            source.push_str(&written(language, magic, text));
        }
        source.push('\n');
        Ok(Self { language, source })
    }

    /// The notebook in Jupyter's format.
    pub(crate) fn to_jupyter(&self, name: &str) -> Vec<u8> {
        ipynb::write(self.language, name, &self.cells())
    }

    /// The cells in order; empty ones are left out.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let comment = self.language.comment();
        let (bar, magic, title) =
            (format!("{comment} COMMAND ----------"), format!("{comment} MAGIC"), format!("{comment} DBTITLE"));
        let mut cells = Vec::new();
        let mut lines: Vec<(usize, &str)> = Vec::new();
        for (number, line) in self.source.lines().enumerate().skip(1) {
            if line.trim_end() == bar {
                cells.extend(cell(self.language, &std::mem::take(&mut lines), &magic));
            } else if !line.starts_with(&title) {
                lines.push((number + 1, line));
            }
        }
        cells.extend(cell(self.language, &lines, &magic));
        cells
    }
}

fn mark(language: Language) -> &'static str {
    match language {
        Language::Python | Language::R => "# Databricks notebook source",
        Language::Sql => "-- Databricks notebook source",
        Language::Scala => "// Databricks notebook source",
    }
}

fn cell(language: Language, lines: &[(usize, &str)], prefix: &str) -> Option<Cell> {
    let begin = lines.iter().position(|(_, line)| !line.trim().is_empty())?;
    let end = lines.iter().rposition(|(_, line)| !line.trim().is_empty())?;
    let lines = &lines[begin..=end];
    let bare: Vec<&str> = lines
        .iter()
        .map(|(_, line)| match line.strip_prefix(prefix) {
            // A word may only begin like it: `# MAGICAL`.
            Some(rest) if rest.starts_with(char::is_alphanumeric) => line,
            Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
            None => line,
        })
        .collect();
    let first = lines[0].0;
    let Some(word) = bare[0].trim_start().strip_prefix('%') else {
        return Some(Cell { magic: language.magic().to_owned(), text: bare.join("\n"), line: first });
    };
    let (magic, rest) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
    // What follows the word in its line belongs to the cell: `%sql SELECT 1`, `%run ./other`.
    let mut text = rest.trim().to_owned();
    let mut line = first;
    if text.is_empty() && bare.len() > 1 {
        line += 1;
    } else if bare.len() > 1 {
        text.push('\n');
    }
    text.push_str(&bare[1..].join("\n"));
    Some(Cell { magic: magic.to_ascii_lowercase(), text, line })
}

/// A cell as the source writes it.
fn written(language: Language, magic: &str, text: &str) -> String {
    if magic == language.magic() {
        return text.to_owned();
    }
    let comment = language.comment();
    let mut out = Vec::new();
    let mut lines = text.lines();
    if magic == "run" {
        out.push(format!("{comment} MAGIC %run {}", lines.next().unwrap_or_default()));
    } else {
        out.push(format!("{comment} MAGIC %{magic}"));
    }
    out.extend(lines.map(|line| format!("{comment} MAGIC {line}").trim_end().to_owned()));
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n\n# COMMAND ----------\n\nx = 1\nprint(x)\n\n# COMMAND ----------\n\n# DBTITLE 1,Look\n# MAGIC %sql\n# MAGIC SELECT 1;\n# MAGIC SELECT 2\n\n# COMMAND ----------\n\n# MAGIC %run ./other\n";

    #[test]
    fn cells_know_their_language_and_their_lines() {
        let cells = Notebook::of_source(Language::Python, SOURCE).cells();
        let seen: Vec<_> = cells.iter().map(|cell| (cell.magic.as_str(), cell.text.as_str(), cell.line)).collect();
        assert_eq!(
            seen,
            [
                ("md", "# Title", 3),
                ("python", "x = 1\nprint(x)", 7),
                ("sql", "SELECT 1;\nSELECT 2", 14),
                ("run", "./other", 19),
            ]
        );
    }

    #[test]
    fn a_comment_that_begins_like_a_mark_is_a_comment() {
        let cells = Notebook::of_source(Language::Python, "# MAGICAL numbers\nx = 42\n").cells();
        assert_eq!(cells[0].text, "# MAGICAL numbers\nx = 42");
    }

    #[test]
    fn a_sql_notebook_is_of_sql() {
        let text =
            "-- Databricks notebook source\nSELECT 1\n\n-- COMMAND ----------\n\n-- MAGIC %python\n-- MAGIC print(1)\n";
        let notebook = Notebook::recognise(Language::Sql, text).unwrap();
        let cells = notebook.cells();
        assert_eq!((cells[0].magic.as_str(), cells[0].text.as_str()), ("sql", "SELECT 1"));
        assert_eq!((cells[1].magic.as_str(), cells[1].text.as_str()), ("python", "print(1)"));
        assert!(Notebook::recognise(Language::Sql, "SELECT 1").is_none());
    }

    #[test]
    fn jupyter_and_back_is_the_same_notebook() {
        let notebook = Notebook::of_source(Language::Python, SOURCE);
        let back = Notebook::of_jupyter(&notebook.to_jupyter("n")).unwrap();
        let texts =
            |notebook: &Notebook| notebook.cells().into_iter().map(|cell| (cell.magic, cell.text)).collect::<Vec<_>>();
        assert_eq!(texts(&notebook), texts(&back));
        assert!(Notebook::of_jupyter(b"{}").is_err());
    }
}
