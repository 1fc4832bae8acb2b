//! From the text of a client to what is done with it.

use std::ops::Range;

use super::{
    copy::CopyStatement,
    ddl,
    edits::{Edits, Shifts},
    gate, leader,
    lexer::{Kind, Lexed, tokens},
    report::Report,
    rewrite::{self, LastIds},
    settings::{self, Change},
    unload::UnloadStatement,
    upkeep,
};

/// What an analysis has to know of the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) case_sensitive: bool,
    /// The views of provisioned clusters are refused.
    pub(super) serverless: bool,
    pub(super) ids: LastIds,
}

/// What a statement does, as far as the front cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    Copy,
    Unload,
    Begin,
    Commit,
    Declare,
    Truncate,
    Ddl,
    #[default]
    Utility,
}

impl Verb {
    /// As SYS_QUERY_HISTORY has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Merge => "OTHER",
            Self::Copy => "COPY",
            Self::Unload => "UNLOAD",
            Self::Ddl | Self::Truncate => "DDL",
            Self::Begin | Self::Commit | Self::Declare | Self::Utility => "UTILITY",
        }
    }

    fn of(s: &Lexed<'_>) -> Self {
        match s.raw(0).to_ascii_lowercase().as_str() {
            "select" | "with" | "(" | "fetch" | "explain" => Self::Select,
            "insert" => Self::Insert,
            "update" => Self::Update,
            "delete" => Self::Delete,
            "merge" => Self::Merge,
            "copy" => Self::Copy,
            "unload" => Self::Unload,
            "begin" | "start" => Self::Begin,
            "commit" | "end" => Self::Commit,
            "declare" => Self::Declare,
            "truncate" => Self::Truncate,
            "create" | "alter" | "drop" | "grant" | "revoke" | "comment" => Self::Ddl,
            _ => Self::Utility,
        }
    }
}

/// What is done with a statement.
#[derive(Clone, Debug, Default)]
pub(super) enum Action {
    /// The engine runs it.
    #[default]
    Forward,
    /// It fails.
    Refuse(Report),
    /// It is fed from storage.
    Copy(Box<CopyStatement>),
    /// Its rows are written to storage.
    Unload(Box<UnloadStatement>),
}

/// One statement of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    pub(super) verb: Verb,
    pub(super) action: Action,
    /// As the client wrote it.
    pub(super) source: String,
    /// As the engine gets it.
    pub(super) sql: String,
    pub(super) change: Option<Change>,
    /// It must stand alone, outside of any transaction, though the engine does not ask for that.
    pub(super) alone: bool,
    /// It reads the front's own record of what was done.
    pub(super) reads_record: bool,
}

/// A whole text.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis {
    pub(super) statements: Vec<Statement>,
    /// The text as a whole, for the engine, if it can take it at once.
    pub(super) sql: String,
    pub(super) shifts: Shifts,
    pub(super) reads_record: bool,
}

impl Analysis {
    /// The refusal that fails the text before anything of it runs.
    pub(super) fn refusal(&self) -> Option<&Report> {
        self.statements.iter().find_map(|statement| match &statement.action {
            Action::Refuse(report) => Some(report),
            _ => None,
        })
    }

    /// The refusal of a text that holds a statement which must stand alone and does not.
    pub(super) fn not_alone(&self, in_transaction: bool) -> Option<Report> {
        let alone = self.statements.iter().any(|statement| statement.alone);
        (alone && (in_transaction || self.statements.len() > 1))
            .then(|| Report::error("25001", "ALTER TABLE of this kind cannot run inside a transaction block"))
    }

    /// True if the engine can run the text as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.statements.iter().all(|s| matches!(s.action, Action::Forward) && s.verb != Verb::Truncate)
    }
}

/// How the views over what only the front knows begin.
const RECORD: &[&str] = &["sys_", "stl_", "stv_", "svl_"];

fn reads_record(s: &Lexed<'_>) -> bool {
    (0..s.len()).any(|i| {
        let name = s.raw(i).get(..4).unwrap_or_default();
        s.is_name(i) && RECORD.iter().any(|begin| name.eq_ignore_ascii_case(begin))
    })
}

/// The longest text, in bytes.
const LONGEST: usize = 16 << 20;

/// Reads a text, refuses or rewrites each of its statements.
pub(super) fn analyse(text: &str, session: &Session) -> Analysis {
    if text.len() > LONGEST {
        let size = text.len();
        let message = format!("Statement is too large. Statement Size: {size} bytes. Maximum Allowed: {LONGEST} bytes");
        let action = Action::Refuse(Report::error("42601", message));
        return Analysis { statements: vec![Statement { action, ..Statement::default() }], ..Analysis::default() };
    }
    let tokens = tokens(text);
    let all = Lexed { case_sensitive: session.case_sensitive, ..Lexed::new(text, &tokens) };
    let mut whole = Edits::default();
    let mut statements = Vec::new();
    for range in all.statements() {
        statements.push(one(&all, range, session, &mut whole));
    }
    let reads_record = statements.iter().any(|statement| statement.reads_record);
    let (sql, shifts) = whole.apply(text, 0..text.len());
    Analysis { statements, sql, shifts, reads_record }
}

