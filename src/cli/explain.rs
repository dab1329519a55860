//! `tollgate explain`: the road of a request, from the file alone or from the gateway that runs.

use std::time::SystemTime;

use super::{
    Exit, Failure,
    args::ExplainArgs,
    client::{Client, Reached, address, on_this_thread},
    screen::{json, out, out_has_color},
    token::read_token,
};
use crate::{
    auth::{credential::Credential, resolve::Unresolved},
    config::Config,
    explain::{Asked, Explanation, Proof, Question, render},
    secret::Secret,
    telemetry::instant::unix_ms,
    token::keyring::Keyring,
};

/// The host of a question that names none.
const HOST: &str = "localhost";

pub(super) fn run(args: ExplainArgs) -> Result<(), Failure> {
    let question = question(&args)?;
    let explanation = match &args.live {
        None => offline(&question, &Config::load(&args.file.config)?)?,
        Some(text) => live(&question, text)?,
    };
    if args.json {
        json(&serde_json::to_value(&explanation).map_err(|error| fault(&error))?);
    } else {
        out(&render(&explanation, out_has_color()));
    }
    Ok(())
}

fn fault(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Software, format!("writing JSON: {error}"))
}

fn question(args: &ExplainArgs) -> Result<Question, Failure> {
    let (method, target) = match args.request.as_slice() {
        [target] => ("GET", target.as_str()),
        [method, target] => (method.as_str(), target.as_str()),
        _ => return Err(Failure::new(Exit::Usage, "a request is a method and a target")),
    };
    let mut fields = Vec::with_capacity(args.fields.len() + 1);
    for line in &args.fields {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            // The line is not quoted: it may be a credential.
            Failure::new(Exit::Usage, "a field is a name, a colon and a value")
                .help("write -H 'Accept: application/json'")
        })?;
        fields.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    if let Some(file) = &args.token_file {
        let token = read_token(Some(file))?;
        fields.push(("Authorization".to_owned(), format!("Bearer {}", token.expose())));
    }
    let (host, target) = url(target);
    let host = args.host.as_deref().or(host).unwrap_or(HOST).to_owned();
    let (method, target) = (method.to_owned(), target.to_owned());
    let (caller, certificate) = (args.caller.clone(), args.certificate.clone());
    Ok(Question { method, target, host, fields, caller, certificate })
}

/// A whole URL, as one pastes it from a browser, is taken as a client takes it: host and target.
fn url(target: &str) -> (Option<&str>, &str) {
    let rest = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
    let Some(rest) = rest else { return (None, target) };
    match rest.find('/') {
        Some(slash) => (Some(&rest[..slash]), &rest[slash..]),
        None => (Some(rest), "/"),
    }
}

/// By the file alone: a token's signature and expiry are checked, and no store is asked.
fn offline(question: &Question, config: &Config) -> Result<Explanation, Failure> {
    let now = SystemTime::now();
    let asked = Asked::read(question, config)
        .map_err(|error| Failure::new(Exit::Data, error.to_string()))?;
    let proof = asked.credential().map(|credential| match (credential, &config.tokens.foreign) {
        (Credential::Token(token), None) => {
            signed(&Keyring::new(&config.secrets), token, unix_ms(now))
        }
        (Credential::Token(_), Some(_)) | (Credential::Client { .. }, _) => Proof::Unseen,
    });
    Ok(asked.judge(proof, None, now))
}

fn signed(keyring: &Keyring, token: &Secret, now_ms: i64) -> Proof {
    match keyring.verify(token.expose()) {
        Err(why) => Proof::Refused(why.into()),
        Ok(verified) if verified.expires_ms <= now_ms => Proof::Refused(Unresolved::Expired),
        Ok(verified) => Proof::Signed(verified),
    }
}

/// By the gateway that runs, whose admin listener is at `text`.
fn live(question: &Question, text: &str) -> Result<Explanation, Failure> {
    let address = address(text)?;
    let body = serde_json::to_vec(question).map_err(|error| fault(&error))?;
    let answer = on_this_thread(async {
        match Client::connect(address.clone()).await? {
            Reached::Gateway(client) => client.post("/explain", body).await,
            Reached::Nobody(error) => {
                let message = format!("no gateway answers at {address}: {error}");
                Err(Failure::new(Exit::Unavailable, message)
                    .help("`admin = …` in its configuration says where it listens; without --live the file alone is asked"))
            }
        }
    })?;
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(
            Exit::Software,
            "the gateway's answer has another form: is it of this version?",
        )
    })
}
