//! Evals, their runs, and one output item of each run. Nothing is evaluated.
//!
//! Called by `api.rs` (API fact sheet section 6). A run is done when somebody looks at it.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::objects::{Collection, all_here, given, text, with};
use super::references::Places;
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/evals` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let evals = Collection::of(Kind::Eval);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let request = posted(head, body)?;
            let usual = json!({"name": null, "metadata": {}});
            evals.make(exchange, with(usual, given(&request, MEMBERS)))
        }
        (&Method::GET, []) => evals.list(exchange)?,
        (&Method::GET, [id]) => evals.look(exchange, id)?,
        (&Method::POST, [id]) => {
            evals.change(exchange, id, &given(&posted(head, body)?, &["name", "metadata"]))?
        }
        (&Method::DELETE, [id]) => with(evals.delete(exchange, id)?, json!({"eval_id": id})),
        (_, [id, "runs", rest @ ..]) => {
            evals.check(exchange, id)?;
            runs(exchange, head, body, (id, rest))?
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn runs(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
    (eval, rest): (&str, &[&str]),
) -> Result<Value, ApiError> {
    let runs = Collection::within(Kind::EvalRun, eval);
    match (&head.method, rest) {
        (&Method::POST, []) => create(exchange, eval, &posted(head, body)?),
        (&Method::GET, []) => runs.list(exchange),
        (&Method::GET, [id]) => runs.look(exchange, id),
        (&Method::POST, [id] | [id, "cancel"]) => runs.cancel(exchange, id, "canceled"),
        (&Method::DELETE, [id]) => Ok(with(runs.delete(exchange, id)?, json!({"run_id": id}))),
        (&Method::GET, [id, "output_items", rest @ ..]) => {
            runs.check(exchange, id)?;
            let items = Collection::within(Kind::OutputItem, id);
            match rest {
                [] => items.list(exchange),
                [item] => items.look(exchange, item),
                _ => Err(ApiError::NoRoute),
            }
        }
        _ => Err(ApiError::NoRoute),
    }
}

fn create(exchange: &mut Exchange, eval: &str, request: &Value) -> Result<Value, ApiError> {
    all_here(exchange, request, SOURCE)?;
    let counts = |passed| json!({"total": passed, "passed": passed, "failed": 0, "errored": 0});
    let usual = json!({
        "eval_id": eval, "status": "queued", "name": null, "metadata": {}, "error": null,
        "result_counts": counts(0), "per_testing_criteria_results": [], "per_model_usage": [],
        "report_url": "https://simulated.invalid/report", "model": "simulated",
    });
    let members = with(usual, given(request, &["name", "metadata", "data_source"]));
    let done = json!({"status": "completed", "result_counts": counts(1)});
    let run = Collection::within(Kind::EvalRun, eval).begin(exchange, members, done);
    let id = text(&run, "id");
    let item = json!({
        "eval_id": eval, "run_id": id, "status": "pass", "datasource_item_id": 0,
        "datasource_item": {}, "results": [], "sample": null,
    });
    Collection::within(Kind::OutputItem, id).make(exchange, item);
    Ok(run)
}

const MEMBERS: &[&str] = &["name", "metadata", "data_source_config", "testing_criteria"];
const SOURCE: Places = &[("data_source.source.id", Kind::File)];
