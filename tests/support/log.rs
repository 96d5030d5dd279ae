//! What the log holds once nothing comes by itself any more.

use serde_json::Value;

use super::{Server, until_so};

/// The head, once the claim of each account's address is confirmed, which is the last that comes by itself.
pub async fn settled_head(server: &Server, auditor: &str) -> u64 {
    let of = async |event_type: &str| {
        let path = format!("/v1/audit/events?type={event_type}");
        let page: Value = server.get_json(&path, auditor).await;
        page["items"].as_array().unwrap().len()
    };
    until_so("every claim is confirmed", async || {
        of("EmailClaimConfirmed").await == of("UserRegistered").await
    })
    .await;
    let page: Value = server.get_json("/v1/audit/events?limit=1", auditor).await;
    page["head"].as_u64().unwrap()
}
