//! Any text as the table of a provider of a user's own: a row or an error, and with a row every request has a verdict.

use inhaul_core::{
    event::{Header, UnixMillis},
    signature::{Delivery, Provider, Secret, SignRequest},
};
use toml::de::DeTable;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(table) = DeTable::parse(text) else { return };
    let provider = match Provider::from_table("acme", &table) {
        Ok(provider) => provider,
        Err(error) => {
            let inside = error.span().is_none_or(|span| span.start <= span.end && span.end <= text.len());
            assert!(inside, "the error points outside the text: {error}");
            return;
        }
    };
    let (url, body) = (Some("https://relay.example/in/x-1/hook?a=1"), &b"{\"id\":\"1\"}"[..]);
    let at = UnixMillis(1_763_970_070_000);
    let secret = Secret::new("s", "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==");
    let request =
        SignRequest { method: b"POST", url, body, at, id: Some("msg_1"), event_type: Some("call.ended") };
    let named = provider
        .headers_read()
        .map(|name| Header { name: name.to_owned().into(), value: "v1=00,t=1".into() });
    let named: Vec<Header> = named.collect();
    let headers = provider.sign(&request, &secret).unwrap_or(named);
    let delivery = Delivery { method: b"POST", url, headers: &headers, body, received_at: at };
    provider.verify(&delivery, &[secret]);
    provider.event_names(&headers, body);
}
