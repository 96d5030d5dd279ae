//! `GET /v1/admin/users`: accounts, newest first, or those that are looked for.
//!
//! Addresses are sealed, each under a key of its own, so an account is found by the whole address, through its keyed
//! hash, and never by a part of one.

use std::sync::Arc;

use aggregates::values::{EmailAddress, Role, UserId};
use axum::extract::State;
use projections::email_claims;
use projections::page::Page;
use projections::users::{self, Search, UserRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::{AdminUserView, view};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::extract::{Paging, Params, encode_cursor};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::InlineRead;

/// As much of an identifier as tells about a minute of registrations.
const ID_DIGITS_MIN: usize = 8;
const ID_DIGITS: usize = 32;

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// A whole address, or the beginning of an identifier (8 digits or more). Without it: all.
    query: Option<String>,
    /// Only those with this role.
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// `active` or `disabled`: only those.
    #[param(value_type = Option<String>)]
    state: Option<StateName>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u32>,
    /// Where the page before ended; opaque.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Active,
    Disabled,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUserPage)]
pub struct AdminUserPage {
    items: Vec<AdminUserView>,
    next_cursor: Option<String>,
}

/// Accounts, newest first.
#[utoipa::path(
    get, path = "/v1/admin/users", tag = "administration", operation_id = "admin_list_users", params(Selection),
    responses(
        (status = 200, body = AdminUserPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    _: InlineRead,
    Params(query): Params<Selection>,
) -> Result<axum::Json<AdminUserPage>, Problem> {
    let page = find(&app, query).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in &page.items {
        match view(&app, row).await {
            Ok(shown) => items.push(shown),
            // Its key was destroyed after the page was read.
            Err(problem) if problem.kind == Kind::NotFound => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(axum::Json(AdminUserPage {
        items,
        next_cursor: page.next.as_ref().map(encode_cursor),
    }))
}

async fn find(app: &App, selection: Selection) -> Result<Page<UserRow>, Problem> {
    let paging = Paging {
        limit: selection.limit,
        cursor: selection.cursor,
    };
    let (limit, cursor) = (paging.limit()?, paging.cursor()?);
    let mut search = Search {
        role: selection.role,
        is_disabled: selection.state.map(|state| state == StateName::Disabled),
        ids: None,
    };
    let query = selection.query.as_deref().map(str::trim);
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        search.ids = match wanted(query)? {
            Wanted::Ids(first, last) => Some((first, last)),
            Wanted::Address(email) => {
                let claim = app.vault.keyring().email_claim_id(&email);
                let Some(row) = email_claims::account(&app.database, claim).await? else {
                    return Ok(Page {
                        items: Vec::new(),
                        next: None,
                    });
                };
                Some((row.user_id, row.user_id))
            }
        };
    }
    Ok(users::search(&app.database, search, &cursor, limit).await?)
}

#[derive(Debug)]
enum Wanted {
    Address(EmailAddress),
    Ids(UserId, UserId),
}

fn wanted(query: &str) -> Result<Wanted, Problem> {
    let parsed = if query.contains('@') {
        EmailAddress::parse(query).ok().map(Wanted::Address)
    } else {
        ids(query).map(|(first, last)| Wanted::Ids(first, last))
    };
    parsed.ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            "query must be a whole address, or at least the first 8 digits of an identifier",
        )
    })
}

/// The first and the last identifier that begin so.
fn ids(query: &str) -> Option<(UserId, UserId)> {
    let digits: String = query
        .chars()
        .filter(|character| *character != '-')
        .collect();
    let is_beginning = digits.chars().all(|digit| digit.is_ascii_hexdigit())
        && (ID_DIGITS_MIN..=ID_DIGITS).contains(&digits.len());
    if !is_beginning {
        return None;
    }
    let first = Uuid::try_parse(&format!("{digits:0<ID_DIGITS$}")).ok()?;
    let last = Uuid::try_parse(&format!("{digits:f<ID_DIGITS$}")).ok()?;
    Some((first.into(), last.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_identifier_stands_for_all_that_begin_so() {
        let (first, last) = ids("0197ABCD-12").unwrap();
        assert_eq!(first.to_string(), "0197abcd-1200-0000-0000-000000000000");
        assert_eq!(last.to_string(), "0197abcd-12ff-ffff-ffff-ffffffffffff");
        let whole = "0197abcd-1200-7000-8000-000000000001";
        let (first, last) = ids(whole).unwrap();
        assert_eq!((first.to_string().as_str(), first), (whole, last));
    }

    #[test]
    fn what_is_neither_an_address_nor_such_a_beginning_is_refused() {
        for bad in [
            "ada",
            "0197abc",
            "0197abcg",
            "@",
            "a@",
            &"0".repeat(33),
            "%",
            "0197abcd%",
        ] {
            assert_eq!(
                wanted(bad).unwrap_err().kind,
                Kind::MalformedRequest,
                "{bad}"
            );
        }
        assert!(matches!(wanted("ada@example.com"), Ok(Wanted::Address(_))));
    }
}
