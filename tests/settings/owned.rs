//! A real box with an owner, and what the owner asks of its settings.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, TheBox};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A box, and its owner's cookie.
pub(crate) struct Owned {
    pub(crate) the_box: TheBox,
    pub(crate) cookie: String,
}

impl Owned {
    pub(crate) async fn start(data: &TempDir, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut the_box = TheBox::start(data.path(), args, env);
        let line = the_box.wait_for_line(|line| line.contains("set-up code: "));
        let code = line.split("set-up code: ").nth(1).expect("a code").trim().to_owned();
        let body = json!({"code": code, "name": "Ada", "password": PASSWORD}).to_string();
        let fields = [("Content-Type", "application/json")];
        let made = the_box.request("POST", "/api/v1/setup", &fields, &body).await;
        assert_eq!(made.status(), 201, "{made:?}");
        let cookie = made.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        Self { the_box, cookie }
    }

    pub(crate) async fn ask(&self, method: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut fields =
            vec![("Cookie", self.cookie.as_str()), ("Content-Type", "application/json")];
        fields.extend(more);
        self.the_box.request(method, "/api/v1/settings", &fields, body).await
    }

    pub(crate) async fn get(&self) -> Answer {
        self.ask("GET", &[], "").await
    }

    pub(crate) async fn patch(&self, changes: &Value) -> Answer {
        self.ask("PATCH", &[], &changes.to_string()).await
    }

    pub(crate) async fn key(&self, key: &str) -> Value {
        json_of(&self.get().await)[key].clone()
    }

    /// Ends it by a signal, and starts it again on the same data.
    pub(crate) async fn again(
        &mut self,
        data: &TempDir,
        signal: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) {
        self.the_box.signal(signal);
        self.the_box.wait();
        self.the_box = TheBox::start(data.path(), args, env);
    }
}

pub(crate) fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(answer.body()).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

pub(crate) fn file(data: &TempDir, text: &str) -> String {
    let path = data.path().join("parlor.toml");
    std::fs::write(&path, text).expect("writable");
    path.to_str().expect("UTF-8").to_owned()
}
