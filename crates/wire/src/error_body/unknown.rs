//! Whether a region says that it does not know an object that a request names (API fact sheet 4.1, 6).

use super::ErrorFacts;

impl ErrorFacts {
    /// Whether a 400 or 404 says that an object that the request names by its id is not in this region, where
    /// it may well be in another one.
    ///
    /// A 404 that says nothing, or nothing that can be read, is taken for one: every region is to be asked
    /// before it is believed. One that says that a deployment, a model or a route is lacking is none
    /// ([`is_lacking`](Self::is_lacking)), nor is a 400 that blames anything else.
    #[must_use]
    pub fn names_unknown(&self, status: u16) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        match status {
            400 => CODES.contains(&code) || is_told(message),
            404 if self.is_lacking(status) || self.is_of_model(code, message) => false,
            404 => {
                let says_no_code = matches!(code, "" | "404");
                CODES.contains(&code)
                    || is_not_found(code)
                    || is_told(message)
                    || says_no_code && (message.is_empty() || speaks_of_absence(message))
            }
            _ => false,
        }
    }

    /// Whether what is not found is a model or a deployment: other servers say so in their own ways (API fact sheet 12).
    fn is_of_model(&self, code: &str, message: &str) -> bool {
        MODEL_CODES.iter().any(|known| known.eq_ignore_ascii_case(code))
            || self.param.as_deref() == Some("model")
            || ["The model ", "model "].iter().any(|begin| message.starts_with(begin))
    }
}

/// `not_found`, `NotFound`, `notFound` as Azure spells it of files and fine-tuning jobs, and those that say of
/// what, like `container_not_found`.
fn is_not_found(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.ends_with("not_found") || code.ends_with("notfound")
}

fn speaks_of_absence(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ABSENCE.iter().any(|words| message.contains(words))
}

/// Whether the message is of a known form for an object that is not here, and of nothing else.
fn is_told(message: &str) -> bool {
    message.contains("could not be decrypted or parsed")
        || message.starts_with("No ") && message.contains(" found with id")
        || message.starts_with("No such ") && message.contains(" object")
        || OBJECTS.iter().any(|object| message.starts_with(object)) && speaks_of_absence(message)
}

/// What alone says it.
const CODES: [&str; 2] = ["previous_response_not_found", "invalid_encrypted_content"];

/// What is no object, in any case.
const MODEL_CODES: [&str; 3] = ["model_not_found", "ModelNotFound", "DeploymentNotFound"];

/// Words for what is not there, in small letters.
const ABSENCE: [&str; 4] = ["not found", "no such", "does not exist", "could not be found"];

/// How a message begins that names an object which is not here.
const OBJECTS: [&str; 8] = [
    "Item with id ",
    "Response with id ",
    "Previous response with id ",
    "Conversation with id ",
    "Vector store with id ",
    "Container ",
    "Batch ",
    "File ",
];

#[cfg(test)]
mod tests {
    use crate::error_body::read_error;

    fn names_unknown(status: u16, body: &str) -> bool {
        read_error(body.as_bytes()).names_unknown(status)
    }

    #[test]
    fn an_object_of_another_region_is_known_by_code_or_by_text() {
        for body in [
            r#"{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}"#,
            r#"{"error":{"message":"The encrypted content gAAA… could not be verified. Reason: Encrypted content could not be decrypted or parsed.","type":"invalid_request_error","param":null,"code":"invalid_encrypted_content"}}"#,
            r#"{"error":{"message":"Encrypted content could not be decrypted or parsed.","code":null}}"#,
            r#"{"error":{"message":"Item with id 'rs_1' not found.","type":"invalid_request_error","param":"input","code":null}}"#,
            r#"{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"id","code":null}}"#,
            r#"{"error":{"message":"No thread found with id 'thread_1'.","type":"invalid_request_error","param":null,"code":null}}"#,
            r#"{"error":{"message":"No assistant found with id 'asst_1'.","type":"invalid_request_error"}}"#,
            r#"{"error":{"message":"No batch found with id 'batch_1'.","type":"invalid_request_error"}}"#,
            r#"{"error":{"message":"Vector store with id ['vs_1'] not found.","code":null}}"#,
            r#"{"error":{"message":"Response with id 'resp_1' not found.","code":null}}"#,
            r#"{"error":{"message":"Conversation with id 'conv_1' not found.","code":null}}"#,
            r#"{"error":{"message":"Container with id 'cntr_1' not found.","code":null}}"#,
            r#"{"error":{"message":"Container cntr_1 is not found","code":null}}"#,
            r#"{"error":{"message":"Batch batch_1 not found","code":null}}"#,
            r#"{"error":"No thread found with id 'thread_1'."}"#,
        ] {
            for status in [400, 404] {
                assert!(names_unknown(status, body), "{status} {body}");
            }
            for status in [200, 401, 409, 422, 429, 500] {
                assert!(!names_unknown(status, body), "{status} {body}");
            }
        }
    }

