//! Rows as the service writes them.

use serde_json::{Value, json};

use super::{
    super::{Aws, answer::Failure, call::Call},
    statement::{Format, Status},
};
use crate::redshift::Column;

/// The service's name of a type.
fn type_name(oid: u32) -> &'static str {
    match oid {
        16 => "bool",
        17 | 6551 => "varbyte",
        18 => "char",
        19 => "name",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        25 => "text",
        26 => "oid",
        700 => "float4",
        701 => "float8",
        1042 => "bpchar",
        1082 => "date",
        1083 => "time",
        1114 => "timestamp",
        1184 => "timestamptz",
        1186 => "interval",
        1266 => "timetz",
        1700 => "numeric",
        3000 => "geometry",
        4000 => "super",
        _ => "varchar",
    }
}

/// One value: exactly one key.
pub(super) fn field(value: Option<String>, oid: u32) -> Value {
    let Some(text) = value else { return json!({ "isNull": true }) };
    match oid {
        16 => json!({ "booleanValue": text == "t" }),
        20 | 21 | 23 | 26 => match text.parse::<i64>() {
            Ok(number) => json!({ "longValue": number }),
            Err(_) => json!({ "stringValue": text }),
        },
        700 | 701 => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => json!({ "doubleValue": number }),
            // JSON has no such numbers; AWS's protocols write them as text.
            Ok(_) => json!({ "doubleValue": text }),
            Err(_) => json!({ "stringValue": text }),
        },
        _ => json!({ "stringValue": text }),
    }
}

/// One row of CSV. What is empty is NULL, and an empty text is quoted.
pub(super) fn line(values: &[Option<String>]) -> String {
    let field = |value: &Option<String>| match value {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.clone(),
    };
    let mut line = values.iter().map(field).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

pub(super) fn column(column: &Column) -> Value {
    let packed = column.modifier.checked_sub(4).filter(|packed| *packed >= 0);
    let (precision, scale, length) = match (column.oid, packed) {
        (1700, Some(packed)) => (packed >> 16, packed & 0x7ff, 0),
        (1042 | 1043, Some(length)) => (length, 0, length),
        _ => (0, 0, 0),
    };
    json!({
        "name": column.name,
        "label": column.name,
        "typeName": type_name(column.oid),
        "nullable": 1,
        "precision": precision,
        "scale": scale,
        "length": length,
        "schemaName": "",
        "tableName": "",
        "isCaseSensitive": matches!(column.oid, 25 | 1042 | 1043),
        "isCurrency": false,
        "isSigned": matches!(column.oid, 20 | 21 | 23 | 700 | 701 | 1700),
    })
}

/// A page of a result. Each of the two calls hands out one format.
pub(super) fn page(aws: &Aws, call: &Call, format: Format) -> Result<Value, Failure> {
    let id = call.required("Id")?;
    let (statement, part) = aws.data_api.find(id)?;
    if statement.format != format {
        let other = if format == Format::Json { "GetStatementResultV2" } else { "GetStatementResult" };
        let message = format!("The result is in {}: use {other} to fetch it.", statement.format.name());
        return Err(Failure::invalid(message));
    }
    if part.is_none() && statement.is_batch {
        let message = "Query is a batch; name one of its statements as Id:number.";
        return Err(Failure::invalid(message));
    }
    let number = match call.text("NextToken") {
        None => 0,
        Some(token) => token.parse().map_err(|_| Failure::invalid("The token NextToken is not valid."))?,
    };
    let course = statement.parts[part.unwrap_or(0)].lock();
    if course.status != Status::Finished {
        let message = format!("Query is not in FINISHED state: {}.", course.status.name());
        return Err(Failure::invalid(message));
    }
    let with_rows = course.outcome.as_ref().and_then(|outcome| Some((outcome, outcome.columns.as_ref()?)));
    let Some((outcome, columns)) = with_rows else {
        return Err(super::not_found("Query does not have result. Please check query status with DescribeStatement."));
    };
    let page = outcome.page(number).map_err(|error| Failure::internal(&error.to_string()))?;
    let (records, more) = page.ok_or_else(|| Failure::invalid("The token NextToken is not valid."))?;
    let mut answer = json!({
        "Records": records,
        "ColumnMetadata": columns.iter().map(column).collect::<Vec<_>>(),
        "TotalNumRows": outcome.rows,
    });
    if format == Format::Csv {
        answer["ResultFormat"] = json!(format.name());
    }
    if more {
        answer["NextToken"] = json!((number + 1).to_string());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_csv_keeps_null_apart_from_empty_text() {
        let value = |text: &str| Some(text.to_owned());
        let values = [value("a"), None, value(""), value("b,\"c\"\n"), value(" d ")];
        assert_eq!(line(&values), "a,,\"\",\"b,\"\"c\"\"\n\", d \r\n");
        assert_eq!(line(&[None]), "\r\n");
    }
}
