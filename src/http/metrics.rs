//! The metrics of the HTTP layer. Labels come from fixed sets, so that no client can make new series.

use std::time::Duration;

use http::Method;

/// One answered request.
pub fn request(method: &'static str, route: &str, status: u16, elapsed: Duration) {
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("gatelog_http_requests_total", &labels).increment(1);
    metrics::histogram!("gatelog_http_request_seconds", "method" => method, "route" => route.to_owned())
        .record(elapsed.as_secs_f64());
}

/// `/v1/verify` did not let somebody in, from memory or not. The reason is the problem's slug.
pub fn verify_refusal(reason: &'static str) {
    metrics::counter!("gatelog_verify_refusals_total", "reason" => reason).increment(1);
}

/// The method, from a fixed set.
pub fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
