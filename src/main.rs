//! The `tollgate` command.

/// Gives memory back when a crowd has left: glibc's keeps what ten thousand connections needed.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    tollgate::cli::run()
}
