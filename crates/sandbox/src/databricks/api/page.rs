//! Listings, a page at a time.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::reply::{ApiError, ApiResult, Query};

/// Where a listing goes on. Clients see it as an opaque word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// The last name that was listed.
    pub(super) after: String,
    /// The page for this token has no rows, only the next token.
    pub(super) empty: bool,
}

impl Token {
    pub(super) fn encode(&self) -> String {
        let kind = if self.empty { 'e' } else { 'n' };
        URL_SAFE_NO_PAD.encode(format!("{kind}{}", self.after))
    }

    pub(super) fn decode(text: &str) -> ApiResult<Self> {
        let bad = || ApiError::invalid("Invalid page token");
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?).map_err(|_| bad())?;
        match (text.strip_prefix('n'), text.strip_prefix('e')) {
            (Some(after), _) => Ok(Self { after: after.to_owned(), empty: false }),
            (_, Some(after)) => Ok(Self { after: after.to_owned(), empty: true }),
            _ => Err(bad()),
        }
    }

    /// The token that a request carries.
    pub(super) fn of(query: &Query) -> ApiResult<Option<Self>> {
        query.text("page_token").map(Self::decode).transpose()
    }
}

/// Which page of a listing is asked for.
#[derive(Clone, Debug)]
pub(super) struct Paging {
    limit: Option<usize>,
    token: Option<Token>,
    empty_pages: bool,
}

impl Paging {
    /// Reads `max_results`: 0 leaves the choice to the server, nothing asks for everything at once.
    pub(super) fn of(query: &Query, server_page: usize, empty_pages: bool) -> ApiResult<Self> {
        let limit = query.count("max_results")?;
        let limit = limit.map(|wanted| if wanted == 0 { server_page } else { wanted.min(server_page) });
        Ok(Self { limit, token: Token::of(query)?, empty_pages })
    }

    /// The same, and never more than a server's page.
    pub(super) fn capped(mut self, server_page: usize) -> Self {
        self.limit.get_or_insert(server_page);
        self
    }

    /// Cuts the page out of all names, which are in order, and says where the next one begins.
    pub(super) fn cut(&self, names: Vec<String>) -> (Vec<String>, Option<String>) {
        if let Some(token) = self.token.as_ref().filter(|token| token.empty) {
            return (Vec::new(), Some(Token { empty: false, ..token.clone() }.encode()));
        }
        let after = self.token.as_ref().map(|token| token.after.as_str());
        let mut page: Vec<String> =
            names.into_iter().filter(|name| after.is_none_or(|after| name.as_str() > after)).collect();
        let Some(limit) = self.limit.filter(|limit| *limit < page.len()) else { return (page, None) };
        page.truncate(limit);
        // Once for each listing is enough for a client to fall over it.
        let empty = self.empty_pages && self.token.is_none();
        let next = page.last().map(|last| Token { after: last.clone(), empty }.encode());
        (page, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["a", "b", "c", "d", "e"].map(str::to_owned).into()
    }

    fn walk(limit: usize, empty_pages: bool) -> Vec<Vec<String>> {
        let (mut pages, mut token) = (Vec::new(), None);
        loop {
            let paging = Paging { limit: Some(limit), token, empty_pages };
            let (page, next) = paging.cut(names());
            pages.push(page);
            match next {
                Some(next) => token = Some(Token::decode(&next).unwrap()),
                None => return pages,
            }
        }
    }

    #[test]
    fn one_page_of_a_listing_is_empty_and_nothing_is_lost_or_told_twice() {
        let pages = walk(2, true);
        assert_eq!(pages.concat(), names());
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2, 1]);
        assert_eq!(walk(2, false).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(walk(5, true), [names()]);
    }

    #[test]
    fn a_token_that_nobody_gave_out_is_refused() {
        for bad in ["", "eA", "%%%", "eGFiYw"] {
            assert!(Token::decode(bad).is_err(), "{bad}");
        }
        let token = Token { after: "é'%`".to_owned(), empty: true };
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
    }
}
