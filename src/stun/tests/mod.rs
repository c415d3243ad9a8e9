//! Vectors of the RFCs, tables of what is refused, and properties over random messages.

mod properties;
mod refusals;
mod vectors;

/// Bytes of hexadecimal text; blanks are passed over.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    assert!(digits.len().is_multiple_of(2) && !digits.is_empty());
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}
