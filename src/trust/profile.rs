//! PURE. The box's authority as a configuration profile, which Apple's systems install when it is opened.
//!
//! Apple, "Configuration Profile Reference": a property list with one payload of the type
//! `com.apple.security.root`. Its identifiers come from the authority itself, so that installing it
//! twice replaces it.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};

/// The profile of an authority (DER) of this name.
pub fn profile(authority: &[u8], name: &str) -> String {
    let digest = digest::digest(&digest::SHA256, authority);
    let (outer, inner) = digest.as_ref().split_at(16);
    let (outer, inner) = (uuid(outer), uuid(inner));
    let name = escaped(name);
    let data = STANDARD.encode(authority);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadCertificateFileName</key><string>parlor-ca.crt</string>
      <key>PayloadContent</key><data>{data}</data>
      <key>PayloadDisplayName</key><string>{name}</string>
      <key>PayloadIdentifier</key><string>parlor.authority.{inner}</string>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadUUID</key><string>{inner}</string>
      <key>PayloadVersion</key><integer>1</integer>
    </dict>
  </array>
  <key>PayloadDescription</key><string>Trusts this parlor box, for private addresses and local names only.</string>
  <key>PayloadDisplayName</key><string>{name}</string>
  <key>PayloadIdentifier</key><string>parlor.trust.{outer}</string>
  <key>PayloadRemovalDisallowed</key><false/>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadUUID</key><string>{outer}</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict>
</plist>
"#
    )
}

/// 16 bytes as a UUID made by us (RFC 9562, 5.8: version 8).
fn uuid(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        let byte = match index {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if [4, 6, 8, 10].contains(&index) {
            hex.push('-');
        }
        hex.push_str(&format!("{byte:02X}"));
    }
    hex
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_holds_the_authority_and_is_the_same_each_time() {
        let made = profile(b"certificate", "parlor on <attic> & co");
        assert_eq!(made, profile(b"certificate", "parlor on <attic> & co"));
        assert!(made.contains("<data>Y2VydGlmaWNhdGU=</data>"));
        assert!(made.contains("parlor on &lt;attic&gt; &amp; co") && !made.contains("<attic>"));
        assert_ne!(made, profile(b"another", "parlor on <attic> & co"));
        let uuids: Vec<&str> = made
            .split("<key>PayloadUUID</key><string>")
            .skip(1)
            .filter_map(|rest| rest.split('<').next())
            .collect();
        assert_eq!(uuids.len(), 2);
        assert_ne!(uuids[0], uuids[1]);
        for uuid in uuids {
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.split('-').nth(2).is_some_and(|part| part.starts_with('8')), "{uuid}");
        }
    }
}
