//! Moving a ledger as text.

use lathe_signer::{Error, RETAINED_SLOTS, SignError};

use crate::disk::{Disk, entry};

fn export(disk: &Disk) -> String {
    let mut text = Vec::new();
    disk.open(None).unwrap().export(&mut text).unwrap();
    String::from_utf8(text).unwrap()
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
        r#"{"format":"lathe-signing-ledger","version":1,"genesis_time":1700000000,"watermark":0}"#.to_owned(),
        format!(r#"{{"key":"0x{}","slot":6,"root":"0x{}"}}"#, hex("11"), hex("44")),
        format!(r#"{{"key":"0x{}","slot":7,"root":"0x{}"}}"#, hex("22"), hex("33")),
    ];
    assert_eq!(export(&disk).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_round_trip_keeps_every_refusal() {
    let disk = Disk::default();
    let ledger = disk.open(Some(1)).unwrap();
    let entries: Vec<_> = (3..3 + RETAINED_SLOTS as u64 + 5).map(|slot| entry(1, slot, 7)).collect();
    assert!(ledger.record_all(&entries).iter().all(Result::is_ok));
    drop(ledger);
    let text = export(&disk);

    let copy = Disk::default();
    copy.open(None).unwrap().import(text.as_bytes()).unwrap();
    assert_eq!(export(&copy), text);
    let ledger = copy.open(None).unwrap();
    assert_eq!(ledger.watermark(), 3);
    assert_eq!(
        ledger.record_all(&[entry(1, 5, 7)]),
        [Err(SignError::BelowWatermark { slot: 5, watermark: 8 })]
    );
    assert_eq!(ledger.record_all(&[entry(1, 9, 8)]), [Err(SignError::AlreadySigned { slot: 9 })]);
    assert_eq!(ledger.record_all(&[entry(1, 9, 7)]), [Ok(())]);
}

#[test]
fn an_import_adds_and_never_allows_more() {
    let (ours, theirs) = (Disk::default(), Disk::default());
    let ledger = ours.open(None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1), entry(1, 6, 1)]), [Ok(()), Ok(())]);
    assert_eq!(theirs.open(None).unwrap().record_all(&[entry(1, 5, 2), entry(2, 5, 2)]), [Ok(()), Ok(())]);
    ledger.import(export(&theirs).as_bytes()).unwrap();
    drop(ledger);
    let ledger = ours.open(None).unwrap();
    let taken = |slot| Err(SignError::AlreadySigned { slot });
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
    let preamble = good.lines().next().unwrap();
    let flawed = [
        (String::new(), 1),
        (good.replace("\"version\":1", "\"version\":2"), 1),
        (good.replace("1700000000", "1700000060"), 1),
        (format!("{good}nonsense\n"), 3),
        (format!("{good}{{\"key\":\"0x00\",\"slot\":1}}\n"), 3),
        (format!("{preamble}\n{}\n", "x".repeat(5000)), 2),
    ];
    for (text, expected) in flawed {
        let other = Disk::default();
        let ledger = other.open(None).unwrap();
        let before = other.contents();
        match ledger.import(text.as_bytes()).unwrap_err() {
            Error::Interchange { line, .. } => assert_eq!(line, expected, "{text}"),
            error => panic!("unexpected: {error}"),
        }
        assert_eq!(other.contents(), before);
    }
}
