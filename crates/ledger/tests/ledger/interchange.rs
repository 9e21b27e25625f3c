//! Moving a ledger as text.

use lathe_ledger::{Error, Interchange, Ledger, RETAINED_SLOTS, Refusal, Terms};

use crate::disk::{Disk, GENESIS_TIME, entry};

fn export(disk: &Disk) -> String {
    let mut text = Vec::new();
    Ledger::inspect(disk.clone()).unwrap().unwrap().export(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn import(ledger: &mut Ledger<Disk>, text: &str) -> Result<(), Error> {
    ledger.import(&Interchange::read(text.as_bytes())?)
}

#[test]
fn an_export_has_the_documented_lines() {
    let disk = Disk::default();
    assert_eq!(
        disk.open(None).unwrap().record_all(&[entry(0x22, 7, 0x33), entry(0x11, 6, 0x44)]),
        [Ok(()), Ok(())]
    );
    let hex = |byte: &str| byte.repeat(32);
    let expected = [
        r#"{"format":"lathe-signing-ledger","version":2,"genesis_time":1700000000,"watermark":0}"#.to_owned(),
        format!(r#"{{"key":"0x{}","slot":6,"root":"0x{}"}}"#, hex("11"), hex("44")),
        format!(r#"{{"key":"0x{}","slot":7,"root":"0x{}"}}"#, hex("22"), hex("33")),
    ];
    let text = export(&disk);
    let (body, end) = text.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(body.lines().collect::<Vec<_>>(), expected);
    // From an unrelated implementation.
    let sum = "0xa38676ee9d83d91ef7287dd298dd873a3512429f1e2bc800f2a72ed178600784";
    assert_eq!(end, format!(r#"{{"records":2,"sha256":"{sum}"}}"#));
}

#[test]
fn a_round_trip_keeps_every_refusal() {
    let disk = Disk::default();
    let mut ledger = disk.open(Some(1)).unwrap();
    let entries: Vec<_> = (3..3 + RETAINED_SLOTS as u64 + 5).map(|slot| entry(1, slot, 7)).collect();
    assert!(ledger.record_all(&entries).iter().all(Result::is_ok));
    drop(ledger);
    let text = export(&disk);

    let copy = Disk::default();
    import(&mut copy.open(None).unwrap(), &text).unwrap();
    assert_eq!(export(&copy), text);
    let mut ledger = copy.open(None).unwrap();
    assert_eq!(ledger.watermark(), 3);
    assert_eq!(
        ledger.record_all(&[entry(1, 5, 7)]),
        [Err(Refusal::BelowWatermark { slot: 5, watermark: 8 })]
    );
    assert_eq!(ledger.record_all(&[entry(1, 9, 8)]), [Err(Refusal::AlreadySigned { slot: 9 })]);
    assert_eq!(ledger.record_all(&[entry(1, 9, 7)]), [Ok(())]);
}

#[test]
fn an_import_adds_and_never_allows_more() {
    let (ours, theirs) = (Disk::default(), Disk::default());
    let mut ledger = ours.open(None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1), entry(1, 6, 1)]), [Ok(()), Ok(())]);
    assert_eq!(theirs.open(None).unwrap().record_all(&[entry(1, 5, 2), entry(2, 5, 2)]), [Ok(()), Ok(())]);
    import(&mut ledger, &export(&theirs)).unwrap();
    drop(ledger);
    let mut ledger = ours.open(None).unwrap();
    let taken = |slot| Err(Refusal::AlreadySigned { slot });
    assert_eq!(
        ledger.record_all(&[entry(1, 5, 2), entry(1, 6, 2), entry(2, 5, 1)]),
        [taken(5), taken(6), taken(5)]
    );
    assert_eq!(ledger.record_all(&[entry(1, 5, 1), entry(2, 5, 2)]), [Ok(()), Ok(())]);
}

#[test]
fn a_flawed_file_is_refused_whole_with_its_line() {
    let disk = Disk::default();
    assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 5, 1)]), [Ok(())]);
    let good = export(&disk);
    let lines: Vec<&str> = good.lines().collect();
    let [preamble, record, end] = lines[..] else { panic!("{good}") };
    let flawed = [
        (String::new(), 1),
        (good.replace("\"version\":2", "\"version\":9"), 1),
        (good.replace("1700000000", "1700000060"), 3),
        (format!("{preamble}\nnonsense\n{end}\n"), 2),
        (format!("{preamble}\n{{\"key\":\"0x00\",\"slot\":1}}\n{end}\n"), 2),
        (format!("{preamble}\n{}\n", "x".repeat(5000)), 2),
        (format!("{preamble}\n{record}\n"), 3),
        (format!("{preamble}\n{end}\n"), 2),
        (format!("{preamble}\n{record}\n{record}\n{end}\n"), 4),
        (good.replace("\"slot\":5", "\"slot\":6"), 3),
        (good.replace("\"records\":1", "\"records\":2"), 3),
        (format!("{good}{end}\n"), 4),
    ];
    for (text, expected) in flawed {
        assert_ne!(text, good);
        let other = Disk::default();
        let mut ledger = other.open(None).unwrap();
        let before = other.contents();
        match import(&mut ledger, &text).unwrap_err() {
            Error::Interchange { line, .. } => assert_eq!(line, expected, "{text}"),
            error => panic!("unexpected: {error}"),
        }
        assert_eq!(other.contents(), before);
    }
}

#[test]
fn the_export_of_another_genesis_is_refused() {
    let disk = Disk::default();
    drop(disk.open(None).unwrap());
    let text = export(&disk);
    let terms = Terms { genesis_time: GENESIS_TIME + 60, ..Terms::default() };
    let mut other = Ledger::open(Disk::default(), &terms).unwrap();
    let error = import(&mut other, &text).unwrap_err();
    assert!(
        error.to_string().contains("it is for genesis time 1700000000, this ledger for 1700000060"),
        "{error}"
    );
}

#[test]
fn an_import_never_lets_a_stopped_key_go_on() {
    let (ours, theirs) = (Disk::default(), Disk::default());
    let mut ledger = ours.open(None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    assert_eq!(ledger.seen(entry(1, 6, 9)), Ok(true));
    drop(theirs.open(None).unwrap());
    let text = export(&ours);
    import(&mut ledger, &export(&theirs)).unwrap();
    let stopped = Err(Refusal::Stopped { slot: 6 });
    assert_eq!(ledger.record_all(&[entry(1, 9, 1)]), std::slice::from_ref(&stopped));
    let mut copy = theirs.open(None).unwrap();
    import(&mut copy, &text).unwrap();
    assert_eq!(copy.record_all(&[entry(1, 9, 1)]), [stopped]);
}
