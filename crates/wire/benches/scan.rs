//! What runs on every request: reading the target, finding the deployment and the ids, the first content
//! token.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nearway_wire::endpoint::{self, Operation};
use nearway_wire::fields::{AnswerScan, Fields};
use nearway_wire::first_token::FirstToken;
use nearway_wire::model::{BodyKind, ModelScan};
use std::hint::black_box;
use std::sync::Arc;

const TARGET: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";
const CHUNK: &str = "data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n\n\
                     data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";

fn scan(criterion: &mut Criterion) {
    criterion.bench_function("endpoint", |b| b.iter(|| endpoint::read(black_box(TARGET)).is_ok()));
    criterion.bench_function("first_token", |b| {
        b.iter(|| FirstToken::new(Operation::ChatCompletions).feed(black_box(CHUNK.as_bytes())));
    });
    let body = format!(
        "{{\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}],\"model\":\"gpt-4o\"}}",
        "lorem ipsum ".repeat(1000)
    );
    let small = format!(
        "{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"}},\
         {{\"role\":\"user\",\"content\":\"{}\"}}],\"temperature\":0.2,\"max_tokens\":100,\"stream\":true}}",
        "lorem ipsum dolor sit amet\\n".repeat(30)
    );
    criterion.bench_function("small_body", |b| {
        b.iter(|| ModelScan::new(BodyKind::Json).feed(black_box(small.as_bytes())));
    });
    let mut group = criterion.benchmark_group("model_scan");
    group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap_or_default()));
    group.bench_function("json", |b| {
        b.iter(|| ModelScan::new(BodyKind::Json).feed(black_box(body.as_bytes())));
    });
    let fields =
        Arc::new(Fields::new(&["messages[].content[].file.file_id", "messages[].audio.id"]));
    group.bench_function("json_with_fields", |b| {
        b.iter(|| {
            let scan = ModelScan::new(BodyKind::Json);
            scan.seeking_fields(Arc::clone(&fields)).feed(black_box(body.as_bytes()))
        });
    });
    let sealed = "gAAAAABo".repeat(body.len() / 8);
    let answer = format!(
        "{{\"id\":\"resp_1\",\"output\":[{{\"id\":\"rs_1\",\"encrypted_content\":\"{sealed}\"}}]}}"
    );
    let fields = Arc::new(Fields::new(&["id", "output[].id", "output[].encrypted_content"]));
    group.bench_function("answer", |b| {
        b.iter(|| {
            let mut found = 0;
            AnswerScan::json(Arc::clone(&fields))
                .feed(black_box(answer.as_bytes()), &mut |_| found += 1);
            found
        });
    });
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
