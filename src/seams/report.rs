//! What was looked at and what came of it, as `doctor` and `probe` say it and as it is shown.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

/// What to do about something, in both languages: one sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// In English.
    pub en: String,
    /// In Chinese (zh-CN).
    pub zh: String,
}

impl Remedy {
    /// The same in both languages.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}

/// What facts mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is well; `None` where that cannot be told, or is only worth knowing.
    pub ok: Option<bool>,
    /// The facts, for whoever helps: addresses, figures, what the system said.
    pub detail: String,
    /// What to do; none where there is nothing to do.
    pub remedy: Option<Remedy>,
}

impl Verdict {
    /// All is well.
    pub fn good(detail: impl Into<String>) -> Self {
        Self { ok: Some(true), detail: detail.into(), remedy: None }
    }

    /// It is at fault.
    pub fn fault(detail: impl Into<String>, remedy: Remedy) -> Self {
        Self { ok: Some(false), detail: detail.into(), remedy: Some(remedy) }
    }

    /// It works, or nobody can tell; this is worth knowing.
    pub fn unsure(detail: impl Into<String>, remedy: Remedy) -> Self {
        Self { ok: None, detail: detail.into(), remedy: Some(remedy) }
    }

    /// It was not looked at, and that is nobody's fault.
    pub fn skipped(detail: impl Into<String>) -> Self {
        Self { ok: None, detail: detail.into(), remedy: None }
    }

    /// With its name, and how long it took to find out.
    pub fn named(self, id: impl Into<String>, took: Duration) -> Check {
        let (remedy, remedy_zh) = self.remedy.map(|remedy| (remedy.en, remedy.zh)).unzip();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Check { id: id.into(), ok: self.ok, took_ms, detail: self.detail, remedy, remedy_zh }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, which stays the same from version to version.
    pub id: String,
    /// As in [`Verdict::ok`].
    pub ok: Option<bool>,
    /// Milliseconds.
    pub took_ms: u64,
    /// As in [`Verdict::detail`].
    pub detail: String,
    /// What to do, in English.
    pub remedy: Option<String>,
    /// What to do, in Chinese.
    pub remedy_zh: Option<String>,
}

/// All that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is at fault.
    pub ok: bool,
    /// In the order of the way from the network to the machine.
    pub checks: Vec<Check>,
}

impl From<Vec<Check>> for Report {
    fn from(checks: Vec<Check>) -> Self {
        Self { ok: checks.iter().all(|check| check.ok != Some(false)), checks }
    }
}

impl Report {
    /// For a terminal: a line a check, and what to do below it.
    pub fn text(&self, in_chinese: bool) -> String {
        let width = self.checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
        let mut text = String::new();
        for check in &self.checks {
            let mark = match check.ok {
                Some(true) => '✓',
                Some(false) => '✗',
                None => '?',
            };
            let Check { id, took_ms, detail, .. } = check;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{mark} {id:width$}  {detail} ({took_ms} ms)");
            let remedy = if in_chinese { &check.remedy_zh } else { &check.remedy };
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "  {:width$}  → {remedy}", "");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_well_unless_something_is_at_fault() {
        let remedy = || Remedy::new("do it", "做吧");
        let second = Duration::from_secs(1);
        let good = Verdict::good("1.2.3.4").named("a", second);
        let unsure = Verdict::unsure("x", remedy()).named("bcd", second);
        let fault = Verdict::fault("y", remedy()).named("e", second);
        assert!(Report::from(vec![good.clone(), unsure.clone()]).ok);
        let report = Report::from(vec![good, unsure, fault]);
        assert!(!report.ok);
        let expected = "✓ a    1.2.3.4 (1000 ms)\n? bcd  x (1000 ms)\n       → do it\n\
                        ✗ e    y (1000 ms)\n       → do it\n";
        assert_eq!(report.text(false), expected);
        assert!(report.text(true).contains("→ 做吧"));
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["ok"], false);
        let first = r#"{"detail":"1.2.3.4","id":"a","ok":true,"remedy":null,"remedy_zh":null,"took_ms":1000}"#;
        assert_eq!(json["checks"][0].to_string(), first);
    }
}
