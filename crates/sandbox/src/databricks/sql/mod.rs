//! The statement front: Databricks SQL text to statements that the engine can run.
//!
//! `text -> lexer -> tokens -> parser -> Statement`; expressions and queries are sqlparser's, so that DataFusion can
//! plan them, everything around them is recognised here.

mod arithmetic;
mod ast;
mod cast;
mod decimal;
mod dialect;
mod functions;
mod lexer;
mod names;
mod params;
mod parser;
mod print;
mod rewrite;
mod sum;
mod text;
mod types;
mod udf;
mod wildcard;

pub(crate) use self::{
    arithmetic::Arithmetic,
    ast::{
        AddedColumn, CatalogFilter, CloneTable, ColumnChange, ColumnSpec, CommentKind, CopyInto, CopySource,
        CreateFunction, CreateTable, CreateView, DescribeForm, ExplainMode, Insert, InsertMode, KeySpec, Maintain,
        Merge, MergeAction, MergeKind, ObjectPath, Position, ReplaceOn, SchemaFilter, Show, Statement, Statistics,
        TableChange, TableFilter, Turn,
    },
    cast::{date_and_time, java_float},
    dialect::cast_expr,
    functions::{CallContext, is_builtin},
    lexer::{Lexed, lex},
    names::Spelling,
    params::{Parameter, Parameters},
    parser::{expr_of_text, parse},
    print::{names_in, respell_text},
    rewrite::{
        DUPLICATE, Rewriter, Routine, TableUse, check_body, display_names, find_tables, inline_calls, relation_name,
    },
    sum::sum,
    types::{SqlTypes, arrow_of_delta, column_type_text, delta_type_text, type_of_text},
    udf::{cast_to_type, fit_length, not_null, scalar_functions},
    wildcard::{Wild, fits},
};
