//! Answers side by side, and beside the published ones.

use arrow::datatypes::SchemaRef;
use twinhouse::{Error, ErrorKind, Result};

/// One query's rows as text, and how long it took.
pub(super) struct Answer {
    pub(super) name: &'static str,
    pub(super) schema: SchemaRef,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) elapsed: std::time::Duration,
}

/// Compares two warehouses' answers cell by cell, numbers to the hundredth: the last digit that the benchmark
/// defines (clause 2.1.3.5).
pub(super) fn agree(one: &Answer, other: &Answer) -> Result<()> {
    let differs = |what: String| {
        Err(Error::new(ErrorKind::Data, "the two warehouses do not agree")
            .with_context("query", one.name)
            .with_context("at", what))
    };
    if one.rows.len() != other.rows.len() {
        return differs(format!("{} rows against {}", one.rows.len(), other.rows.len()));
    }
    for (index, (left, right)) in one.rows.iter().zip(&other.rows).enumerate() {
        for (column, (left, right)) in one.schema.fields().iter().zip(left.iter().zip(right)) {
            if to_hundredths(left) != to_hundredths(right) {
                return differs(format!("row {}, {}: {left} against {right}", index + 1, column.name()));
            }
        }
    }
    Ok(())
}

/// Compares the first rows with those that the specification publishes for scale factor 1.
pub(super) fn as_published(answer: &Answer) -> Result<()> {
    let Some((_, published)) = PUBLISHED.iter().find(|(name, _)| *name == answer.name) else { return Ok(()) };
    for (row, wanted) in answer.rows.iter().zip(*published) {
        for (cell, wanted) in row.iter().zip(*wanted) {
            if to_hundredths(cell) != to_hundredths(wanted) {
                return Err(Error::new(ErrorKind::Data, "not the published answer")
                    .with_context("query", answer.name)
                    .with_context("wanted", *wanted)
                    .with_context("got", cell));
            }
        }
    }
    if answer.rows.len() < published.len() {
        return Err(
            Error::new(ErrorKind::Data, "rows of the published answer are missing").with_context("query", answer.name)
        );
    }
    Ok(())
}

/// Rounds a plain decimal number half up to two places; leaves everything else as it is.
fn to_hundredths(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let Some(number) = plain.then(|| format!("{whole}{:0<3}", &fraction[..fraction.len().min(3)])) else {
        return text.to_owned();
    };
    let Ok(thousandths) = number.parse::<i128>() else { return text.to_owned() };
    let hundredths = (thousandths + 5) / 10;
    if hundredths == 0 { "0.00".to_owned() } else { format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100) }
}

type Rows = &'static [&'static [&'static str]];

/// The validation output printed in the specification (clause 2.4, "Sample Output" and the qualification answers), as
/// far as it is printed there: leading rows.
const PUBLISHED: [(&str, Rows); 8] = [
    (
        "Q1",
        &[
            &[
                "A",
                "F",
                "37734107.00",
                "56586554400.73",
                "53758257134.87",
                "55909065222.83",
                "25.52",
                "38273.13",
                "0.05",
                "1478493",
            ],
            &[
                "N",
                "F",
                "991417.00",
                "1487504710.38",
                "1413082168.05",
                "1469649223.19",
                "25.52",
                "38284.47",
                "0.05",
                "38854",
            ],
            &[
                "N",
                "O",
                "74476040.00",
                "111701729697.74",
                "106118230307.61",
                "110367043872.50",
                "25.50",
                "38249.12",
                "0.05",
                "2920374",
            ],
            &[
                "R",
                "F",
                "37719753.00",
                "56568041380.90",
                "53741292684.60",
                "55889619119.83",
                "25.51",
                "38250.85",
                "0.05",
                "1478870",
            ],
        ],
    ),
    ("Q3", &[&["2456423", "406181.01", "1995-03-05", "0"]]),
    (
        "Q5",
        &[
            &["INDONESIA", "55502041.17"],
            &["VIETNAM", "55295087.00"],
            &["CHINA", "53724494.26"],
            &["INDIA", "52035512.00"],
            &["JAPAN", "45410175.70"],
        ],
    ),
    ("Q6", &[&["123141078.23"]]),
    ("Q10", &[&["57040", "Customer#000057040", "734235.25", "632.87", "JAPAN"]]),
    ("Q12", &[&["MAIL", "6202", "9324"], &["SHIP", "6200", "9262"]]),
    ("Q14", &[&["16.38"]]),
    ("Q18", &[&["Customer#000128120", "128120", "4722021", "1994-04-07", "544089.09", "323.00"]]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_half_up_to_hundredths_and_words_stay() {
        for (text, rounded) in [
            ("25.522005853257337", "25.52"),
            ("0.049985295838397614", "0.05"),
            ("1", "1.00"),
            ("-0.005", "-0.01"),
            ("-0.001", "0.00"),
            ("2.995", "3.00"),
            ("1995-03-05", "1995-03-05"),
            ("A", "A"),
            ("NULL", "NULL"),
        ] {
            assert_eq!(to_hundredths(text), rounded, "{text}");
        }
    }
}
