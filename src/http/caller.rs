//! Who may call, as argument types: a handler that forgets one cannot get at the resource.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use aggregates::service_key::ServiceKeyScope;
use aggregates::values::{Role, SessionId, UserId};
use axum::extract::{ConnectInfo, FromRequestParts};
use chrono::TimeDelta;
use eventlog::DbError;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use projections::users;
use uuid::Uuid;

use super::edge::RequestId;
use super::problem::{Kind, Problem};
use super::recognised::{self, Principal};
use crate::app::{Acting, App};
use crate::ports::clock;
use crate::second_factor::demand::FactorLacking;
use crate::service_keys::{self, Presented};
use crate::token_check::Good;

/// Anyone with a good token, and with a second factor where the account must have one: it is on, and was proved in the
/// session. What leads to that takes a [`SingleFactorCaller`].
#[derive(Debug, Clone)]
pub struct Caller {
    /// The person.
    pub user_id: UserId,
    /// The session that the token belongs to.
    pub session_id: SessionId,
    /// The token and its account.
    pub good: Good,
    /// The request.
    pub request_id: Uuid,
}

impl Caller {
    /// For the events that follow from the call.
    pub fn acting(&self) -> Acting {
        Acting::person(self.user_id, self.request_id)
    }

    /// Whether a second factor was proved in the session, be it by a recovery code.
    pub fn used_second_factor(&self) -> bool {
        self.good.token.second_factor_at.is_some()
    }

    /// # Errors
    /// 403 when the last proof of identity is older than ten minutes.
    pub fn require_recent(&self) -> Result<(), Problem> {
        if clock::now() - self.good.token.auth_time <= RECENT {
            return Ok(());
        }
        Err(Problem::new(
            Kind::ReauthenticationRequired,
            "this call needs a proof of identity within the last ten minutes",
        ))
    }

    /// As [`Self::require_recent`], by the second factor: the password alone is not enough.
    ///
    /// # Errors
    /// 403 when its last proof is older than ten minutes.
    pub fn require_recent_second_factor(&self) -> Result<(), Problem> {
        let proved_at = self.good.token.second_factor_at;
        if proved_at.is_some_and(|at| clock::now() - at <= RECENT) {
            return Ok(());
        }
        Err(Problem::new(
            Kind::ReauthenticationRequired,
            "this call needs a proof of identity by the second factor within the last ten minutes",
        ))
    }
}

/// Anyone with a good token, even if a second factor that the account must have is not on or not proved yet. Only for what
/// leads to one, and for leaving.
#[derive(Debug, Clone)]
pub struct SingleFactorCaller(pub Caller);

/// As [`SingleFactorCaller`], who proved who they are within the last ten minutes.
#[derive(Debug, Clone)]
pub struct RecentSingleFactorCaller(pub Caller);

/// A caller who proved who they are within the last ten minutes; for what would help a thief of a token most.
#[derive(Debug, Clone)]
pub struct RecentCaller(pub Caller);

/// How old a proof of identity may be for a [`RecentCaller`].
const RECENT: TimeDelta = TimeDelta::minutes(10);

/// A caller whose account has the role `admin`; for what administrators read.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

/// As [`Admin`], who proved who they are within the last ten minutes, by the second factor if the account has one; for
/// what administrators write.
#[derive(Debug, Clone)]
pub struct RecentAdmin(pub Caller);

/// Whoever may read the log: an account with the role `auditor`, or a service key with the scope `audit`.
#[derive(Debug, Clone, Copy)]
pub struct Auditor;

impl FromRequestParts<Arc<App>> for SingleFactorCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let good = recognised::good(app, &parts.extensions, token).await?;
        app.last_seen.note(good.token.session_id);
        Ok(Self(Caller {
            user_id: good.token.user_id,
            session_id: good.token.session_id,
            good,
            request_id: request_id(parts)?,
        }))
    }
}

impl FromRequestParts<Arc<App>> for RecentSingleFactorCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SingleFactorCaller(caller) = SingleFactorCaller::from_request_parts(parts, app).await?;
        caller.require_recent()?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let SingleFactorCaller(caller) = SingleFactorCaller::from_request_parts(parts, app).await?;
        let required_for = app.config.tokens.second_factor_required_for;
        caller.good.require_second_factor(required_for)?;
        Ok(caller)
    }
}

