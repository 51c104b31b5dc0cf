//! Files belong to one region.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use nearway_sim::RegionWorld;

use crate::harness::{KEY, eastus, form, multipart, read, request, start};

fn upload(purpose: &str, content: &str) -> Request<Full<Bytes>> {
    let form = form(&[("purpose", purpose)], ("file", "a.txt", content));
    multipart("/openai/v1/files", form)
}

#[tokio::test]
async fn a_file_lives_in_its_region_until_deleted() {
    let westus = RegionWorld::new("westus", KEY);
    let running = start(vec![eastus(), westus]).await;
    let made = running.whole(upload("batch", "hello")).await.json();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("file-"), "{id}");
    assert_eq!((made["bytes"].as_u64(), made["filename"].as_str()), (Some(5), Some("a.txt")));

    let one = format!("/openai/v1/files/{id}");
    let content = format!("{one}/content");
    assert_eq!(running.get(&one).await.json(), made);
    assert_eq!(running.get(&content).await.body, "hello");
    let list = running.get("/openai/v1/files").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);

    let elsewhere = request(Method::GET, &one, "");
    let elsewhere = read(running.send_to(running.address_of(1), elsewhere).await.unwrap()).await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(elsewhere.json()["error"]["message"], format!("No such File object: {id}"));

    let deleted = running.whole(request(Method::DELETE, &one, "")).await;
    assert_eq!(deleted.json()["deleted"], true);
    assert_eq!(running.get(&one).await.status, 404);
}

#[tokio::test]
async fn azure_marks_the_files_of_assistants() {
    let running = start(vec![eastus()]).await;
    let made = running.whole(upload("assistants", "x")).await.json();
    assert!(made["id"].as_str().unwrap().starts_with("assistant-"));
    let others = running.get("/openai/v1/files?purpose=batch").await.json();
    assert_eq!(others["data"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn audio_needs_its_model_and_its_file() {
    let mut region = eastus();
    region.deployments.push(nearway_sim::Deployment::new("whisper"));
    let running = start(vec![region]).await;
    let form = |fields: &str| {
        let body = format!("{fields}--xyz--\r\n");
        let mut request = request(Method::POST, "/v1/audio/transcriptions", body);
        let kind = "multipart/form-data; boundary=xyz".parse().unwrap();
        request.headers_mut().insert("content-type", kind);
        request
    };
    let model = "--xyz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n";
    let file = "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
                \r\nRIFF\r\n";
    let heard = running.whole(form(&format!("{model}{file}"))).await;
    assert_eq!(heard.json()["text"], "Hello from East US.");
    assert_eq!(running.whole(form(file)).await.json()["error"]["param"], "model");
    assert_eq!(running.whole(form(model)).await.json()["error"]["param"], "file");
}
