//! One attack after the other on a network of four, and what each costs.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use lathe_aggregation::{Cancellation, Leansig, RawBackend, seal_block};
use lathe_hostile::{Attack, Forger, Kind};
use lathe_leansig::{Prod, SecretKey};
use lathe_types::{Decode as _, Root, Signature, Slot, ValidatorIndex};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::lab::{Lab, is_inside};
use crate::load::Load;
use crate::probe::{Metrics, Watch, finalized, get, resident_mib};
use crate::support::SLOT;

const NODES: usize = 4;
/// What a network needs to finalize again once it is whole, with or without an attack.
const HEALED_WITHIN_SLOTS: u64 = 36;
/// The most that a chain's turn may take, but for one in a hundred.
const TURN_P99_SECONDS: f64 = 0.005;
/// Head and finality as far apart as the timeline requires, and one more slot for one that is under way.
const LAG_SLOTS: u64 = 5;
/// The same where every fifth slot has no block.
const LAG_WITH_GAPS_SLOTS: u64 = 9;

/// Memory that a flood may leave taken: buffers that grew, and what the allocator keeps of each size.
const SLACK_MIB: u64 = 30;

/// What is cut while the attack goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    /// One node for 20 seconds.
    One,
    /// Two and two for 16 seconds.
    Half,
}

struct Row {
    name: &'static str,
    rate: String,
    missed: f64,
    lag_slots: u64,
    peak_mib: f64,
    after_mib: f64,
    healed_slots: Option<u64>,
    turn_p99_ms: f64,
}

impl Row {
    /// Adds a line to the table.
    fn shown(self) -> Self {
        let healed = self.healed_slots.map_or("-".to_owned(), |slots| slots.to_string());
        println!(
            "{:<27} {:>9} {:>6} {:>4} {:>6.0} {:>6.0} {:>6} {:>7.1}",
            self.name,
            self.rate,
            self.missed,
            self.lag_slots,
            self.peak_mib,
            self.after_mib,
            healed,
            self.turn_p99_ms
        );
        self
    }
}

fn print_head() {
    println!(
        "\n{:<27} {:>9} {:>6} {:>4} {:>6} {:>6} {:>6} {:>7}",
        "attack", "per s", "missed", "lag", "MiB", "after", "heals", "p99 ms"
    );
}

/// Runs one attack for some slots, with what is cut meanwhile, and waits until all is well again.
fn run(lab: &Lab, runtime: &Runtime, name: &'static str, kind: Option<&Kind>, cut: Cut, slots: u32) -> Row {
    let target = lab.target();
    let watch = Watch::start(lab, &target);
    sleep(Duration::from_secs(2));
    let before: Vec<Metrics> = (0..lab.count()).map(|node| Metrics::of(lab, node)).collect();
    let attack = kind.map(|kind| {
        let _entered = runtime.enter();
        Attack::start(kind, &target)
    });
    let healed_slots = match cut {
        Cut::Nothing => {
            sleep(SLOT * slots);
            None
        }
        Cut::One => Some(cut_and_heal(lab, &[0, 1, 2], &[3], 20)),
        Cut::Half => Some(cut_and_heal(lab, &[0, 1], &[2, 3], 16)),
    };
    let rate = attack.as_ref().map_or("-".to_owned(), |attack| format!("{:.0}", attack.rate()));
    let after: Vec<Metrics> = (0..lab.count()).map(|node| Metrics::of(lab, node)).collect();
    drop(attack);
    let worst = watch.end();
    let pairs = || before.iter().zip(&after);
    let missed =
        pairs().map(|(b, a)| a.sum("lathe_missed_duties_total") - b.sum("lathe_missed_duties_total")).sum();
    for (node, (before, after)) in pairs().enumerate() {
        for line in after.changes("lathe_missed_duties_total", before) {
            println!("  {name}: node {node}: {line}");
        }
    }
    let turn = pairs().map(|(b, a)| a.quantile("lathe_chain_turn_seconds", b, 0.99)).fold(0.0, f64::max);
    let most = if lab.validators == lab.count() { LAG_SLOTS } else { LAG_WITH_GAPS_SLOTS };
    let is_well = || {
        (0..lab.count()).all(|node| finalized(&lab.api(node)).is_some_and(|slot| slot + most >= lab.slot()))
    };
    lab.wait_until("finality after the attack", Duration::from_secs(160), is_well);
    sleep(Duration::from_secs(12));
    let after_mib =
        (0..lab.count()).filter_map(|node| lab.process(node)).map(resident_mib).fold(0.0, f64::max);
    Row {
        name,
        rate,
        missed,
        lag_slots: worst.lag_slots,
        peak_mib: worst.resident_mib,
        after_mib,
        healed_slots,
        turn_p99_ms: turn * 1000.0,
    }
}

