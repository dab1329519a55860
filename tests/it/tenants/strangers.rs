//! Whoever does not belong to a tenant is not told whether there is one.

use serde_json::Value;

use super::{
    Answer, call,
    isolation::{METHODS, sides},
};

/// Paths below an application.
const BELOW: &str = "
    /token /credentials /users /roles /roles/editor /roles/nothing /groups /groups/team/users/nora
    /permissions /roles/editor/permissions /cats /cats/tom";

/// Paths below a user.
const OF_USER: &str = "
    /password /token /revoketoken /revoketokens /roles /roles/editor /groups /permissions /activate
    /deactivate /devices";

/// What is told of a refusal: all but its clock and whatever repeats the path.
fn shape(answer: &Answer) -> String {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("timestamp");
        body.remove("duration");
    }
    format!("{} {body}", answer.status)
}

fn rests() -> Vec<String> {
    let mut rests: Vec<String> = BELOW.split_whitespace().map(str::to_owned).collect();
    for who in ["nora", "nobody", "me"] {
        let below = |rest| format!("/users/{who}{rest}");
        rests.extend([""].into_iter().chain(OF_USER.split_whitespace()).map(below));
    }
    rests.push(String::new());
    rests
}

#[test]
fn a_stranger_cannot_tell_a_tenant_that_is_from_one_that_is_not() {
    let (world, acme, _beta) = sides();
    let bodies = [
        "",
        "{}",
        "{",
        r#"{"newpassword":"wrong-two"}"#,
        r#"{"oldpassword":"wrong-one","newpassword":"wrong-two"}"#,
        r#"{"grant_type":"password","username":"nora","password":"wrong-one"}"#,
    ];
    let mut client = world.gate.connect();
    let stranger = &acme.callers[2].1;
    for rest in rests() {
        for method in METHODS {
            for body in
                bodies.iter().take(if matches!(method, "GET" | "HEAD") { 1 } else { bodies.len() })
            {
                for who in ["", stranger] {
                    let mut ask =
                        |target: String| shape(&call(&mut client, who, method, &target, body));
                    let there = ask(format!("/beta/shop{rest}"));
                    let row = format!("{method} {rest} {body}");
                    assert_eq!(there, ask(format!("/nobody/shop{rest}")), "{row}");
                    assert_eq!(there, ask(format!("/beta/nothing{rest}")), "{row}");
                    assert_eq!(there, ask(format!("/{}{rest}", acme.user_ids[0])), "{row}");
                }
            }
        }
    }
}
