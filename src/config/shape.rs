//! Shapes of single values: how a written value is turned into what it means.
//!
//! PURE: values in, values or a [`Problem`] out. [`super::forms`] has the ones that are parlor's own.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration};

use toml::Value;

use super::fault::Problem;

/// What a shape makes of a value.
pub(super) type Meant<T> = Result<T, Problem>;

/// A value of another type than `expected`.
pub(super) fn wrong_type(value: &Value, expected: &str) -> Problem {
    let article = if matches!(value, Value::Integer(_) | Value::Array(_)) { "an" } else { "a" };
    Problem::new(format!("is {article} {}", value.type_str()), format!("write {expected}"))
}

/// What a flag or a variable says, as the type that the key's default has.
pub(super) fn typed_like(default: &Value, text: &str) -> Value {
    let typed = match default {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(split(text)),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A list in a flag or a variable: separated by commas, or as TOML writes it (`["a", "b"]`).
pub(super) fn split(text: &str) -> Value {
    let text = text.trim();
    let inner = text.strip_prefix('[').map(str::trim_start);
    if inner.is_some_and(|inner| inner.starts_with(['"', '\'']) || inner == "]")
        && let Ok(list) = text.parse::<Value>()
    {
        return list;
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Value::Array(parts.map(Value::from).collect())
}

/// The text of a string.
pub(super) fn string<'v>(value: &'v Value, expected: &str) -> Meant<&'v str> {
    value.as_str().ok_or_else(|| wrong_type(value, expected))
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Meant<bool> {
    value.as_bool().ok_or_else(|| wrong_type(value, "true or false"))
}

/// A whole number in a range, with its unit for the remedy.
pub(super) fn integer<T: TryFrom<i64>>(
    range: RangeInclusive<i64>,
    unit: &'static str,
) -> impl Fn(&Value) -> Meant<T> {
    move |value| {
        let expected = format!("{} to {} ({unit})", range.start(), range.end());
        let number = value
            .as_integer()
            .ok_or_else(|| wrong_type(value, &format!("a whole number, {expected}")))?;
        if !range.contains(&number) {
            return Err(out_of_range(&expected));
        }
        T::try_from(number).map_err(|_| out_of_range(&expected))
    }
}

fn out_of_range(expected: impl Display) -> Problem {
    Problem::new("is out of range", format!("write {expected}"))
}

/// A number of bytes: `16384`, `"16 KiB"`, `"1 MiB"`.
pub(super) fn bytes(range: RangeInclusive<usize>) -> impl Fn(&Value) -> Meant<usize> {
    const UNITS: [(&str, f64); 3] = [("KiB", 1024.0), ("MiB", 1_048_576.0), ("B", 1.0)];
    move |value| {
        let expected = format!("{} to {} bytes", range.start(), range.end());
        let number = match value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            Value::String(text) => {
                let size = with_unit(text, &UNITS).ok_or_else(|| {
                    Problem::new("is no size", "write bytes, such as 16384 or \"16 KiB\"")
                })?;
                Some(size as usize)
            }
            other => return Err(wrong_type(other, "bytes, such as 16384 or \"16 KiB\"")),
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| out_of_range(expected))
    }
}

/// Bits a second: `1500000`, `"1500k"`, `"1.5M"`.
pub(super) fn bits_per_second(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Meant<u32> {
    const UNITS: [(&str, f64); 4] = [("k", 1e3), ("M", 1e6), ("kbit/s", 1e3), ("Mbit/s", 1e6)];
    move |value| {
        let number = match value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            Value::String(text) => {
                let rate = with_unit(text, &UNITS).ok_or_else(|| {
                    Problem::new("is no bit rate", "write bits a second: 1500000 or \"1500k\"")
                })?;
                Some(rate as u32)
            }
            other => return Err(wrong_type(other, "bits a second: 1500000 or \"1500k\"")),
        };
        let expected = format!("{} to {} bits a second", range.start(), range.end());
        number.filter(|number| range.contains(number)).ok_or_else(|| out_of_range(expected))
    }
}

/// A span of time: `"500ms"`, `"10s"`, `"2m"`, `"24h"`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Meant<Duration> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    const EXAMPLES: &str = "a time with its unit, such as \"500ms\", \"10s\" or \"2m\"";
    move |value| {
        let text = string(value, EXAMPLES)?;
        let seconds = with_unit(text, &UNITS)
            .ok_or_else(|| Problem::new("is no time", format!("write {EXAMPLES}")))?;
        // Milliseconds are as fine as anybody writes.
        let duration = Duration::from_millis((seconds * 1000.0).round() as u64);
        if range.contains(&duration) {
            return Ok(duration);
        }
        Err(out_of_range(format!("{:?} to {:?}", range.start(), range.end())))
    }
}

/// `1.5 M` with its unit's factor applied; `None` for anything else, negative numbers included.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// Any text of at most so many characters, empty included, without control characters.
pub(super) fn text(max_chars: usize) -> impl Fn(&Value) -> Meant<String> {
    move |value| {
        let text = string(value, "text between quotes")?;
        if text.chars().any(char::is_control) {
            return Err(Problem::new("contains a control character", "write plain text"));
        }
        if text.chars().count() > max_chars {
            let remedy = format!("write at most {max_chars} characters");
            return Err(Problem::new("is too long", remedy));
        }
        Ok(text.to_owned())
    }
}

