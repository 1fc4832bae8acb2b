//! The page: plain HTML, made here, one style sheet inside.

use std::{
    fmt::{self, Write as _},
    time::{Duration, SystemTime},
};

use super::{
    board::{Board, Exhibit, Run, Shown, State},
    mask::masked,
    snippets::{Contact, snippets},
};
use crate::faults::{FaultReport, FaultSchedule};

/// How many of a kind are shown; the rest is counted.
const MOST: usize = 50;
/// The longest statement that is shown whole.
const LONGEST: usize = 400;

const STYLE: &str = include_str!("page.css");

/// Text that others wrote, as text.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Letters that turn the rest of the line around, and those that no page may hold.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}')?,
                c if c.is_control() && !matches!(c, '\n' | '\t') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The whole page; with secrets only for who is trusted.
pub(super) async fn render(board: &Board, trusted: bool) -> String {
    let mut html = String::with_capacity(16 << 10);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Twinhouse sandbox</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><style>{STYLE}</style></head><body><main>\
         <h1>Twinhouse sandbox</h1>\
         <p class=\"note\">Both warehouses on this machine, for development and tests. Production is Databricks and Redshift.</p>"
    );
    connect(&mut html, board, trusted);
    if let Some((_, exhibit)) = board.databricks() {
        warehouse(&mut html, "Databricks", exhibit.as_ref()).await;
    }
    match board.redshift() {
        Some((_, exhibit)) => warehouse(&mut html, "Redshift", exhibit.as_ref()).await,
        None => {
            html += "<section><h2>Redshift</h2><p class=\"note\">The cluster does not run: nobody has asked for it yet.</p></section>"
        }
    }
    if let Some(runs) = board.runs() {
        jobs(&mut html, runs.runs());
    }
    faults(&mut html, &board.faults().report());
    html += "</main></body></html>\n";
    html
}

fn connect(html: &mut String, board: &Board, trusted: bool) {
    *html += "<section><h2>Connect</h2><dl>";
    let mut place = |name: &str, at: &str| {
        let _ = write!(html, "<dt>{name}</dt><dd><code>{}</code></dd>", Text(at));
    };
    if let Some((access, _)) = board.databricks() {
        place("Databricks workspace", &access.url);
        place("The same behind TLS", &access.https_url);
        place("SQL warehouse", &access.warehouse_id);
        place("Staging volume", &access.staging);
    }
    if let Some((access, _)) = board.redshift() {
        place("Redshift cluster", &format!("{}:{}", access.host, access.port));
        place("Database and user", &format!("{}, {}", access.database, access.user));
        place("Certificate authority", &access.ca_file.display().to_string());
    }
    if let Some(endpoint) = board.aws() {
        place("AWS around it", endpoint);
    }
    if let Some(store) = board.s3() {
        place("S3", &store.endpoint);
        place("Staging prefix", &store.staging());
    }
    *html += "</dl>";
    if let Some((databricks, _)) = board.databricks() {
        let contact = Contact { databricks, redshift: board.redshift().map(|(access, _)| access) };
        for snippet in snippets(&contact, trusted) {
            let _ = write!(html, "<h3>{}</h3><pre>{}</pre>", snippet.language, Text(snippet.text.expose()));
        }
    }
    *html += if trusted {
        "<p class=\"note\">This view shows secrets, because you brought the token or the link. The link is used up.</p>"
    } else {
        "<p class=\"note\">Secrets are hidden. The program that started the sandbox printed a link that shows them once, \
         and wrote them to its environment file if it was asked to.</p>"
    };
    *html += "</section>";
}

async fn warehouse(html: &mut String, name: &str, exhibit: &dyn Exhibit) {
    let _ = write!(html, "<section><h2>{name}</h2><h3>Tables</h3>");
    let tables = exhibit.tables().await;
    if tables.is_empty() {
        *html += "<p class=\"note\">None yet.</p>";
    } else {
        *html += "<table><thead><tr><th>Name</th><th>Kind</th></tr></thead><tbody>";
        for (name, kind) in tables.iter().take(MOST) {
            let _ = write!(html, "<tr><td><code>{}</code></td><td>{kind}</td></tr>", Text(name));
        }
        *html += "</tbody></table>";
        more(html, tables.len());
    }
    *html += "<h3>Statements</h3>";
    let statements = exhibit.statements();
    if statements.is_empty() {
        *html += "<p class=\"note\">None yet.</p>";
    } else {
        *html += "<table><thead><tr><th>State</th><th>Statement</th><th>Took</th></tr></thead><tbody>";
        for Shown { sql, state, word, began, ended } in statements.iter().take(MOST) {
            let sql = masked(sql);
            let short: String = sql.chars().take(LONGEST).collect();
            let dots = if short.len() < sql.len() { " …" } else { "" };
            let took = took(*began, *ended);
            let _ = write!(
                html,
                "<tr><td>{}</td><td><code>{}{dots}</code></td><td class=\"number\">{took}</td></tr>",
                badge(*state, word),
                Text(&short)
            );
        }
        *html += "</tbody></table>";
        more(html, statements.len());
    }
    *html += "</section>";
}

fn jobs(html: &mut String, runs: Vec<Run>) {
    *html += "<section><h2>Job runs</h2>";
    if runs.is_empty() {
        *html += "<p class=\"note\">None yet.</p></section>";
        return;
    }
    *html += "<table><thead><tr><th>State</th><th>Run</th><th>Name</th><th>Took</th></tr></thead><tbody>";
    let count = runs.len();
    for Run { id, name, state, word, began, ended } in runs.into_iter().take(MOST) {
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"number\">{}</td></tr>",
            badge(state, &word),
            Text(&id),
            Text(&name),
            took(began, ended)
        );
    }
    *html += "</tbody></table>";
    more(html, count);
    *html += "</section>";
}

fn faults(html: &mut String, reports: &[FaultReport]) {
    *html += "<section><h2>Faults</h2>";
    if reports.is_empty() {
        *html += "<p class=\"note\">None scheduled.</p></section>";
        return;
    }
    *html += "<table><thead><tr><th>State</th><th>Rule</th><th>Calls seen</th><th>Struck</th></tr></thead><tbody>";
    for report in reports.iter().rev().take(MOST) {
        let (state, word) = if report.armed { (State::Busy, "scheduled") } else { (State::Over, "spent") };
        let rule = FaultSchedule::new([report.rule.clone()]).to_toml().replace("[[fault]]\n", "");
        let _ = write!(
            html,
            "<tr><td>{}</td><td><code>{}</code></td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            badge(state, word),
            Text(rule.trim()),
            report.seen,
            report.fired
        );
    }
    *html += "</tbody></table>";
    more(html, reports.len());
    *html += "</section>";
}

fn badge(state: State, word: &str) -> String {
    let class = match state {
        State::Busy => "busy",
        State::Good => "good",
        State::Bad => "bad",
        State::Over => "over",
    };
    format!("<span class=\"{class}\">{}</span>", Text(&word.to_lowercase()))
}

fn more(html: &mut String, count: usize) {
    if count > MOST {
        let _ = write!(html, "<p class=\"note\">And {} more.</p>", count - MOST);
    }
}

/// How long it took, or has taken so far.
fn took(began: SystemTime, ended: Option<SystemTime>) -> String {
    let took = ended.unwrap_or_else(SystemTime::now).duration_since(began).unwrap_or_default();
    match took {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        long => format!("{:.1} s", long.as_secs_f64()),
    }
}
