//! Quantities as Kubernetes writes them: `500m`, `2`, `4Gi`, `1e9`.

use thiserror::Error;

/// Why a text is not a usable quantity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum InvalidQuantity {
    #[error("is not a quantity; write for example {0}")]
    Malformed(&'static str),
    #[error("is zero, which would let nothing start; write for example {0}")]
    Zero(&'static str),
    #[error(
        "is less than 1Mi; the unit is missing or 'm' (a thousandth) was meant as 'M': write for example {0}"
    )]
    TooSmall(&'static str),
}

/// Checks an amount of processors.
pub(super) fn cpu(text: &str) -> Result<(), InvalidQuantity> {
    const EXAMPLE: &str = "2 or 500m";
    match value(text) {
        None => Err(InvalidQuantity::Malformed(EXAMPLE)),
        Some(value) if value <= 0.0 => Err(InvalidQuantity::Zero(EXAMPLE)),
        Some(_) => Ok(()),
    }
}

/// Checks an amount of memory or storage, bytes.
pub(super) fn bytes(text: &str) -> Result<(), InvalidQuantity> {
    const EXAMPLE: &str = "4Gi or 512Mi";
    match value(text) {
        None => Err(InvalidQuantity::Malformed(EXAMPLE)),
        Some(value) if value <= 0.0 => Err(InvalidQuantity::Zero(EXAMPLE)),
        Some(value) if value < 1024.0 * 1024.0 => Err(InvalidQuantity::TooSmall(EXAMPLE)),
        Some(_) => Ok(()),
    }
}

/// The smaller of two quantities.
pub(super) fn least<'a>(one: &'a str, other: &'a str) -> &'a str {
    match (value(one), value(other)) {
        (Some(a), Some(b)) if b < a => other,
        _ => one,
    }
}

/// The number a quantity stands for; precise enough to compare it with a bound.
fn value(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    if !number.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    Some(number * factor(suffix)?)
}

fn factor(suffix: &str) -> Option<f64> {
    let decimal = |exponent: i32| 10_f64.powi(exponent);
    let binary = |power: i32| 1024_f64.powi(power);
    Some(match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => 1.0,
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            // More than an exabyte either way is no amount of anything.
            decimal(exponent.parse().ok().filter(|e| (-18..=18).contains(e))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_kubernetes_takes() {
        for good in ["2", "500m", "0.5", ".5", "1.", "1e3", "2E-1"] {
            assert_eq!(cpu(good), Ok(()), "{good}");
        }
        for good in ["4Gi", "512M", "1e9", "1048576", "2Ti", "1.5Gi"] {
            assert_eq!(bytes(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_cannot_work() {
        for bad in ["", ".", "two", "2 cpu", "-1", "1.2.3", "4Gib", "1e99"] {
            assert!(matches!(cpu(bad), Err(InvalidQuantity::Malformed(_))), "{bad}");
        }
        assert!(matches!(cpu("0"), Err(InvalidQuantity::Zero(_))));
        for bad in ["4", "512m", "1k"] {
            assert!(matches!(bytes(bad), Err(InvalidQuantity::TooSmall(_))), "{bad}");
        }
    }
}
