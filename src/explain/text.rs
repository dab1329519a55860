//! An explanation for people: one screen, a label in front of each part.

use std::fmt::Write;

use super::{
    Explanation, Forwarded, Outcome, PrincipalFound, RuleFound, RuleLine, TenantFound, TermFound,
};

/// Where the text of a part begins.
const INDENT: usize = 13;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Fields that every request gets, by its connection: named, without their values.
const USUAL: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];

/// The explanation as text. With `color`, the decision stands out.
#[must_use]
pub fn render(explanation: &Explanation, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    page.part("request", &explanation.request);
    match &explanation.canonical {
        None => page.part("canonical", "none: two programs could read this request differently"),
        Some(form) => {
            let came = match &form.came_as {
                None => "(unchanged)".to_owned(),
                Some(came) => format!("(came as {came})"),
            };
            page.part(
                "canonical",
                &format!("{}  host {}  path {}  {came}", form.method, form.host, form.path),
            );
        }
    }
    if let Some(found) = &explanation.credential {
        page.part("credential", &found.says);
        page.part("principal", &principal(explanation.principal.as_ref(), found.present));
    }
    if let Some(tenant) = &explanation.tenant {
        page.tenant(tenant);
    }
    if !explanation.before_rules {
        page.rule(explanation.rule.as_ref());
    }
    page.decision(explanation);
    if let Some(forwarded) = &explanation.forwarded {
        page.forwarded(forwarded);
    }
    page.text
}

struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn part(&mut self, label: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{label:<INDENT$}{text}");
    }

    fn more(&mut self, text: &str) {
        self.part("", text);
    }

    fn tenant(&mut self, tenant: &TenantFound) {
        self.part("tenant", &format!("{}  ({})", tenant.name, tenant.says));
        if let Some(user) = &tenant.user {
            self.more(&printable(user));
        }
    }

    fn rule(&mut self, rule: Option<&RuleFound>) {
        let Some(rule) = rule else { return self.part("rule", "none matches this request") };
        self.part("rule", &line(&rule.line));
        let next = rule.next_best.as_ref().map_or("none".to_owned(), line);
        let without = match rule.without_it.as_str() {
            "permit" => "the request would pass".to_owned(),
            "depends" => "the answer would depend on who is calling".to_owned(),
            answer => format!("the answer would be {answer}"),
        };
        self.more(&format!("next best: {next}; without this rule {without}"));
        let width = rule.terms.iter().flatten().map(|term| term.term.chars().count()).max();
        for (index, all) in rule.terms.iter().enumerate() {
            for (place, term) in all.iter().enumerate() {
                let join = match (index, place) {
                    (0, 0) => "",
                    (_, 0) => "| ",
                    _ => "& ",
                };
                // The first line keeps room for what joins the others only where there are others.
                let lead = if rule.terms.iter().flatten().count() > 1 {
                    format!("{join:<2}")
                } else {
                    String::new()
                };
                let painted = self.term(term);
                self.more(&format!(
                    "{lead}{:<width$}   {painted}",
                    term.term,
                    width = width.unwrap_or(0)
                ));
            }
        }
    }

    fn term(&self, term: &TermFound) -> String {
        let paint = match term.holds {
            Some(true) => GREEN,
            Some(false) => RED,
            None => YELLOW,
        };
        self.paint(paint, &printable(&term.says))
    }

    fn paint(&self, paint: &str, text: &str) -> String {
        if self.color { format!("{paint}{text}{PLAIN}") } else { text.to_owned() }
    }

    fn decision(&mut self, explanation: &Explanation) {
        let decision = &explanation.decision;
        let (paint, text) = match decision.outcome {
            Outcome::Permit => (GREEN, decision.says.clone()),
            Outcome::Answered => match decision.status {
                Some(status) => (GREEN, format!("{status} · {}", decision.says)),
                None => (GREEN, decision.says.clone()),
            },
            Outcome::Refuse => (RED, format!("{} · reason {}", decision.says, decision.reason)),
            Outcome::Unknown => (YELLOW, decision.says.clone()),
        };
        let text = self.paint(paint, &text);
        self.part("decision", &text);
        if let Some(because) = &decision.because {
            self.more(because);
        }
        if !decision.to_pass.is_empty() {
            let to_do =
                if decision.outcome == Outcome::Unknown { "to know" } else { "to let this pass" };
            self.more(&format!("{to_do}: {}", decision.to_pass.join(", or ")));
        }
    }

    fn forwarded(&mut self, forwarded: &Forwarded) {
        self.part("forwarded", &format!("{}  to {}", forwarded.request, forwarded.to));
        for (index, removed) in forwarded.removed.iter().enumerate() {
            let label = if index == 0 { "removed" } else { "" };
            self.part(label, &format!("{}  ({})", removed.name, removed.why));
        }
        let (usual, own): (Vec<_>, Vec<_>) =
            forwarded.set.iter().partition(|(name, _)| USUAL.contains(&name.as_str()));
        for (index, (name, value)) in own.iter().enumerate() {
            let label = if index == 0 { "set" } else { "" };
            self.part(label, &printable(&format!("{name}: {value}")));
        }
        if !usual.is_empty() {
            let label = if own.is_empty() { "set" } else { "" };
            let names: Vec<&str> = usual.iter().map(|(name, _)| name.as_str()).collect();
            self.part(label, &names.join(", "));
        }
    }
}

fn line(line: &RuleLine) -> String {
    format!("\"{}\" = \"{}\"  {}", line.rule, line.asks, line.place)
}

fn principal(found: Option<&PrincipalFound>, carries_one: bool) -> String {
    let Some(found) = found else {
        return if carries_one { "not known" } else { "guest" }.to_owned();
    };
    let mut text = format!("{} {}", found.kind, found.name.as_deref().unwrap_or(&found.id));
    if found.name.is_some() {
        let _ = write!(text, " (id {})", found.id);
    }
    if !found.of.is_empty() {
        let _ = write!(text, " of {}", found.of.join(", "));
    }
    let has_roles = matches!(found.kind.as_str(), "user" | "application_user");
    for (label, list) in [("roles", &found.roles), ("scopes", &found.scopes)] {
        match list.as_slice() {
            [] if label == "scopes" || !has_roles => {}
            [] => text.push_str("  no roles"),
            some => {
                let _ = write!(text, "  {label}: {}", some.join(", "));
            }
        }
    }
    let mut times = Vec::new();
    times.extend(found.issued_ms.map(|at| format!("issued {} ago", span(found.now_ms - at))));
    times.extend(found.expires_ms.map(|at| format!("expires in {}", span(at - found.now_ms))));
    if !times.is_empty() {
        let _ = write!(text, "  token {}", times.join(", "));
    }
    let _ = write!(text, "  (from {})", found.known_from);
    printable(&text)
}

/// Text for a terminal: a control character of some record could rewrite what is on the screen.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The two largest units of a span: `6 d 22 h`.
#[must_use]
pub(crate) fn span(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let ms = ms.max(0);
    let Some(first) = UNITS.iter().position(|(size, _)| ms >= *size) else {
        return format!("{ms} ms");
    };
    let (size, unit) = UNITS[first];
    let mut text = format!("{} {unit}", ms / size);
    if let Some((smaller, unit)) = UNITS.get(first + 1)
        && ms % size >= *smaller
    {
        let _ = write!(text, " {} {unit}", ms % size / smaller);
    }
    text
}
