//! The `tollgate` command.
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let config = match tollgate::config::Config::load(std::path::Path::new(&path)) {
        Ok(c) => c,
        Err(r) => {
            eprintln!("{r}");
            std::process::exit(78)
        }
    };
    let app = tollgate::app::App::start(config).unwrap();
    if let Err(e) = app.run() {
        eprintln!("{e}");
        std::process::exit(70)
    }
}
