//! `tollgate serve`: the gateway, until a signal ends it.

use super::{Failure, args::ServeArgs};
use crate::{app::App, config::Config};

pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = Config::load(&args.file.config)?;
    Ok(App::start(config)?.run()?)
}
