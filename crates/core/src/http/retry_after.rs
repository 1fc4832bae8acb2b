//! How long the server asked us to wait.

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderName, header};

/// Reads `Retry-After`: whole seconds, or a date.
///
/// A date is compared with the answer's own `Date`, so that a wrong clock on either side does no harm; without one,
/// with ours. A date in the past is no wait at all. What cannot be read is `None`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wish = text(headers, &header::RETRY_AFTER)?;
    if let Ok(seconds) = wish.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(wish).ok()?;
    let now = text(headers, &header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or(Duration::ZERO))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(HeaderName, &str)]) -> Option<Duration> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read_and_anything_else_is_no_wish() {
        let date = |text| (header::DATE, text);
        let after = |text| (header::RETRY_AFTER, text);
        for (headers, wanted) in [
            (vec![], None),
            (vec![after("0")], Some(0)),
            (vec![after(" 120 ")], Some(120)),
            (vec![after("-3")], None),
            (vec![after("soon")], None),
            (vec![after("1.5")], None),
            (vec![date("Wed, 21 Oct 2015 07:27:00 GMT"), after("Wed, 21 Oct 2015 07:28:30 GMT")], Some(90)),
            (vec![date("Wed, 21 Oct 2015 07:29:00 GMT"), after("Wed, 21 Oct 2015 07:28:30 GMT")], Some(0)),
            (vec![after("Wed, 21 Oct 2015 07:28:30 GMT")], Some(0)),
        ] {
            assert_eq!(asked(&headers), wanted.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_date_without_the_servers_own_is_measured_with_our_clock() {
        let until = SystemTime::now() + Duration::from_secs(3600);
        let wait = asked(&[(header::RETRY_AFTER, &httpdate::fmt_http_date(until))]).unwrap();
        assert!(wait > Duration::from_secs(3000) && wait <= Duration::from_secs(3600), "{wait:?}");
    }
}