/// Cuts for some seconds; says how many slots after the end of the cut every node has finalized past it.
fn cut_and_heal(lab: &Lab, one: &[usize], other: &[usize], seconds: u64) -> u64 {
    lab.cut(one, other);
    sleep(Duration::from_secs(seconds));
    let healed_at = lab.slot();
    lab.heal(one, other);
    let whole =
        || (0..lab.count()).all(|node| finalized(&lab.api(node)).is_some_and(|slot| slot > healed_at));
    lab.wait_until("finality past the cut", SLOT * (HEALED_WITHIN_SLOTS + 20) as u32, whole);
    lab.slot() - healed_at
}

/// A thousand requests a second on the API of one node, and twice as many slow connections as it has places.
fn while_the_api_is_asked(lab: &Lab, runtime: &Runtime) -> Row {
    let load = Load::start(&lab.api(0));
    let mut row = run(lab, runtime, "API and slow connections", None, Cut::Nothing, 12);
    let (rate, p99_ms, refused) = load.end();
    row.rate = format!("{rate:.0}");
    println!(
        "  of the API's answers one in a hundred took {p99_ms:.0} ms or more; {refused} were refused with 503"
    );
    row
}

/// Waits for the first finalized blocks.
fn settle(lab: &Lab) {
    lab.wait_until("the first finalized block", Duration::from_secs(60), || {
        (0..lab.count()).all(|node| finalized(&lab.api(node)).is_some_and(|slot| slot >= 2))
    });
}

/// Attacks that cut nothing, in full, or a tenth of them for a machine that has other things to do.
fn steady(tenths: usize) -> Vec<(&'static str, Kind)> {
    let part = |all: usize| all * tenths / 10;
    let rate = |all: usize| part(all) as u32;
    vec![
        ("liars at every node", Kind::Liars),
        ("votes, one peer", Kind::Votes { peers: 1, per_second: rate(10_000) }),
        ("votes, 16 peers", Kind::Votes { peers: 16, per_second: rate(1_000) }),
        ("false aggregates", Kind::Aggregates { per_second: 50 }),
        ("bombs, 20 MB/s", Kind::Bombs { bytes_per_second: part(20_000_000) }),
        ("130 sybils per node", Kind::Sybils { peers: part(130) }),
        ("handshakes", Kind::Storm { peers: part(20) }),
        ("half-open streams", Kind::HalfOpen { peers: 2 }),
        ("longest ranges", Kind::Ranges { peers: 2 }),
    ]
}

#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_attacks_on_four_nodes() {
    if !is_inside("attacks::long_attacks_on_four_nodes") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let lab = Lab::start(NODES, NODES, 1024, &[]);
    settle(&lab);
    print_head();
    let mut rows = Vec::new();
    let orphans = Kind::Orphans { peers: 6, per_second: 60 };
    let cuts = [
        ("none, one node cut 20 s", None, Cut::One),
        ("none, split 2/2 for 16 s", None, Cut::Half),
        ("orphans, one cut 20 s", Some(&orphans), Cut::One),
        ("orphans, split 2/2", Some(&orphans), Cut::Half),
        ("liars, split 2/2", Some(&Kind::Liars), Cut::Half),
    ];
    for (name, kind, cut) in cuts {
        rows.push(run(&lab, &runtime, name, kind, cut, 0).shown());
    }
    for (name, kind) in steady(10) {
        rows.push(run(&lab, &runtime, name, Some(&kind), Cut::Nothing, 12).shown());
    }
    rows.push(while_the_api_is_asked(&lab, &runtime).shown());
    drop(lab);
    let lab = Lab::start(NODES, NODES + 1, 128, &[]);
    settle(&lab);
    let forger = forger(&lab, NODES as u64);
    let row = run(
        &lab,
        &runtime,
        "equivocation, real keys",
        Some(&Kind::Equivocation { forger, per_second: 100 }),
        Cut::Nothing,
        16,
    );
    let seen: f64 = (0..NODES).map(|node| Metrics::of(&lab, node).sum("lathe_equivocations_total")).sum();
    assert!(seen > 0.0, "nobody noticed the equivocation");
    rows.push(row.shown());
    println!();
    judge(&rows);
}