    #[test]
    fn a_404_is_of_an_object_unless_it_says_otherwise() {
        for body in [
            "",
            "<html><body>404 Not Found</body></html>",
            "not found",
            "{}",
            r#"{"detail":"Not Found"}"#,
            r#"{"error":{}}"#,
            r#"{"error":{"code":"404","message":"The requested video could not be found."}}"#,
            r#"{"error":{"code":404,"message":"Eval eval_1 does not exist"}}"#,
            r#"{"error":{"code":"not_found","message":"Upload upload_1 not found"}}"#,
            r#"{"error":{"code":"NotFound","message":"Fine tuning job not found."}}"#,
            r#"{"error":{"code":"container_not_found","message":"It has expired."}}"#,
            r#"{"error":{"code":"not_found"}}"#,
            r#"{"error":{"code":null,"message":"no such skill"}}"#,
            r#"{"statusCode":404,"message":"The job does not exist"}"#,
            r#"{"code":"NotFound","message":"Skill not found"}"#,
            // the code of Azure's files and fine-tuning jobs
            r#"{"error":{"code":"notFound","message":"The specified file was not found."}}"#,
            r#"{"error":{"code":"notFound","message":"It is gone."}}"#,
            r#"{"error":{"code":"resourceNotFound","message":"It is gone."}}"#,
            r#"{"error":{"code":"ResourceNotFound"}}"#,
            r#"{"error":{"code":"NOT_FOUND"}}"#,
        ] {
            assert!(names_unknown(404, body), "{body}");
            assert!(!names_unknown(400, body), "{body}");
        }
    }

    #[test]
    fn what_else_is_wrong_names_no_object() {
        for body in [
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}"#,
            r#"{"error":{"code":"deploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            r#"{"error":{"code":"modelNotFound","message":"It does not exist."}}"#,
            r#"{"error":{"code":"404","message":"Resource not found"}}"#,
            r#"{"error":{"code":"notFound","message":"Resource not found"}}"#,
            r#"{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            r#"{"error":{"message":"The model `gpt-9` does not exist.","type":"NotFoundError","param":"model","code":404}}"#,
            r#"{"error":{"message":"model 'llama9' not found, try pulling it first","type":"api_error","param":null,"code":null}}"#,
            r#"{"error":{"message":"Invalid URL (POST /v1/nothing)","type":"invalid_request_error","param":null,"code":null}}"#,
            r#"{"error":{"code":"OperationNotSupported","message":"The file search tool does not exist with this model."}}"#,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400}}"#,
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","code":"context_length_exceeded"}}"#,
            r#"{"error":{"message":"No tool call found for function call output with call_id call_1.","type":"invalid_request_error","param":"input","code":null}}"#,
            r#"{"error":{"message":"Invalid schema for function 'f': $ref '#/$defs/x' not found.","type":"invalid_request_error","param":"tools[0]","code":"invalid_function_parameters"}}"#,
            r#"{"error":{"message":"Invalid 'input[0].id': 'x'. Expected an ID that begins with 'rs'.","code":"invalid_value"}}"#,
        ] {
            for status in [400, 404] {
                assert!(!names_unknown(status, body), "{status} {body}");
            }
        }
        let html = "<html>400</html>";
        assert!(!names_unknown(400, html) && !names_unknown(400, ""));
    }
}
