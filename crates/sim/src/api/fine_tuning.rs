//! Fine-tuning jobs with their events and checkpoints. Nothing is tuned.
//!
//! Called by `api.rs` (API fact sheet section 6). A job has succeeded when somebody looks at it.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::objects::{Collection, all_here, given, required, text, with};
use super::references::Places;
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/fine_tuning/jobs` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let jobs = Collection::of(Kind::FineTuningJob);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, ["jobs"]) => create(exchange, &posted(head, body)?)?,
        (&Method::GET, ["jobs"]) => jobs.list(exchange)?,
        (&Method::GET, ["jobs", id]) => jobs.look(exchange, id)?,
        (&Method::POST, ["jobs", id, "cancel"]) => jobs.cancel(exchange, id, "cancelled")?,
        (&Method::GET, ["jobs", id, "events"]) => {
            jobs.check(exchange, id)?;
            Collection::within(Kind::FineTuningEvent, id).list(exchange)?
        }
        (&Method::GET, ["jobs", id, "checkpoints"]) => {
            jobs.check(exchange, id)?;
            Collection::within(Kind::Checkpoint, id).list(exchange)?
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn create(exchange: &mut Exchange, request: &Value) -> Result<Value, ApiError> {
    let model = required(request, "model")?;
    let training = required(request, "training_file")?;
    all_here(exchange, request, FILES)?;
    let now = exchange.created();
    let tuned = format!("{model}.ft-{:06x}", exchange.rng.u32(..1 << 24));
    let members = json!({
        "model": model, "training_file": training, "validation_file": null, "status": "queued",
        "fine_tuned_model": null, "finished_at": null, "result_files": [], "error": null,
        "hyperparameters": {"n_epochs": "auto"}, "organization_id": "org-simulated", "seed": 1,
        "trained_tokens": null, "metadata": null,
    });
    let taken = &["validation_file", "hyperparameters", "seed", "metadata", "method", "suffix"];
    let members = with(members, given(request, taken));
    let done = json!({
        "status": "succeeded", "fine_tuned_model": tuned, "finished_at": now, "trained_tokens": 10,
    });
    let job = Collection::of(Kind::FineTuningJob).begin(exchange, members, done);
    let id = text(&job, "id");
    for message in ["Created fine-tuning job", "The job has successfully completed"] {
        let members = json!({"level": "info", "type": "message", "message": message, "data": null});
        Collection::within(Kind::FineTuningEvent, id).make(exchange, members);
    }
    for step in 1..=CHECKPOINTS {
        let members = json!({
            "fine_tuned_model_checkpoint": format!("{tuned}:ckpt-step-{step}"),
            "fine_tuning_job_id": id, "step_number": step, "metrics": {"train_loss": 0.5},
        });
        Collection::within(Kind::Checkpoint, id).make(exchange, members);
    }
    Ok(job)
}

const FILES: Places = &[("training_file", Kind::File), ("validation_file", Kind::File)];
const CHECKPOINTS: u32 = 2;