/// An absolute path; nothing for the empty text.
pub(super) fn path(value: &Value) -> Meant<Option<PathBuf>> {
    let text = string(value, "a path between quotes")?;
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    if path.is_absolute() {
        return Ok(Some(path));
    }
    Err(Problem::new("is a relative path", "write it from / on, or nothing for the default"))
}

/// One of some words.
pub(super) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Meant<T> {
    move |value| {
        let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let expected = quoted.join(" or ");
        let text = string(value, &expected)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            Problem::new("is not one of the words known here", format!("write {expected}"))
        })
    }
}

/// `"10000-10100"`, or one port; both ends 1 to 65535. Nothing for the empty text.
pub(super) fn ports(value: &Value) -> Meant<Option<RangeInclusive<u16>>> {
    const EXAMPLE: &str = "write ports from 1 to 65535, such as \"10000-10100\"";
    let text = string(value, "ports, such as \"10000-10100\"")?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok().filter(|port| *port > 0))
    };
    match (port(first), port(last)) {
        (Some(Some(first)), Some(Some(last))) if first <= last => Ok(Some(first..=last)),
        (Some(Some(_)), Some(Some(_))) => {
            Err(Problem::new("ends before it begins", "write the lower port first"))
        }
        (Some(_), Some(_)) => Err(Problem::new("is out of range", EXAMPLE)),
        _ => Err(Problem::new("is no range of ports", EXAMPLE)),
    }
}

/// [`ports`] that have to be there.
pub(super) fn some_ports(value: &Value) -> Meant<RangeInclusive<u16>> {
    ports(value)?.ok_or_else(|| Problem::new("is empty", "write ports, such as \"10000-10100\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// One shape over many values; `None` is a fault.
    fn check<T: PartialEq + std::fmt::Debug>(
        shape: impl Fn(&Value) -> Meant<T>,
        cases: impl IntoIterator<Item = (Value, Option<T>)>,
    ) {
        for (value, expected) in cases {
            assert_eq!(shape(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn sizes() {
        check(
            bytes(1024..=1_048_576),
            [
                (1024.into(), Some(1024)),
                (text("16 KiB"), Some(16_384)),
                (text("1MiB"), Some(1_048_576)),
                (text("1.5 KiB"), Some(1536)),
                (text("2048 B"), Some(2048)),
                (text("2 MiB"), None),
                (text("16 kB"), None),
                (text("-16 KiB"), None),
                (text("1.2.3 KiB"), None),
                (text("99999999999999999999999999 MiB"), None),
                (text("KiB"), None),
                (text(""), None),
                (1023.into(), None),
                (i64::MIN.into(), None),
            ],
        );
    }

    #[test]
    fn times() {
        let ms = |ms| Some(Duration::from_millis(ms));
        check(
            duration(Duration::from_millis(1)..=Duration::from_secs(86_400)),
            [
                (text("500ms"), ms(500)),
                (text("1.5s"), ms(1500)),
                (text("2 m"), ms(120_000)),
                (text("24h"), ms(86_400_000)),
                (text("25h"), None),
                (text("0s"), None),
                (text("10"), None),
                (text("1e9s"), None),
                (text("99999999999999999999999999999h"), None),
                (10.into(), None),
            ],
        );
    }

    #[test]
    fn bit_rates() {
        check(
            bits_per_second(50_000..=50_000_000),
            [
                (1_500_000.into(), Some(1_500_000)),
                (text("1500k"), Some(1_500_000)),
                (text("1.5M"), Some(1_500_000)),
                (text("2 Mbit/s"), Some(2_000_000)),
                (text("1.5G"), None),
                (49_999.into(), None),
            ],
        );
    }

    #[test]
    fn port_ranges() {
        check(
            ports,
            [
                (text(""), Some(None)),
                (text("10000-10100"), Some(Some(10_000..=10_100))),
                (text(" 10000 - 10100 "), Some(Some(10_000..=10_100))),
                (text("443"), Some(Some(443..=443))),
                (text("1-65535"), Some(Some(1..=65_535))),
                (text("0-10"), None),
                (text("10-65536"), None),
                (text("10-9"), None),
                (text("+10-20"), None),
                (text("10-"), None),
                (text("10-20-30"), None),
                (10_000.into(), None),
            ],
        );
        assert!(some_ports(&text("")).is_err());
    }

    #[test]
    fn lists_of_flags_and_variables() {
        let list = |texts: &[&str]| Value::Array(texts.iter().map(|t| text(t)).collect());
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("[]", &[]),
            ("a", &["a"]),
            (" a , b,", &["a", "b"]),
            ("[::]:8172", &["[::]:8172"]),
            ("[::]:8172,[::1]:1", &["[::]:8172", "[::1]:1"]),
            ("[\"a,b\", 'c']", &["a,b", "c"]),
            ("[\"a\"", &["[\"a\""]),
        ];
        for (written, expected) in cases {
            assert_eq!(split(written), list(expected), "{written}");
        }
    }

    #[test]
    fn variables_take_the_type_of_their_default() {
        assert_eq!(typed_like(&1.into(), " 7 "), 7.into());
        assert_eq!(typed_like(&1.into(), "seven"), text("seven"));
        assert_eq!(typed_like(&false.into(), "true"), true.into());
        assert_eq!(typed_like(&text(""), "7"), text("7"));
    }
}
