//! Whether a request carries the region's key.
//!
//! `api-key` or `Authorization: Bearer`, and for WebSockets also the query and the subprotocol
//! (API fact sheet sections 2.1 and 7). A wrong credential gets the body of section 4.1.

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use super::errors::ApiError;
use super::operation::Operation;
use super::route::Route;

/// Lets a request with the region's key pass.
pub(crate) fn check(key: &str, route: &Route, headers: &HeaderMap) -> Result<(), ApiError> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let given = headers
        .get("api-key")
        .and_then(|value| value.to_str().ok())
        .or(bearer)
        .or_else(|| realtime_key(route, headers));
    match given {
        Some(given) if given == key => Ok(()),
        _ if !route.is_azure() => Err(ApiError::WrongOpenAiKey),
        _ if bearer.is_some() => Err(ApiError::WrongToken),
        _ => Err(ApiError::WrongKey),
    }
}

fn realtime_key<'a>(route: &'a Route, headers: &'a HeaderMap) -> Option<&'a str> {
    if route.operation != Operation::Realtime {
        return None;
    }
    let protocols = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let subprotocol = protocols
        .into_iter()
        .flat_map(|protocols| protocols.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix("openai-insecure-api-key."));
    route.query("api-key").or(subprotocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(target: &str, headers: &[(&'static str, &'static str)]) -> Result<(), ApiError> {
        let route = Route::read(&target.parse().unwrap());
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        check("secret", &route, &headers)
    }

    #[test]
    fn each_form_of_the_key_passes() {
        assert!(answer("/openai/v1/models", &[("api-key", "secret")]).is_ok());
        assert!(answer("/v1/models", &[("authorization", "Bearer secret")]).is_ok());
        assert!(answer("/openai/v1/realtime?api-key=secret", &[]).is_ok());
        let protocol = ("sec-websocket-protocol", "realtime, openai-insecure-api-key.secret");
        assert!(answer("/v1/realtime", &[protocol]).is_ok());
    }

    #[test]
    fn anything_else_is_refused_in_the_way_of_its_dialect() {
        let v1 = "/openai/v1/models";
        assert!(matches!(answer(v1, &[]), Err(ApiError::WrongKey)));
        assert!(matches!(answer(v1, &[("api-key", "Secret")]), Err(ApiError::WrongKey)));
        let token = ("authorization", "Bearer other");
        assert!(matches!(answer(v1, &[token]), Err(ApiError::WrongToken)));
        assert!(matches!(answer("/v1/models", &[token]), Err(ApiError::WrongOpenAiKey)));
        assert!(matches!(answer("/v1/models?api-key=secret", &[]), Err(ApiError::WrongOpenAiKey)));
    }
}