fn one(all: &Lexed<'_>, range: Range<usize>, session: &Session, whole: &mut Edits) -> Statement {
    let s = all.part(range.clone());
    let span = all.span(&range);
    let verb = Verb::of(&s);
    let mut statement = Statement {
        verb,
        source: all.text[span.clone()].to_owned(),
        alone: gate::resizes(&s) || upkeep::appends(&s),
        reads_record: reads_record(&s),
        ..Statement::default()
    };
    let mut edits = Edits::default();
    match rewritten(&s, session, &mut edits) {
        Ok((action, change)) => (statement.action, statement.change) = (action, change),
        Err(report) => statement.action = Action::Refuse(report),
    }
    statement.sql = edits.clone().apply(all.text, span).0;
    whole.extend(edits);
    statement
}

fn rewritten(s: &Lexed<'_>, session: &Session, edits: &mut Edits) -> Result<(Action, Option<Change>), Report> {
    if s.tokens.iter().any(|token| token.kind == Kind::Unclosed) {
        // The engine's own words for it will do.
        return Ok((Action::Forward, None));
    }
    if let Some(report) = gate::refusal(s) {
        return Err(report);
    }
    if session.serverless {
        gate::refuse_provisioned_views(s)?;
    }
    if s.is(0, "copy") {
        return CopyStatement::parse(s).map(|copy| (Action::Copy(Box::new(copy)), None));
    }
    if s.is(0, "unload") {
        return unload(s, session).map(|unload| (Action::Unload(Box::new(unload)), None));
    }
    // First: of two edits in one place the first is made.
    leader::rewrite(s, edits);
    if !session.case_sensitive {
        rewrite::fold_names(s, edits);
    }
    let change = settings::rewrite(s, edits)?;
    ddl::rewrite(s, edits)?;
    upkeep::rewrite(s, edits)?;
    rewrite::expressions(s, &session.ids, edits)?;
    if s.is(0, "cancel") {
        let message = if s.len() > 2 { s.len() - 1 } else { s.len() };
        edits.replace(s.tokens[0].at.clone(), "SELECT pg_cancel_backend(");
        let end = s.span(&(0..message)).end;
        edits.replace(end..s.span(&(0..s.len())).end, ")");
    }
    Ok((Action::Forward, change))
}

/// The query inside is read as any other is.
fn unload(s: &Lexed<'_>, session: &Session) -> Result<UnloadStatement, Report> {
    let mut unload = UnloadStatement::parse(s)?;
    let inner = analyse(&unload.query, session);
    match inner.statements.into_iter().next() {
        Some(Statement { action: Action::Forward, sql, .. }) => unload.sql = sql,
        Some(Statement { action: Action::Refuse(report), .. }) => return Err(report),
        _ => return Err(Report::error("42601", "UNLOAD takes one SELECT statement")),
    }
    Ok(unload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "select from where ( ) ( ) , , . ; ; :: : = - + * # [ ] $1 $$ ' '' \" \\ -- /* */ ä 'ä \"ä 'x' \"Ab\" t a b 1 \
        1.5e 2when as and union limit order by top 3 nvl nvl2 decode listagg median within group over approximate count \
        distinct dateadd day sysdate pg_last_copy_id json_extract_path_text true ratio_to_report numeric cast null minus \
        create table temp if not exists like foreign key references primary constraint check identity default generated \
        varchar ( 10 ) decimal super encode distkey sortkey diststyle compound alter add column drop append type copy \
        unload to 's3://b/k' iam_role access_key_id format csv parquet partition null manifest merge into using on when \
        matched then update set delete insert values returning qualify pivot grant show tables schema database columns \
        set reset local session authorization query_group enable_case_sensitive_identifier begin isolation level read \
        vacuum sort only percent analyze cancel truncate explain declare cursor for fetch pg_class reldiststyle svv_tables \
        stl_query with recursive interval external model extract trim";

    /// Whatever a client sends is taken or refused; the session does not end over it.
    #[test]
    fn no_text_is_too_odd_to_be_read() {
        let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20_000 {
            let begin = ["", "create table t (", "alter table t ", "copy t ", "unload ('select ", "select ", "merge "];
            let mut text = begin[round % begin.len()].to_owned();
            for _ in 0..random.usize(0..16) {
                text.push_str(words[random.usize(0..words.len())]);
                text.push_str(random.choice([" ", " ", "", "\n"]).unwrap_or_default());
            }
            for case_sensitive in [false, true] {
                let ids = LastIds::default();
                let session = Session { case_sensitive, serverless: round % 3 == 0, ids };
                let analysis = analyse(&text, &session);
                assert!(analysis.shifts.original(text.len(), &analysis.sql, &text) <= text.len() + 1, "{text}");
            }
        }
    }
}
