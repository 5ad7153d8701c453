//! Listings come in pages: `{"items": [...], "next": cursor or null}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A page of a listing.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// What to give as `after` for the next page.
    next: Option<String>,
}

impl<T> Page<T> {
    /// A page that was cut to size already.
    pub(crate) fn new(items: Vec<T>, next: Option<String>) -> Page<T> {
        Page { items, next }
    }

    /// The first `limit` of the `items` that are left; `key` makes an item's cursor.
    pub(crate) fn first(
        items: impl IntoIterator<Item = T>,
        limit: u32,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        let mut items = items.into_iter();
        let page: Vec<T> = items.by_ref().take(limit as usize).collect();
        let next = items.next().and_then(|_| page.last().map(key));
        Page { items: page, next }
    }

    /// The same page of what `f` makes of the items.
    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_that_leaves_something_out_has_a_next() {
        let page = |n: u32| {
            let page = Page::first(0..n, 3, u32::to_string);
            (page.items.len(), page.next)
        };
        assert_eq!(page(0), (0, None));
        assert_eq!(page(3), (3, None));
        assert_eq!(page(4), (3, Some("2".to_owned())));
    }
}
