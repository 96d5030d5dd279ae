//! Time-based one-time passwords (RFC 6238): SHA-1, 6 digits, steps of 30 seconds, one step of drift either way.
//!
//! It never remembers which step was accepted; the vault does.

use chrono::{DateTime, Utc};
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use super::ids;

/// 160 bits, as RFC 4226 recommends.
pub const SECRET_BYTES: usize = 20;
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
const DRIFT_STEPS: u16 = 1;
const QR_PIXELS: u32 = 240;

/// A secret cannot be used or shown. The text says nothing about it.
#[derive(Debug, thiserror::Error)]
#[error("a one-time password cannot be made")]
pub struct TotpFault;

/// What an account and a person's device share.
pub struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TotpSecret(..)")
    }
}

impl TotpSecret {
    /// A new one.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate() -> Result<Self, ids::NoRandomness> {
        ids::random_bytes().map(Self)
    }

    /// The one with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Its bytes, for sealing only.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The time step for which `code` is right at `now`, in constant time for each step.
    ///
    /// # Errors
    /// [`TotpFault`].
    pub fn matching_step(&self, code: &str, now: DateTime<Utc>) -> Result<Option<i64>, TotpFault> {
        if code.len() != usize::from(DIGITS) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let seconds = u64::try_from(now.timestamp()).map_err(|_| TotpFault)?;
        let step = self.totp("", "")?.check(code, seconds);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// As people type it.
    ///
    /// # Errors
    /// [`TotpFault`].
    pub fn base32(&self) -> Result<Zeroizing<String>, TotpFault> {
        Ok(Zeroizing::new(self.totp("", "")?.secret().to_base32()))
    }

    /// As authenticator applications read it. `issuer` and `account` are shown to the person.
    ///
    /// # Errors
    /// [`TotpFault`].
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Result<Zeroizing<String>, TotpFault> {
        // The form has no way to write a colon in a label.
        let account = account.replace(':', "_");
        let uri = self.totp(issuer, &account)?.to_url();
        uri.map(Zeroizing::new).map_err(|_| TotpFault)
    }

    fn totp(&self, issuer: &str, account: &str) -> Result<Totp, TotpFault> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(DRIFT_STEPS)
            .with_step_duration(STEP_SECONDS)
            .with_secret(*self.0)
            .with_account_name(account)
            .with_issuer(Some(issuer))
            .build()
            .map_err(|_| TotpFault)
    }
}

/// A text as a QR code, an SVG without scripts or references.
///
/// # Errors
/// The text is too long for one.
pub fn qr_svg(text: &str) -> Result<Zeroizing<String>, TotpFault> {
    let code = QrCode::new(text.as_bytes()).map_err(|_| TotpFault)?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(QR_PIXELS, QR_PIXELS)
        .build();
    Ok(Zeroizing::new(picture))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn rfc_secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    /// RFC 6238, appendix B, SHA-1; the last six of the eight digits.
    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = rfc_secret().matching_step(code, time(seconds)).unwrap();
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn one_step_of_drift_either_way_is_taken_and_no_more() {
        let accepted = |seconds| {
            let step = rfc_secret().matching_step("287082", time(seconds)).unwrap();
            step.is_some()
        };
        // The code is that of step 1, from second 30 to 59.
        assert!([0, 29, 30, 59, 60, 89].into_iter().all(accepted));
        assert!(![90, 119, 120].into_iter().any(accepted));
    }

    #[test]
    fn only_six_digits_are_a_code() {
        for bad in [
            "",
            "28708",
            "2870822",
            "28708a",
            " 87082",
            "287 082",
            "٢٨٧٠٨٢",
            "-87082",
        ] {
            let step = rfc_secret().matching_step(bad, time(59)).unwrap();
            assert_eq!(step, None, "{bad}");
        }
    }

    #[test]
    fn the_uri_names_the_account_and_the_issuer() {
        let uri = rfc_secret()
            .otpauth_uri("Acme Ltd", "ada+x@example.com")
            .unwrap();
        let secret = rfc_secret().base32().unwrap();
        assert_eq!(*secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(
            uri.starts_with("otpauth://totp/Acme%20Ltd:ada%2Bx%40example.com?"),
            "{}",
            *uri
        );
        assert!(uri.contains(secret.as_str()) && uri.contains("issuer=Acme%20Ltd"));
        assert!(
            rfc_secret()
                .otpauth_uri("Acme", "\"a:b\"@example.com")
                .is_ok()
        );
    }

    #[test]
    fn the_picture_is_an_svg_and_the_secret_never_prints() {
        let picture = qr_svg("otpauth://totp/x").unwrap();
        assert!(picture.contains("<svg") && !picture.contains("<script"));
        assert_eq!(format!("{:?}", rfc_secret()), "TotpSecret(..)");
    }
}
