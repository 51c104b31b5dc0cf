//! Models: what the region has, one by one or all.
//!
//! Called by `api.rs`. Lists deployments by name: what a client may give as `model`.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use crate::body::RegionBody;
use crate::deployment::Deployment;
use crate::exchange::Exchange;

/// Answers `GET …/models` and `GET …/models/{id}`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::GET, []) => {
            let data: Vec<Value> = exchange.world.deployments.iter().map(object).collect();
            json!({"object": "list", "data": data})
        }
        (&Method::GET, [id]) => {
            let found = exchange.world.deployment(id);
            object(found.ok_or_else(|| ApiError::NoModel((*id).to_owned()))?)
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn object(deployment: &Deployment) -> Value {
    json!({
        "id": deployment.name, "object": "model", "created": CREATED, "owned_by": "nearway-sim",
    })
}

/// 2024-11-20, as good a day as any.
const CREATED: u64 = 1_732_060_800;
