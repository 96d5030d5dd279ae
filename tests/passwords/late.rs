//! A sign-in and a change of the password that meet in the middle.

use gatelog::sign_in::{self, Authenticated, Device, FirstFactor, Right, SignInError};

use super::*;

/// The password alone is enough for this account.
fn authenticated(right: &Right) -> Authenticated {
    match sign_in::first_factor(&right.proof, &right.user) {
        FirstFactor::Enough(authenticated) => authenticated,
        FirstFactor::Due(_) => unreachable!("there is no second factor"),
    }
}

/// A sign-in that verified the old password, and opens its session only after the change has ended the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_replaced_password_would_open_ends_at_once() {
    use aggregates::values::Password;
    use gatelog::accounts::{self, NewAccount};
    use gatelog::app::{Acting, App};
    use gatelog::config::{Config, Source};
    use gatelog::password_change::{self, PasswordChange};
    for (_, url, folder) in prepared(&[]).await {
        let path = folder.path().display().to_string();
        let settings = [("DATA_DIR", path.as_str()), ("DATABASE_URL", &url)];
        let config = Config::load(&Source::from_pairs(&settings, &[])).unwrap();
        let app = App::build(config).await.unwrap();
        app.lease.renew(&app.log, Instant::now()).await.unwrap();
        let (email, acting) = (EMAIL.parse().unwrap(), Acting::default());
        let account = NewAccount {
            email,
            name: None,
            roles: Vec::new(),
            is_email_verified: false,
        };
        let hash = app.passwords.hash(Password::new(PASSWORD)).await.unwrap();
        let registered = accounts::register(&app.log, &app.vault, &account, &hash, &acting)
            .await
            .unwrap();
        let verify = || {
            sign_in::verify_password(
                &app,
                EMAIL,
                [127, 0, 0, 1].into(),
                None,
                PASSWORD.to_owned().into(),
            )
        };
        let (device, mine) = (
            Device {
                name: None,
                user_agent: None,
                ip: [127, 0, 0, 1].into(),
            },
            authenticated(&verify().await.unwrap()),
        );
        let late = authenticated(&verify().await.unwrap());
        let opened = sign_in::open_session(&app, &mine, None, &device, &acting)
            .await
            .unwrap();
        let change = PasswordChange {
            user: registered.user_id,
            session: opened.session.session_id,
            current: PASSWORD.to_owned().into(),
            new: Password::new(NEW),
            identity: Vec::new(),
            end_other_sessions: true,
        };
        password_change::change(&app, change, &acting)
            .await
            .unwrap();
        let refused = sign_in::open_session(&app, &late, None, &device, &acting).await;
        assert!(
            matches!(refused, Err(SignInError::InvalidCredentials)),
            "{url}"
        );
        let live = projections::sessions::not_ended(&app.database, registered.user_id, 9)
            .await
            .unwrap();
        assert_eq!(live, [opened.session.session_id], "{url}");
        app.log.shut_down().await;
        app.database.close().await;
    }
}
