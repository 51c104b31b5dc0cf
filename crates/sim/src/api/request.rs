//! Steps that the handlers of model operations share: read the body, find the deployment.
//!
//! The deployment is in the path (classic) or in the body's `model`; what the region does not
//! have is 404 `DeploymentNotFound` (API fact sheet section 4.1).

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::errors::ApiError;
use crate::deployment::Deployment;
use crate::exchange::Exchange;

/// A JSON object that was posted.
pub(crate) fn posted(head: &Parts, body: &Bytes) -> Result<Value, ApiError> {
    if head.method != Method::POST {
        return Err(ApiError::NoRoute);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err(ApiError::Malformed("expected a JSON object".to_owned())),
        Err(error) => Err(ApiError::Malformed(error.to_string())),
    }
}

/// The same where the body may be left out, which stands for an empty object.
pub(crate) fn posted_or_empty(head: &Parts, body: &Bytes) -> Result<Value, ApiError> {
    if body.is_empty() { Ok(json!({})) } else { posted(head, body) }
}

/// The same as a type that ignores what it does not know.
pub(crate) fn typed<T: DeserializeOwned>(request: &Value) -> Result<T, ApiError> {
    T::deserialize(request).map_err(|error| ApiError::Malformed(error.to_string()))
}

/// The deployment that the path names, or else the body.
pub(crate) fn deployment(exchange: &Exchange, model: Option<&str>) -> Result<Deployment, ApiError> {
    let name = exchange.route.deployment.as_deref().or(model).ok_or(ApiError::Missing("model"))?;
    exchange.world.deployment(name).cloned().ok_or(ApiError::NoDeployment)
}
