//! `lathe enr`: node records, the addresses by which nodes find each other.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use eyre::{WrapErr as _, bail};
use lathe_config::{NodeKey, read_nodes};
use lathe_network::NodeRecord;

use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  lathe enr show net/nodes.yaml
      who is in a list of nodes, and where
  lathe enr show enr:-IW4Q...
      one record
  lathe enr make --node-key net/lathe_0.key --ip 203.0.113.7 --port 9000
      the record of a node, for others' nodes.yaml or --bootnodes";

/// Read and make node records
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum EnrCommand {
    /// Say whom records name, and where
    Show(ShowArgs),
    /// Make the record of a node
    Make(MakeArgs),
}

/// Arguments of `lathe enr show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Records (enr:...), or files that list them (nodes.yaml)
    #[arg(value_name = "ENR|FILE", required = true)]
    records: Vec<String>,
}

/// Arguments of `lathe enr make`.
#[derive(Args, Debug)]
pub(crate) struct MakeArgs {
    /// File with the node's secp256k1 key in hex
    #[arg(long, value_name = "FILE")]
    node_key: PathBuf,
    /// Address where others reach it
    #[arg(long, value_name = "IP")]
    ip: IpAddr,
    /// UDP port of QUIC
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    port: u16,
}

/// Runs the subcommand.
pub(crate) fn run(command: &EnrCommand) -> eyre::Result<()> {
    match command {
        EnrCommand::Show(args) => show(args),
        EnrCommand::Make(args) => make(args),
    }
}

fn show(args: &ShowArgs) -> eyre::Result<()> {
    for text in &args.records {
        let records = match text.starts_with("enr:") {
            true => vec![text.clone()],
            false => read_nodes(Path::new(text))?,
        };
        for record in records {
            describe(&record)?;
        }
    }
    Ok(())
}

fn describe(text: &str) -> eyre::Result<()> {
    let record: NodeRecord = text.parse().wrap_err("write a record as nodes.yaml has it: enr:-...")?;
    say(&format!("peer id   {}", record.peer_id()?));
    say(&format!(
        "address   {}",
        record.quic_address().map_or("none: nobody can dial it".into(), |address| address.to_string())
    ));
    say(&format!("sequence  {}", record.sequence()));
    say(&format!("node id   0x{}", hex::encode(record.node_id())));
    say("");
    Ok(())
}

fn make(args: &MakeArgs) -> eyre::Result<()> {
    if args.ip.is_unspecified() {
        bail!("--ip {}: nobody can dial that; name the address where others reach the node", args.ip);
    }
    let key = NodeKey::read(&args.node_key)?;
    let record = crate::genesis::node_record(&key, args.ip, args.port);
    say(&record.map_err(eyre::Report::msg).wrap_err("the record cannot be made")?);
    Ok(())
}