/// Everything at once that costs no finality: every node still does every duty.
#[test]
#[ignore = "takes a minute; run by make e2e"]
fn short_four_nodes_hold_under_every_attack() {
    let runtime = Runtime::new().unwrap();
    let lab = Lab::start(NODES, NODES, 128, &[]);
    settle(&lab);
    let target = lab.target();
    let watch = Watch::start(&lab, &target);
    let before: Vec<f64> = missed(&lab);
    let attacks: Vec<Attack> = {
        let _entered = runtime.enter();
        steady(1).iter().map(|(_, kind)| Attack::start(kind, &target)).collect()
    };
    let load = Load::start(&lab.api(1));
    sleep(SLOT * 5);
    assert!(attacks.iter().all(|attack| attack.rate() > 0.0), "an attack did not take place");
    let health = (0..NODES).filter(|node| get(&format!("{}/health", lab.api(*node))).is_some()).count();
    drop(attacks);
    let (asked, ..) = load.end();
    assert!(asked > 1.0, "the API did not answer");
    let worst = watch.end();
    assert_eq!((missed(&lab), health), (before, NODES), "{worst:?}");
    lab.wait_until("finality after the attacks", Duration::from_secs(60), || {
        (0..NODES).all(|node| finalized(&lab.api(node)).is_some_and(|slot| slot + LAG_SLOTS >= lab.slot()))
    });
}

fn missed(lab: &Lab) -> Vec<f64> {
    (0..lab.count()).map(|node| Metrics::of(lab, node).sum("lathe_missed_duties_total")).collect()
}

/// What has to hold under every attack.
fn judge(rows: &[Row]) {
    let mut flaws = Vec::new();
    for row in rows {
        if row.healed_slots.is_some_and(|slots| slots > HEALED_WITHIN_SLOTS) {
            flaws.push(format!("{}: healed after {} slots", row.name, row.healed_slots.unwrap_or_default()));
        }
        if row.healed_slots.is_none() && row.missed > 0.0 {
            flaws.push(format!("{}: {} duties missed", row.name, row.missed));
        }
        if row.turn_p99_ms > TURN_P99_SECONDS * 1000.0 {
            flaws.push(format!("{}: a turn of the chain takes {} ms", row.name, row.turn_p99_ms));
        }
    }
    assert_eq!(flaws, [""; 0]);
}

/// The keys of a validator that no node has, in the hands of somebody who signs anything.
fn forger(lab: &Lab, validator: u64) -> Forger {
    let keys = lab.net().join("hash-sig-keys");
    let load = |role: &str| {
        let path = keys.join(format!("validator_{validator}_{role}_key_sk.ssz"));
        Arc::new(Mutex::new(SecretKey::<Prod>::decode(&std::fs::read(path).unwrap()).unwrap()))
    };
    let sign = |key: &Mutex<SecretKey<Prod>>, slot: Slot, root: Root| {
        let signature = key.lock().sign_with_build(slot.0, &root.0).unwrap();
        Signature::from_ssz_bytes(&signature.encode()).unwrap()
    };
    let (attestation, proposal) = (load("attester"), load("proposer"));
    let config = lathe_config::NetworkConfig::read(&lab.net().join("config.yaml")).unwrap();
    let registry = config.genesis().validators.clone();
    let count = registry.len() as u64;
    let seal = move |block: &lathe_types::Block, root: Root| {
        let signature = sign(&proposal, block.slot, root);
        let backend = RawBackend::<Leansig>::default();
        seal_block(&backend, &registry, (block, root), &[], &signature, &Cancellation::default()).unwrap()
    };
    Forger {
        validator: ValidatorIndex(validator),
        count,
        sign: Arc::new(move |slot, root| sign(&attestation, slot, root)),
        seal: Arc::new(seal),
    }
}

/// What a flood leaves in memory is given back.
#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_memory_falls_back_after_a_flood() {
    let runtime = Runtime::new().unwrap();
    let lab = Lab::start(NODES, NODES, 256, &[]);
    settle(&lab);
    let resident =
        || -> Vec<u64> { (0..NODES).map(|node| resident_mib(lab.process(node).unwrap()) as u64).collect() };
    let before = resident();
    let target = lab.target();
    let watch = Watch::start(&lab, &target);
    let attack = {
        let _entered = runtime.enter();
        Attack::start(&Kind::Votes { peers: 16, per_second: 1_000 }, &target)
    };
    sleep(SLOT * 12);
    drop(attack);
    let peak = watch.end().resident_mib;
    for _ in 0..6 {
        sleep(Duration::from_secs(20));
        println!("resident MiB before {before:?}, at most {peak:.0}, now {:?}", resident());
    }
    for (before, after) in before.iter().zip(resident()) {
        assert!(after < before + SLACK_MIB, "{after} MiB, {before} before the flood");
    }
}