impl FromRequestParts<Arc<App>> for RecentCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.require_recent()?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller.good.account.roles.contains(&Role::Admin) {
            return Ok(Self(caller));
        }
        Err(Problem::new(
            Kind::Forbidden,
            "this call needs the role admin",
        ))
    }
}

impl FromRequestParts<Arc<App>> for RecentAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Admin(caller) = Admin::from_request_parts(parts, app).await?;
        caller.require_recent()?;
        let account = users::find(&app.database, caller.user_id).await?;
        if account.is_some_and(|account| account.totp_id.is_some()) {
            caller.require_recent_second_factor()?;
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Auditor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let may = may_audit(app, token).await?;
        if let Some(principal) = may.principal() {
            recognised::note(&parts.extensions, principal);
        }
        match may {
            MayAudit::Yes(principal) => {
                if let Some(session) = principal.session_id {
                    app.last_seen.note(session);
                }
                Ok(Self)
            }
            MayAudit::No(_) => Err(Problem::new(
                Kind::Forbidden,
                "this call needs the role auditor, or a service key with the scope audit",
            )),
            MayAudit::NotYet(_, lacking) => Err(lacking.into()),
            MayAudit::Unknown(_) => Err(invalid_token()),
        }
    }
}

/// Whether a bearer token lets its holder read the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayAudit {
    /// It does.
    Yes(Principal),
    /// It is good for other things.
    No(Principal),
    /// It is good for little before the second factor that its account must have.
    NotYet(Principal, FactorLacking),
    /// It is not good; with whose it was, if that is known.
    Unknown(Option<Principal>),
}

impl MayAudit {
    /// Who holds it, or did.
    fn principal(self) -> Option<Principal> {
        match self {
            Self::Yes(principal) | Self::No(principal) | Self::NotYet(principal, _) => {
                Some(principal)
            }
            Self::Unknown(principal) => principal,
        }
    }
}

/// Whether a token or a service key lets its holder read the log now.
///
/// # Errors
/// The database failed; then nobody is let in.
pub async fn may_audit(app: &App, token: &str) -> Result<MayAudit, DbError> {
    if let Some(good) = app.tokens.check(token).await? {
        let required_for = app.config.tokens.second_factor_required_for;
        if let Err(lacking) = good.require_second_factor(required_for) {
            return Ok(MayAudit::NotYet(Principal::from(&good), lacking));
        }
        let is_auditor = good.account.roles.contains(&Role::Auditor);
        return Ok(if is_auditor {
            MayAudit::Yes(Principal::from(&good))
        } else {
            MayAudit::No(Principal::from(&good))
        });
    }
    Ok(match service_keys::check(&app.database, token).await? {
        Presented::Good(key) => {
            let principal = Principal::service(&key, None);
            if key.scopes.contains(&ServiceKeyScope::Audit) {
                MayAudit::Yes(principal)
            } else {
                MayAudit::No(principal)
            }
        }
        Presented::Ended(key, reason) => {
            MayAudit::Unknown(Some(Principal::service(&key, Some(reason))))
        }
        Presented::Unknown => MayAudit::Unknown(app.tokens.ended(token).map(Principal::from)),
    })
}

/// The identifier that the edge gave the request.
pub(super) fn request_id(parts: &Parts) -> Result<Uuid, Problem> {
    let id = parts.extensions.get::<RequestId>();
    Ok(id
        .ok_or_else(|| Problem::internal("the request has no identifier"))?
        .0)
}

/// The bearer token of a request (RFC 6750, section 2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing_token());
    };
    let text = value.to_str().map_err(|_| invalid_token())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid_token)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(invalid_token())
    }
}

/// 401: there is no token, or several. Where none was presented, the challenge has no error code (RFC 6750, 3.1).
pub(super) fn missing_token() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"gatelog\"");
    Problem::new(Kind::InvalidToken, "this call needs one bearer token")
        .header(header::WWW_AUTHENTICATE, challenge)
}

/// 401: the token is not good.
pub(super) fn invalid_token() -> Problem {
    Problem::new(
        Kind::InvalidToken,
        "the bearer token is malformed, expired or revoked",
    )
}

