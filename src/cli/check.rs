//! `tollgate check`: a file's mistakes, or its rules. Starts nothing.

use serde_json::{Value, json};

use super::{
    Exit, Failure,
    args::CheckArgs,
    screen::{json, out},
};
use crate::config::{Config, check};

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    match Config::load(&args.file) {
        Ok(config) if args.json => {
            let mut report = json!({ "good": true });
            if let (Some(report), Value::Object(found)) =
                (report.as_object_mut(), check::to_json(&config))
            {
                report.extend(found);
            }
            json(&report);
            Ok(())
        }
        Ok(config) => {
            out(&check::render(&config));
            Ok(())
        }
        Err(report) if args.json => {
            json(&json!({ "good": false, "mistakes": report.to_json() }));
            Err(Failure::new(Exit::Config, ""))
        }
        Err(report) => Err(report.into()),
    }
}
