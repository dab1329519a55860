use super::{Failure, args::InitArgs};
pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    Ok(())
}