/// 400: a token in the URL.
pub(super) fn token_in_url() -> Problem {
    Problem::new(
        Kind::TokenInUrl,
        "send the token in the Authorization header, never in a URL",
    )
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

impl FromRequestParts<Arc<App>> for ClientIp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let ip = Self::of(app, &parts.extensions, &parts.headers);
        ip.ok_or_else(|| Problem::internal("the connection has no address"))
    }
}

impl ClientIp {
    /// Of a request with these extensions and headers, if its connection has an address.
    pub(super) fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Option<Self> {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
        let trusted = &app.config.network.trusted_proxies;
        Some(Self(client_ip(peer, headers, trusted)))
    }
}

/// The right-most address of `X-Forwarded-For` that is not a trusted proxy's; the peer's own unless the peer
/// is one. What stands further left is the client's claim and is never believed.
fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        // Each entry is judged alone: what the client wrote further left cannot spoil what the proxy wrote.
        for entry in value.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(ip) = forwarded(entry) else {
                return client;
            };
            client = ip.to_canonical();
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

/// An entry of `X-Forwarded-For`: an address, or `ip:port` and `[ipv6]:port`, as some proxies write it.
fn forwarded(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ip(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let values: Vec<&[u8]> = forwarded.iter().map(|value| value.as_bytes()).collect();
        ip_of_bytes(peer, &values, trusted)
    }

    fn ip_of_bytes(peer: &str, forwarded: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(
            ip("203.0.113.9", &["1.2.3.4"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
        assert_eq!(ip("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_believed_from_the_right() {
        assert_eq!(
            ip("10.0.0.1", &["6.6.6.6, 203.0.113.9"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
        assert_eq!(
            ip(
                "10.0.0.1",
                &["6.6.6.6", "203.0.113.9, 10.0.0.2"],
                &["10.0.0.0/8"]
            ),
            "203.0.113.9"
        );
        assert_eq!(
            ip("10.0.0.1", &["6.6.6.6, garbage"], &["10.0.0.0/8"]),
            "10.0.0.1"
        );
        assert_eq!(
            ip("::ffff:10.0.0.1", &["2001:db8::1"], &["10.0.0.0/8"]),
            "2001:db8::1"
        );
    }

    #[test]
    fn what_a_client_wrote_does_not_spoil_what_the_proxy_wrote() {
        let trusted = ["10.0.0.0/8"];
        for forged in [
            &b"\x80"[..],
            b"\xff\xfe",
            "é".as_bytes(),
            b"",
            b",",
            b"a\tb",
            b"[::1",
        ] {
            let whole = [forged, b", 203.0.113.9"].concat();
            assert_eq!(ip_of_bytes("10.0.0.1", &[&whole], &trusted), "203.0.113.9");
            let chain = [forged, b",203.0.113.9 ,10.0.0.2"].concat();
            assert_eq!(ip_of_bytes("10.0.0.1", &[&chain], &trusted), "203.0.113.9");
            let apart = [forged, b"203.0.113.9"];
            assert_eq!(ip_of_bytes("10.0.0.1", &apart, &trusted), "203.0.113.9");
            // Nobody but the client wrote this one.
            assert_eq!(ip_of_bytes("10.0.0.1", &[forged], &trusted), "10.0.0.1");
        }
    }

    #[test]
    fn an_entry_may_have_a_port() {
        let seen = |entry| ip("10.0.0.1", &[entry], &["10.0.0.0/8"]);
        assert_eq!(seen("6.6.6.6, 203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(seen("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(seen("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(seen("203.0.113.9:4711, 10.0.0.2:80"), "203.0.113.9");
        for bad in [
            "203.0.113.9:",
            "203.0.113.9:99999",
            "[203.0.113.9]",
            "2001:db8::1]:1",
        ] {
            assert_eq!(seen(bad), "10.0.0.1", "{bad}");
        }
    }

    #[test]
    fn the_bearer_token_is_read_strictly() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(bearer(&headers(&["bearer abc"])).unwrap(), "abc");
        for bad in [&[][..], &["abc"], &["Basic abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(bad)).unwrap_err().kind, Kind::InvalidToken);
        }
    }
}
