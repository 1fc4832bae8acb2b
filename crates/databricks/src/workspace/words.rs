//! The workspace's own words, and room for those that are not known yet.

use crate::words::words;

words! {
    /// What an object of the workspace is.
    ObjectType {
        /// A notebook.
        Notebook = "NOTEBOOK",
        /// A directory.
        Directory = "DIRECTORY",
        /// A library.
        Library = "LIBRARY",
        /// A file.
        File = "FILE",
        /// A Git repository.
        Repo = "REPO",
        /// A dashboard.
        Dashboard = "DASHBOARD",
    }
}

words! {
    /// The language of a notebook.
    Language {
        /// Python.
        Python = "PYTHON",
        /// SQL.
        Sql = "SQL",
        /// Scala.
        Scala = "SCALA",
        /// R.
        R = "R",
    }
}

words! {
    /// How a notebook or file is written down.
    ExportFormat {
        /// The source text. The default.
        Source = "SOURCE",
        /// A page that shows it.
        Html = "HTML",
        /// A Jupyter notebook.
        Jupyter = "JUPYTER",
        /// An archive, also of directories.
        Dbc = "DBC",
        /// R Markdown.
        RMarkdown = "R_MARKDOWN",
        /// A notebook as its source, a file as it is.
        Auto = "AUTO",
    }
}

words! {
    /// How what is imported is written down.
    ImportFormat {
        /// The source text of a notebook; its language must be said.
        Source = "SOURCE",
        /// A page that shows a notebook.
        Html = "HTML",
        /// A Jupyter notebook.
        Jupyter = "JUPYTER",
        /// An archive.
        Dbc = "DBC",
        /// R Markdown.
        RMarkdown = "R_MARKDOWN",
        /// A notebook or a file: the service decides by the content, and takes the ending off a notebook's name.
        Auto = "AUTO",
        /// A file as it is.
        Raw = "RAW",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nobody_knows_are_kept() {
        for text in ["NOTEBOOK", "DIRECTORY", "GENIE_SPACE", "", "notebook"] {
            assert_eq!(ObjectType::from(text).as_str(), text);
        }
        assert_eq!(ImportFormat::from("RAW"), ImportFormat::Raw);
        assert_eq!(Language::from("RUST"), Language::Other("RUST".into()));
        assert_eq!(ExportFormat::RMarkdown.to_string(), "R_MARKDOWN");
    }
}
