//! License keys: `KYM-<tier>-<HMAC-SHA256 over "tier:expires">`, as 0.6.0 made them.

use std::{env, fmt::Write};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Refusal;

/// What license keys are signed with. It is symmetric: whoever has it can make licenses, so it is never shown.
#[derive(Clone)]
pub struct SigningSecret(Hmac<Sha256>);

/// How much of the signature a key carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLength {
    /// The first 16 hexadecimal digits, which every version reads.
    Short,
    /// All 64.
    Full,
}

impl SigningSecret {
    /// Environment variable with the signing secret, as in 0.6.0.
    pub const VARIABLE: &str = "KYMAROS_LICENSE_KEY";

    /// A signing secret; none from an empty text.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_set = !text.is_empty();
        Hmac::new_from_slice(text.as_bytes())
            .ok()
            .filter(|_| is_set)
            .map(Self)
    }

    /// What licenses are verified with: the secret this program was built with, which the environment cannot replace,
    /// else that of the environment.
    #[must_use]
    pub fn to_verify() -> Option<Self> {
        option_env!("KYMAROS_SIGNING_KEY")
            .and_then(Self::new)
            .or_else(Self::to_sign)
    }

    /// What licenses are made with: the environment only, so that nobody can make them with a program he was given.
    #[must_use]
    pub fn to_sign() -> Option<Self> {
        env::var(Self::VARIABLE).ok().and_then(|text| Self::new(&text))
    }

    fn over(&self, tier: &str, expires: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(tier.as_bytes());
        mac.update(b":");
        mac.update(expires.as_bytes());
        mac
    }
}

/// Makes the key for a tier and a day, exactly as they will stand in the Secret.
#[must_use]
pub fn sign(secret: &SigningSecret, tier: &str, expires: &str, length: KeyLength) -> String {
    let signature = secret.over(tier, expires).finalize().into_bytes();
    let bytes = match length {
        KeyLength::Short => 8,
        KeyLength::Full => signature.len(),
    };
    let mut key = format!("KYM-{tier}-");
    for byte in signature.iter().take(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Whether a key is the signature over a tier and a day. The tier inside the key says nothing by itself.
pub(super) fn check(secret: &SigningSecret, tier: &str, expires: &str, key: &str) -> Result<(), Refusal> {
    let mut parts = key.splitn(3, '-');
    let (Some("KYM"), Some(inside), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Refusal::MalformedKey);
    };
    if inside == "TRIAL" {
        return Err(Refusal::TrialKey);
    }
    let signature = bytes(signature).ok_or(Refusal::MalformedKey)?;
    // Compares in constant time.
    secret
        .over(tier, expires)
        .verify_truncated_left(&signature)
        .map_err(|_| {
            let has_space = [tier, expires].iter().any(|text| text.trim() != *text);
            Refusal::WrongKey { has_space }
        })
}

/// 16 or 64 hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let is_whole = matches!(text.len(), 16 | 64);
    is_whole.then(|| text.as_bytes().chunks(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SigningSecret {
        SigningSecret::new("test-signing-key-12345").unwrap()
    }

    #[test]
    fn keys_are_those_of_0_6_0() {
        assert_eq!(
            sign(&secret(), "team", "2027-12-31", KeyLength::Short),
            "KYM-team-8ac6763d8308d743"
        );
        let full = sign(&secret(), "team", "2027-12-31", KeyLength::Full);
        assert!(
            full.starts_with("KYM-team-8ac6763d8308d743") && full.len() == 9 + 64,
            "{full}"
        );
    }

    #[test]
    fn a_key_opens_with_16_or_64_digits_only() {
        let full = sign(&secret(), "team", "2027-12-31", KeyLength::Full);
        for length in 0..=full.len() {
            let taken = check(&secret(), "team", "2027-12-31", &full[..length]);
            assert_eq!(
                taken.is_ok(),
                matches!(length, 25 | 73),
                "{length} characters: {taken:?}"
            );
        }
        let longer = format!("{full}00");
        assert_eq!(
            check(&secret(), "team", "2027-12-31", &longer),
            Err(Refusal::MalformedKey)
        );
    }

    #[test]
    fn any_changed_digit_day_tier_or_secret_closes_it() {
        let key = sign(&secret(), "team", "2027-12-31", KeyLength::Short);
        assert_eq!(check(&secret(), "team", "2027-12-31", &key), Ok(()));
        // As in 0.6.0, only the signature counts, not the tier inside the key.
        let renamed = key.replace("team", "x");
        assert_eq!(check(&secret(), "team", "2027-12-31", &renamed), Ok(()));
        let wrong = Err(Refusal::WrongKey { has_space: false });
        for index in 9..key.len() {
            let mut changed = key.clone().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                check(&secret(), "team", "2027-12-31", &changed),
                wrong,
                "{changed}"
            );
        }
        for (tier, expires) in [
            ("enterprise", "2027-12-31"),
            ("team", "2028-12-31"),
            ("team", ""),
            ("Team", "2027-12-31"),
        ] {
            assert_eq!(check(&secret(), tier, expires, &key), wrong, "{tier}:{expires}");
        }
        assert_eq!(
            check(&secret(), "team\n", "2027-12-31", &key),
            Err(Refusal::WrongKey { has_space: true })
        );
        let other = SigningSecret::new("another").unwrap();
        assert_eq!(check(&other, "team", "2027-12-31", &key), wrong);
    }

    #[test]
    fn trial_keys_and_nonsense_open_nothing() {
        for trial in ["KYM-TRIAL-", "KYM-TRIAL-2027", "KYM-TRIAL-8ac6763d8308d743"] {
            assert_eq!(
                check(&secret(), "team", "2027-12-31", trial),
                Err(Refusal::TrialKey),
                "{trial}"
            );
        }
        for nonsense in [
            "",
            "KYM",
            "KYM-team",
            "KYM-team-",
            "kym-team-8ac6763d8308d743",
            "KYM-team-8ac6763d8308d74",
            "KYM-team-8ac6763d8308d74g",
            "KYM-team-+ac6763d8308d743",
            "KYM-team-8äc6763d8308d74",
            "KYM-team-x-8ac6763d8308d743",
            "8ac6763d8308d743",
        ] {
            assert_eq!(
                check(&secret(), "team", "2027-12-31", nonsense),
                Err(Refusal::MalformedKey),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn an_empty_text_is_no_signing_secret() {
        assert!(SigningSecret::new("").is_none());
    }
}
