//! What browsers are told of the page.

/// The page's media type.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Nothing but the style and the script of the page, and requests to where it came from.
const POLICY: &str = concat!(
    "default-src 'none'; style-src '",
    env!("STATUS_PAGE_STYLE_HASH"),
    "'; script-src '",
    env!("STATUS_PAGE_SCRIPT_HASH"),
    "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The headers of a response with the page, beside its [type](CONTENT_TYPE).
#[must_use]
pub fn headers() -> [(&'static str, &'static str); 4] {
    [
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
}
