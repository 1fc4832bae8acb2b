//! Statements as they may be shown: without the secrets in them.

/// What stands before a literal that is nobody's business.
const SECRETS: [&str; 6] = ["password", "secret", "token", "credential", "access_key", "authorization"];
const HIDDEN: &str = "'***'";

/// The statement with every literal hidden that a word such as PASSWORD or CREDENTIALS introduces.
pub(crate) fn masked(sql: &str) -> String {
    let mut shown = String::with_capacity(sql.len());
    // The last word, which stays in force over the small words and signs between it and its literal.
    let (mut word, mut secret, mut rest) = (String::new(), false, sql);
    while let Some(c) = rest.chars().next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c.to_ascii_lowercase());
            shown.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if !word.is_empty() {
            let small = matches!(word.as_str(), "by" | "as" | "is" | "to");
            secret = SECRETS.iter().any(|name| word.contains(name)) || (secret && small);
            word.clear();
        }
        if c == '\'' {
            let length = literal(rest);
            shown.push_str(if secret { HIDDEN } else { &rest[..length] });
            secret = false;
            rest = &rest[length..];
            continue;
        }
        secret &= c.is_whitespace() || matches!(c, '=' | '(' | ':' | '"' | '`');
        shown.push(c);
        rest = &rest[c.len_utf8()..];
    }
    shown
}

/// How many bytes the literal has that the text begins with; what has no end goes on to the last.
fn literal(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        for (sql, shown) in [
            ("select 'password' as p, 'x'", "select 'password' as p, 'x'"),
            ("create user u password 'hunter2' createdb", "create user u password '***' createdb"),
            ("COPY t FROM 's3://b/k' CREDENTIALS AS 'a=b;c=d' CSV", "COPY t FROM 's3://b/k' CREDENTIALS AS '***' CSV"),
            ("copy t from 'f' secret_access_key 'a''b' csv", "copy t from 'f' secret_access_key '***' csv"),
            ("with (credential (AWS_SESSION_TOKEN = 'x\\'y'))", "with (credential (AWS_SESSION_TOKEN = '***'))"),
            ("iam_role 'arn:aws:iam::1:role/r'", "iam_role 'arn:aws:iam::1:role/r'"),
            ("alter user u password 'never closed", "alter user u password '***'"),
            ("alter user u password 'ä\\", "alter user u password '***'"),
            ("select token, 'Grüße'", "select token, 'Grüße'"),
            ("", ""),
        ] {
            assert_eq!(masked(sql), shown);
        }
    }
}
