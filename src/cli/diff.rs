//! `tollgate diff`: what another configuration would open and close. Starts nothing.

use std::time::SystemTime;

use super::{
    Exit, Failure,
    args::DiffArgs,
    screen::{json, out},
};
use crate::config::{Config, diff::Comparison};

pub(super) fn run(args: &DiffArgs) -> Result<(), Failure> {
    let (old, new) = (Config::load(&args.old)?, Config::load(&args.new)?);
    let compared = Comparison::of(&old, &new, SystemTime::now()).map_err(|why| {
        let both = format!("{} and {}", args.old.display(), args.new.display());
        Failure::new(Exit::Data, format!("{both} cannot be compared: {why}"))
            .help("change that alone first, and compare the rules after it")
    })?;
    if args.json {
        json(&compared.to_json());
    } else {
        out(&compared.render());
    }
    match compared.opens() {
        0 => Ok(()),
        _ if !args.no_widening => Ok(()),
        opens => Err(Failure::new(Exit::Opens, format!("{opens} of these lines open something"))
            .help("narrow them, or leave --no-widening out once somebody has agreed to each")),
    }
}
