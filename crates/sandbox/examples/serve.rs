//! Serves a few empty clusters until interrupted: `cargo run -p sandbox --example serve -- [N] [DIR]`.
//!
//! Writes one kubeconfig per cluster into the current directory's `kubeconfigs` folder.

use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().map_or(Ok(1), |text| text.parse())?;
    let options = sandbox::Options {
        data: args.next().map(Into::into),
        ..sandbox::Options::default()
    };
    let sandbox = sandbox::Sandbox::start(options).await?;
    let _server = sandbox.serve(([127, 0, 0, 1], 0).into()).await?;
    std::fs::create_dir_all("kubeconfigs")?;
    for number in 0..count {
        let cluster = sandbox.add_cluster(&format!("c{number}")).await?;
        let path = format!("kubeconfigs/{}.yaml", cluster.name());
        std::fs::write(&path, cluster.kubeconfig().unwrap_or_default())?;
        writeln!(std::io::stdout(), "export KUBECONFIG=$PWD/{path}")?;
    }
    std::future::pending::<()>().await;
    Ok(())
}
