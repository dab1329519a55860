use super::{Failure, args::DemoArgs};
pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    Ok(())
}
