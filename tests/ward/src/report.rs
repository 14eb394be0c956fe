//! What the program said about a system, and what it should have said.

use std::process::Output;

use serde_json::Value;

use crate::WardError;

/// A report of `check`, as `maildoctor/report/1` lays it out.
#[derive(Debug)]
pub struct Report {
    json: Value,
    exit: Option<i32>,
    progress: String,
}

impl Report {
    /// Reads what a run printed.
    ///
    /// # Errors
    /// When that is no report.
    pub fn read(output: &Output) -> Result<Self, WardError> {
        let progress = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout).map_err(|error| {
            let text = String::from_utf8_lossy(&output.stdout);
            WardError::Wrong(format!(
                "the report is no JSON ({error}); exit {:?}\n{text}\n{progress}",
                output.status.code()
            ))
        })?;
        Ok(Self { json, exit: output.status.code(), progress })
    }

    /// Holds the report against the truth: the verdict, and the code of the first root cause.
    ///
    /// # Errors
    /// [`WardError::Wrong`] with the whole diagnosis when it says something else.
    pub fn names(&self, verdict: &str, code: &str) -> Result<(), WardError> {
        let first = self.roots().next().map_or("nothing", |root| text(root, "code"));
        if first == code { self.judges(verdict) } else { self.wrong(&format!("{code} must come first, not {first}")) }
    }

    /// As [`Report::names`], and nothing else is named as a root cause but advice of the kinds given.
    ///
    /// # Errors
    /// [`WardError::Wrong`] with the whole diagnosis when it says something else.
    pub fn names_only(&self, verdict: &str, code: &str, advice: &[&str]) -> Result<(), WardError> {
        self.names(verdict, code)?;
        let other = self
            .roots()
            .skip(1)
            .find(|root| text(root, "severity") != "advice" || !advice.contains(&text(root, "code")));
        other.map_or(Ok(()), |root| self.wrong(&format!("{} is named beside {code}", text(root, "code"))))
    }

    /// The verdict, and the exit code that goes with it.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when one of them is another.
    pub fn judges(&self, verdict: &str) -> Result<(), WardError> {
        let exit = match verdict {
            "healthy" => 0,
            "at-risk" | "degraded" => 1,
            "broken" => 2,
            _ => 3,
        };
        if text(&self.json, "verdict") != verdict {
            return self.wrong(&format!("the verdict must be {verdict}"));
        }
        if self.exit != Some(exit) {
            return self.wrong(&format!("the exit code must be {exit}, not {:?}", self.exit));
        }
        Ok(())
    }

    /// Healthy, and no root cause but advice of the kinds named, which is true of the system.
    ///
    /// # Errors
    /// [`WardError::Wrong`] on anything else.
    pub fn healthy_with(&self, advice: &[&str]) -> Result<(), WardError> {
        let other =
            self.roots().find(|root| text(root, "severity") != "advice" || !advice.contains(&text(root, "code")));
        match other {
            Some(root) => self.wrong(&format!("{} is said of a healthy system", text(root, "code"))),
            None => self.judges("healthy"),
        }
    }

    /// Healthy, with `code` among the advice and nothing worse.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when it is not said, or something worse is.
    pub fn advises(&self, code: &str) -> Result<(), WardError> {
        if self.roots().any(|root| text(root, "code") == code) {
            self.judges("healthy")
        } else {
            self.wrong(&format!("{code} must be among the advice"))
        }
    }

    /// Whether the check `code` stands in the report with `state` on some subject.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when it does not.
    pub fn has_check(&self, code: &str, state: &str) -> Result<(), WardError> {
        let found =
            list(&self.json, "checks").any(|check| text(check, "code") == code && text(check, "state") == state);
        if found { Ok(()) } else { self.wrong(&format!("{code} must be {state} somewhere")) }
    }

    /// Whether a detail of the first root cause holds `part`.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when it does not, or is missing.
    pub fn tells(&self, key: &str, part: &str) -> Result<(), WardError> {
        let detail = self.roots().next().and_then(|root| root.get("detail"));
        let value = detail.and_then(|detail| detail.get(key));
        if value.is_some_and(|value| value.to_string().contains(part)) {
            Ok(())
        } else {
            self.wrong(&format!("{key} must tell of {part}, not {value:?}"))
        }
    }

    /// Whether the sentence for the manager holds `part`.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when it does not.
    pub fn says(&self, part: &str) -> Result<(), WardError> {
        if text(&self.json, "summary").contains(part) {
            Ok(())
        } else {
            self.wrong(&format!("it must say that mail {part}"))
        }
    }

    /// Whether the first root cause explains the finding `code`.
    ///
    /// # Errors
    /// [`WardError::Wrong`] when it does not.
    pub fn explains(&self, code: &str) -> Result<(), WardError> {
        let root = self.roots().next().map_or("-", |root| text(root, "id"));
        let explained = list(&self.json, "findings")
            .filter(|finding| text(finding, "code") == code)
            .any(|finding| list(finding, "explained_by").any(|by| by == root));
        if explained { Ok(()) } else { self.wrong(&format!("the first root cause must explain {code}")) }
    }

    /// How long the run took, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.json.get("duration_ms").and_then(Value::as_u64).unwrap_or_default()
    }

    /// The whole report.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    fn roots(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "diagnosis")
    }

    fn wrong(&self, what: &str) -> Result<(), WardError> {
        let mut said =
            format!("{what}; the report says {}: {}\n", text(&self.json, "verdict"), text(&self.json, "summary"));
        for root in self.roots() {
            for key in ["code", "effective_severity", "party", "confidence", "subject", "cause"] {
                said.push_str(text(root, key));
                said.push_str(" · ");
            }
            said.push('\n');
        }
        said.push_str(&self.progress);
        Err(WardError::Wrong(said))
    }
}

/// A member that is a text, `-` where there is none.
fn text<'json>(value: &'json Value, key: &str) -> &'json str {
    value.get(key).and_then(Value::as_str).unwrap_or("-")
}

/// The elements of a member that is a list.
fn list<'json>(value: &'json Value, key: &str) -> impl Iterator<Item = &'json Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
