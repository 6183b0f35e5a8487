//! What senders hear: answers of the relay's own, and those of the application as it gave them.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use http_body_util::Full;
use inhaul_core::{
    event::{EventId, Head},
    session::AppAnswer,
    signature::ChallengeAnswer,
    visible::visible,
};
use uuid::Uuid;

use super::{Ingest, RETRY_SOON, SOURCE_HEADER, answer_of_type, relay_answer};

impl Ingest {
    /// The relay's own good answer: the event is stored.
    pub(super) fn accepted(&self, status: StatusCode, id: EventId) -> Response<Full<Bytes>> {
        self.metrics.answered("relay", status.as_u16());
        let mut id_text = Uuid::encode_buffer();
        let id = id.0.as_hyphenated().encode_lower(&mut id_text);
        let text = ["{\"id\":\"", id, "\"}\n"].concat();
        answer_of_type(status, text.into(), HeaderValue::from_static("application/json"))
    }

    /// The answer to a provider's question.
    pub(super) fn challenge_answer(
        &self,
        answer: &ChallengeAnswer,
        method: &Method,
    ) -> Response<Full<Bytes>> {
        let headers = Head::write_headers(&answer.headers).into();
        match passed_on(answer.status, &headers, answer.body.clone().into(), method) {
            Ok(mut response) => {
                self.metrics.answered("relay", answer.status);
                response.headers_mut().insert(SOURCE_HEADER, HeaderValue::from_static("relay"));
                response
            }
            Err(reason) => self.come_again(StatusCode::BAD_GATEWAY, reason),
        }
    }

    pub(super) fn come_again(&self, status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
        self.metrics.answered("relay", status.as_u16());
        let mut response = relay_answer(status, text);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SOON.as_secs()));
        response
    }

    pub(super) fn app_answer(
        &self,
        answer: AppAnswer,
        id: EventId,
        method: &Method,
    ) -> Response<Full<Bytes>> {
        match answer {
            AppAnswer::Answered { status, headers, body } => {
                match passed_on(status, &headers, body, method) {
                    Ok(response) => {
                        self.metrics.answered("app", status);
                        response
                    }
                    Err(reason) => self.come_again(StatusCode::BAD_GATEWAY, reason),
                }
            }
            AppAnswer::Unreachable { reason } => {
                // Why is between the client and its user; a sender is anybody.
                tracing::debug!(event = %id, reason = %visible(&reason), "the app could not be asked");
                self.come_again(StatusCode::BAD_GATEWAY, "the app could not be asked\n")
            }
            AppAnswer::TimedOut => {
                self.come_again(StatusCode::GATEWAY_TIMEOUT, "the app gave no answer in time\n")
            }
            AppAnswer::NoApp => self.accepted(StatusCode::OK, id),
            AppAnswer::Rejected(reason) => {
                self.metrics.answered("relay", StatusCode::UNAUTHORIZED.as_u16());
                relay_answer(StatusCode::UNAUTHORIZED, format!("{}\n", reason.text()))
            }
        }
    }
}

/// The app's answer as an answer of this relay: every end-to-end header in order, with duplicates.
fn passed_on(
    status: u16,
    headers: &Bytes,
    body: Bytes,
    method: &Method,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or("the app's answer has no usable status\n")?;
    let lines = Head::parse_headers(headers).map_err(|_| "the app's answer has malformed headers\n")?;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let out = response.headers_mut();
    for line in lines {
        let name =
            HeaderName::from_bytes(&line.name).map_err(|_| "the app's answer has malformed headers\n")?;
        // A HEAD answer's length is that of the body it leaves out (RFC 9110 §9.3.2); any other is counted anew.
        if name == CONTENT_LENGTH && *method != Method::HEAD {
            continue;
        }
        let value =
            HeaderValue::from_bytes(&line.value).map_err(|_| "the app's answer has malformed headers\n")?;
        out.append(name, value);
    }
    out.insert(SOURCE_HEADER, HeaderValue::from_static("app"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apps_answer_keeps_every_header_and_its_duplicates() {
        let headers = Bytes::from_static(
            b"Set-Cookie: a=1\r\nX-Odd: \xff\r\nSet-Cookie: b=2\r\nContent-Length: 99\r\n\r\n",
        );
        let response = passed_on(418, &headers, Bytes::from_static(b"tea"), &Method::POST).unwrap();
        assert_eq!(response.status(), 418);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(response.headers()["x-odd"].as_bytes(), b"\xff");
        assert!(!response.headers().contains_key(CONTENT_LENGTH), "it is counted anew");
        assert_eq!(response.headers()[SOURCE_HEADER], "app");
        assert!(passed_on(101, &headers, Bytes::new(), &Method::POST).is_err());
        assert!(passed_on(20, &headers, Bytes::new(), &Method::POST).is_err());
    }
}
