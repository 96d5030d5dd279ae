//! A sign-in and a disabling that meet in the middle.

use std::time::Instant;

use aggregates::user::DisableReason;
use aggregates::values::Password;
use gatelog::accounts::{self, NewAccount};
use gatelog::administration;
use gatelog::app::{Acting, App};
use gatelog::config::{Config, Source};
use gatelog::sign_in::{self, Device, FirstFactor, Paid, SignInError};

use super::*;
use crate::support::engines::prepared;

/// A sign-in that verified the password, and opens its session only after the account was disabled.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_disabled_account_would_open_ends_at_once() {
    for (_, url, folder) in prepared(&[]).await {
        let path = folder.path().display().to_string();
        let settings = [("DATA_DIR", path.as_str()), ("DATABASE_URL", &url)];
        let config = Config::load(&Source::from_pairs(&settings, &[])).unwrap();
        let app = App::build(config).await.unwrap();
        app.lease.renew(&app.log, Instant::now()).await.unwrap();
        let acting = Acting::default();
        let account = NewAccount {
            email: "ada@example.com".parse().unwrap(),
            name: None,
            roles: Vec::new(),
            is_email_verified: false,
        };
        let hash = app.passwords.hash(Password::new(PASSWORD)).await.unwrap();
        let registered = accounts::register(&app.log, &app.vault, &account, &hash, &acting);
        let user = registered.await.unwrap().user_id;
        let ip = [127, 0, 0, 1].into();
        let password = PASSWORD.to_owned().into();
        let verified =
            sign_in::verify_password(&app, account.email.as_str(), ip, None, password).await;
        let right = verified.unwrap();
        let first = sign_in::first_factor(&right.proof, &right.user);
        let FirstFactor::Enough(late) = first else {
            unreachable!("there is no second factor")
        };
        let device = Device {
            name: None,
            user_agent: None,
            ip,
        };
        let reason = DisableReason::Abuse;
        administration::disable(&app, user, reason, &acting, user)
            .await
            .unwrap();
        let paid = Paid {
            charge: Some(right.charge),
            key: right.key,
        };
        let refused = sign_in::open_session(&app, &late, Some(paid), &device, &acting).await;
        let is_refused = matches!(refused, Err(SignInError::InvalidCredentials));
        assert!(is_refused, "{url}");
        let live = projections::sessions::not_ended(&app.database, user, 9).await;
        assert_eq!(live.unwrap(), [], "{url}");
        app.log.shut_down().await;
        app.database.close().await;
    }
}
