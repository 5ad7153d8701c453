//! The documentation page. It reads `/openapi.json` in the browser; nothing comes from elsewhere.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

pub(crate) async fn to_page() -> Redirect {
    Redirect::to("/docs")
}

pub(crate) async fn page() -> Response {
    asset("text/html; charset=utf-8", include_str!("docs/docs.html"))
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("docs/docs.js"))
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("docs/docs.css"))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
